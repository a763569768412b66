// SPDX-License-Identifier: GPL-2.0

//! GSO packets that go on as they are: from a device that has sent them to one that receives them.
//!
//! They may be of any kind, tunnels, SCTP and lists of whole packets included: the stack has made
//! them, and cannot be told that they are refused. Whoever segments them later takes their shape
//! for granted, and what has a fragment list has a shape that can be broken with safe code: bytes
//! are pulled, or a header says another length. Therefore a list is looked at here. One that does
//! not fit is made linear, after which any shape will do.

use crate::{
    bindings,
    skb::{
        DropReason,
        EthHdr,
        SkBuff, //
        Skb,
        State,
    }, //
};
use core::{
    mem::MaybeUninit,
    num::NonZero, //
};
use kernel::prelude::*;
use zerocopy::{
    FromBytes,
    Immutable,
    Unaligned, //
};

/// Bytes of headers.
const ETH: usize = size_of::<EthHdr>();
const IPV6: usize = 40;
const UDP: usize = 8;
const SCTP: usize = 12;

impl Skb {
    fn read<T>(&self, offset: usize) -> Option<T>
    where
        T: FromBytes + Immutable + Unaligned + Copy,
    {
        let mut buffer = MaybeUninit::uninit();
        self.header_pointer(offset, &mut buffer).copied()
    }

    /// Where the payload of a frame of TCP, UDP or SCTP starts, found as the segmenters find it.
    fn payload_offset(&self) -> Option<usize> {
        let eth: EthHdr = self.read(0)?;
        let (protocol, transport) = match u32::from(eth.h_proto.get()) {
            bindings::ETH_P_IP => {
                let version_ihl: u8 = self.read(ETH)?;
                (
                    self.read(ETH + 9)?,
                    ETH + usize::from(version_ihl & 0xf) * 4,
                )
            }
            bindings::ETH_P_IPV6 => self.skip_extensions(self.read(ETH + 6)?, ETH + IPV6)?,
            _ => return None,
        };
        let header = match u32::from(protocol) {
            bindings::IPPROTO_TCP => {
                let doff: u8 = self.read(transport + 12)?;
                usize::from(doff >> 4) * 4
            }
            bindings::IPPROTO_UDP => UDP,
            bindings::IPPROTO_SCTP => SCTP,
            _ => return None,
        };
        Some(transport + header)
    }

    /// Skips the extension headers of IPv6 that segmenters skip.
    fn skip_extensions(&self, mut next: u8, mut offset: usize) -> Option<(u8, usize)> {
        while matches!(
            u32::from(next),
            bindings::IPPROTO_HOPOPTS | bindings::IPPROTO_ROUTING | bindings::IPPROTO_DSTOPTS
        ) {
            let [following, len]: [u8; 2] = self.read(offset)?;
            next = following;
            offset += (usize::from(len) + 1) * 8;
        }
        Some((next, offset))
    }

    /// Whether each member of the list has page fragments only. These are cut anywhere.
    fn list_is_paged(&self) -> bool {
        self.frag_list()
            .all(|member| member.headlen() == 0 && member.nr_frags() != 0)
    }

    /// Whether what is linear in the list are whole segments, as `skb_segment` takes it for.
    fn list_is_in_segments(&self, payload: usize, size: NonZero<usize>) -> bool {
        let total = self.len();
        let Some(mut at) = self.pagelen().checked_sub(payload) else {
            return false;
        };
        self.frag_list().all(|member| {
            let (linear, start) = (member.headlen(), at);
            at += member.len();
            if linear == 0 {
                return member.nr_frags() != 0;
            }
            let is_last = payload + at == total;
            start % size == 0
                && (linear == size.get()
                    || (is_last && linear == member.len() && linear <= size.get()))
        })
    }

    /// Whether the packet is the first of a list of whole packets, each with its headers in front
    /// of the data. One whose own payload is not a segment is not taken for such a list.
    fn list_is_of_packets(&self, payload: usize) -> bool {
        // C pushes the headers over, and a link-layer header as long as that of the first packet.
        let has_headers = |member: &Skb| {
            member.network_offset() <= 0 && usize::from(member.headers().network_header) >= ETH
        };
        self.pagelen().checked_sub(payload) == Some(self.gso_size().into())
            && self.frag_list().all(has_headers)
    }

    /// Whether each member of the list is a segment and the packet itself has headers only, as it
    /// is with `GSO_BY_FRAGS`.
    fn list_is_the_payload(&self) -> bool {
        let payload = if self.encapsulation() {
            // Nothing but the stack makes such a packet, and in a tunnel it has noted the place.
            let transport = self.inner_transport_offset();
            transport.and_then(|start| start.checked_add_unsigned(SCTP)?.try_into().ok())
        } else {
            self.payload_offset()
        };
        self.has_frag_list() && payload == Some(self.pagelen())
    }
}

impl<S: State> SkBuff<S> {
    /// Sees to it that what the packet leaves to others can be done, whatever it is.
    ///
    /// # Errors
    ///
    /// Why it has to be dropped.
    #[inline(always)]
    pub(in crate::skb) fn check_forward(&mut self) -> Result<(), DropReason> {
        if self.is_partial() && !self.partial_is_sound() && self.pull_partial().is_err() {
            return Err(DropReason::SKB_CSUM);
        }
        if self.is_gso() && self.check_shape().is_err() {
            return Err(DropReason::SKB_GSO_SEG);
        }
        Ok(())
    }

    /// Sees to it that any segmenter can cut the packet.
    #[cold]
    fn check_shape(&mut self) -> Result {
        // Read once: whoever has a clone may take the packet for one that is not to be cut.
        let Some(size) = NonZero::new(usize::from(self.gso_size())) else {
            return Ok(());
        };
        if size.get() == bindings::GSO_BY_FRAGS as usize {
            return self.list_is_the_payload().then_some(()).ok_or(EINVAL);
        }
        // A segment count that C cannot hold.
        if self.len() / size > bindings::GSO_MAX_SEGS as usize {
            return Err(EINVAL);
        }
        if !self.has_frag_list() {
            return Ok(());
        }
        // In a tunnel there are further headers, of which nothing is known for certain.
        let payload = self.payload_offset().filter(|_| !self.encapsulation());
        let fits = if self.gso_type_raw() & bindings::SKB_GSO_FRAGLIST as u32 == 0 {
            self.list_is_paged()
                || payload.is_some_and(|start| self.list_is_in_segments(start, size))
        } else {
            payload.is_some_and(|start| self.list_is_of_packets(start))
        };
        if fits {
            return Ok(());
        }
        self.pull_all()
    }
}
