// SPDX-License-Identifier: GPL-2.0

//! Packets that stand for many: generic segmentation offload.
//!
//! A sender may give a packet of up to half a megabyte to the stack and say into what it is to be
//! cut ([`SkBuff::set_gso`]). A device that can do that does it; else
//! [`SkBuff::gso_segment`] does.
//!
//! # The claim
//!
//! If the packet is charged by `sock_wfree`, TCP and most others hand the claim to the last
//! segment, with all of the packet's [`truesize`](Skb::truesize): the sender gets its bytes back
//! when that one is freed. UDP charges each segment for itself. A claim of any other kind ends with
//! the packet, before one segment is sent: a destructor of one's own loses its hold on the sender
//! here.
//!
//! # What is checked
//!
//! The segmenters of C take what a packet says of itself for granted, and BUG where it is not so.
//! Here anybody can say anything with safe code, so it is checked before C sees it: the kind of
//! segmentation, the place of the headers, the shape of the data. What cannot be checked (tunnels,
//! SCTP, lists of whole packets) is refused; the core segments those for a device that does not
//! announce them.
//!
//! C header: [`include/net/gso.h`](srctree/include/net/gso.h)

mod forward;

use super::{
    DropReason,
    Failed,
    IpSummed,
    Private,
    SegmentList,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::{
    mem::MaybeUninit,
    num::NonZero,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// How a packet is to be cut: `skb_shinfo()->gso_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GsoType {
    /// Segments of TCP over IPv4: `SKB_GSO_TCPV4`.
    Tcpv4,
    /// Segments of TCP over IPv6: `SKB_GSO_TCPV6`.
    Tcpv6,
    /// Datagrams of UDP over either: `SKB_GSO_UDP_L4`.
    UdpL4,
}

impl GsoType {
    const ALL: [Self; 3] = [Self::Tcpv4, Self::Tcpv6, Self::UdpL4];

    #[inline]
    const fn as_raw(self) -> u32 {
        match self {
            Self::Tcpv4 => bindings::SKB_GSO_TCPV4 as u32,
            Self::Tcpv6 => bindings::SKB_GSO_TCPV6 as u32,
            Self::UdpL4 => bindings::SKB_GSO_UDP_L4 as u32,
        }
    }

    /// Bytes of the shortest header of the transport protocol.
    #[inline]
    const fn header_len(self) -> usize {
        match self {
            Self::Tcpv4 | Self::Tcpv6 => 20,
            Self::UdpL4 => 8,
        }
    }
}

/// Notes in `gso_type` that change nothing about what the segmenter relies on.
const NOTES: u32 = (bindings::SKB_GSO_DODGY
    | bindings::SKB_GSO_TCP_ECN
    | bindings::SKB_GSO_TCP_ACCECN
    | bindings::SKB_GSO_TCP_FIXEDID) as u32;

/// The longest headers of network and transport: those of IPv4 and TCP with all options.
const MAX_HEADERS: usize = 60 + 60;

/// What became of a packet that was to be segmented.
pub enum Segmented<S: State> {
    /// It was cut; the packet itself is no more.
    Segments(SegmentList),
    /// It can be sent as it is.
    Whole(SkBuff<S>),
}

impl Skb {
    /// Whether the packet stands for many: `skb_is_gso`.
    #[inline(always)]
    pub fn is_gso(&self) -> bool {
        self.gso_size() != 0
    }

    /// Bytes of payload in each segment but the last; 0 if the packet is not to be cut.
    #[inline(always)]
    pub fn gso_size(&self) -> u16 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.shinfo()).gso_size }
    }

    /// Into how many segments the packet is to be cut. Not everybody fills it in.
    #[inline]
    pub fn gso_segs(&self) -> u16 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.shinfo()).gso_segs }
    }

    #[inline]
    fn gso_type_raw(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.shinfo()).gso_type }
    }

    /// What the packet is on the wire, once it is cut: how many frames, and how many bytes all of
    /// them have, headers included. A packet that is not to be cut is one.
    ///
    /// It is what the core tells queueing disciplines, an estimate for kinds of segmentation other
    /// than TCP and UDP: those headers are not counted that are behind the outermost transport
    /// header.
    ///
    /// C: [`qdisc_pkt_len_segs_init`](srctree/net/core/dev.c)
    pub fn segmented(&self) -> (u32, usize) {
        let whole = (1, self.len());
        // Read once: whoever has a clone may take the packet for one that is not to be cut.
        let Some(size) = NonZero::new(usize::from(self.gso_size())) else {
            return whole;
        };
        let headers = if self.encapsulation() {
            self.inner_transport_offset()
        } else {
            self.transport_offset()
        };
        let Some(mut headers) = headers.and_then(|offset| usize::try_from(offset).ok()) else {
            return whole;
        };
        let kind = self.gso_type_raw();
        if kind & (bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_TCPV6) as u32 != 0 {
            // The data offset, in words, is in the upper half of that byte.
            let mut buffer = MaybeUninit::uninit();
            match self.header_pointer::<u8>(headers + 12, &mut buffer) {
                Some(doff) => headers += usize::from(doff >> 4) * 4,
                None => return whole,
            }
        } else if kind & bindings::SKB_GSO_UDP_L4 as u32 != 0 {
            headers += GsoType::UdpL4.header_len();
        }
        // Not everybody fills in the number of segments.
        let payload = self.len().saturating_sub(headers);
        let segments = ((payload + size.get() - 1) / size).max(1);
        (segments as u32, self.len() + (segments - 1) * headers)
    }

    /// How the packet is to be cut; `None` if it is not, or in a way that is not one of these.
    #[inline]
    pub fn gso_type(&self) -> Option<GsoType> {
        if !self.is_gso() {
            return None;
        }
        let raw = self.gso_type_raw() & !NOTES;
        GsoType::ALL.into_iter().find(|kind| kind.as_raw() == raw)
    }
}

impl SkBuff<Private> {
    /// Says that the last `payload` bytes of the packet are to be sent in segments of `size` bytes
    /// each. All bytes before them are headers that each segment gets.
    ///
    /// Leave the checksum to the device ([`set_csum_partial`](SkBuff::set_csum_partial)): UDP
    /// cannot be segmented without. Network header and protocol have to be set before the packet is
    /// sent.
    ///
    /// Clones share what is written here, hence [`Private`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are not more than `size` bytes, or the packet has not as many; if
    /// `size` is 0 or leaves no room for headers in an IP packet; if it makes more than 65535
    /// segments.
    pub fn set_gso(&mut self, kind: GsoType, size: u16, payload: usize) -> Result {
        let size = usize::from(size);
        if size == 0 || size > usize::from(u16::MAX) - MAX_HEADERS {
            return Err(EINVAL);
        }
        if payload <= size || payload > self.len() {
            return Err(EINVAL);
        }
        let segs = u16::try_from(payload.div_ceil(size)).map_err(|_| EINVAL)?;
        // SAFETY: The shared info belongs to this packet alone, by its state.
        unsafe {
            let shinfo = self.shinfo();
            (*shinfo).gso_size = size as u16;
            (*shinfo).gso_segs = segs;
            (*shinfo).gso_type = kind.as_raw();
        }
        Ok(())
    }

    /// Says that the packet is to be sent as one: `skb_gso_reset`.
    ///
    /// C: [`skb_gso_reset`](srctree/include/linux/skbuff.h)
    pub fn gso_reset(&mut self) {
        // SAFETY: As in `set_gso`.
        unsafe {
            let shinfo = self.shinfo();
            (*shinfo).gso_size = 0;
            (*shinfo).gso_segs = 0;
            (*shinfo).gso_type = 0;
        }
    }
}

impl<S: State> SkBuff<S> {
    /// Cuts the packet into what a device with `features` ([`features`](crate::netdev::features))
    /// can send.
    ///
    /// Its data starts at the link-layer header, and its network header and protocol are set. The
    /// packet is consumed. A charge (`sock_wfree`) passes to the last segment, for UDP to each of
    /// them; any other claim is released. The segments have data of their own, but for page
    /// fragments.
    ///
    /// A packet with a fragment list is made linear first.
    ///
    /// Context: any but hard interrupt.
    ///
    /// # Errors
    ///
    /// * `EINVAL` if it is not a GSO packet, its headers or checksum are not where its kind has
    ///   them, or it has not more payload than one segment;
    /// * `ENODATA` if it is too short for its headers;
    /// * `EOPNOTSUPP` if it is a tunnel or a kind that [`GsoType`] does not know;
    /// * `EPROTONOSUPPORT` if there is no segmenter;
    /// * `EFAULT` if the CPU cannot read all of it;
    /// * `ENOMEM`.
    ///
    /// What was said about its checksum, and its transport header, may have changed then.
    ///
    /// C: [`__skb_gso_segment`](srctree/net/core/gso.c), `skb_segment`
    pub fn gso_segment(mut self, features: u64) -> Result<Segmented<S>, Failed<S>> {
        // With it C looks at what `skb->dev` can do, and nothing says that the device is there.
        const PARTIAL: u64 = 1 << bindings::NETIF_F_GSO_PARTIAL_BIT;

        // C warns when it sums up what it cannot read.
        if let Err(error) = self.prepare_gso().and_then(|()| self.check_readable()) {
            return Err(Failed { skb: self, error });
        }
        // SAFETY: The packet is ours alone, and it is what the segmenters take for granted.
        let segments = from_err_ptr(unsafe {
            bindings::__skb_gso_segment(self.as_ptr(), features & !PARTIAL, true)
        });
        match segments.map(NonNull::new) {
            Ok(Some(first)) => {
                self.consume();
                // SAFETY: A chain of new packets, whose references are ours. Their linear data was
                // allocated for them: the packet had no fragment list to take them from.
                Ok(Segmented::Segments(unsafe { SegmentList::from_raw(first) }))
            }
            Ok(None) => Ok(Segmented::Whole(self)),
            Err(error) => Err(Failed { skb: self, error }),
        }
    }

    /// Sees to it that the packet is what the segmenters, and drivers, take a GSO packet for.
    ///
    /// # Errors
    ///
    /// As [`gso_segment`](Self::gso_segment).
    fn prepare_gso(&mut self) -> Result {
        let size = usize::from(self.gso_size());
        if size == 0 {
            return Err(EINVAL);
        }
        // `GSO_BY_FRAGS` has the sizes in the fragment list, and C follows it whatever the type.
        let kind = match self.gso_type() {
            Some(kind) if size != bindings::GSO_BY_FRAGS as usize => kind,
            _ => return Err(EOPNOTSUPP),
        };
        // Further headers, of whose places C is as sure.
        if self.headers().encapsulation() != 0
            || !matches!(
                u32::from(self.protocol()),
                bindings::ETH_P_IP | bindings::ETH_P_IPV6
            )
        {
            return Err(EOPNOTSUPP);
        }
        // A segment count that C cannot hold.
        if self.len() / size > bindings::GSO_MAX_SEGS as usize {
            return Err(EINVAL);
        }
        // C pulls the link-layer header, which ends where the network header starts, unseen, and
        // keeps all offsets in 16 bits.
        let start = self.headroom();
        let network = usize::from(self.headers().network_header);
        if network < start {
            return Err(EINVAL);
        }
        // The segmenter finds the transport header itself. Drivers read it, linear or not.
        let transport = usize::from(self.headers().transport_header);
        if transport <= network || transport > usize::from(u16::MAX) - MAX_HEADERS {
            return Err(EINVAL);
        }
        self.may_pull(transport - start + kind.header_len())?;

        if self.has_frag_list() {
            // `skb_segment` BUGs if the members are not of `gso_size` bytes each, counted from the
            // end of the headers; whoever moved those broke it.
            self.pull_all()?;
        }
        match self.ip_summed() {
            IpSummed::Partial { .. } => return Ok(()),
            // The stack warns of it on the way down. It has no meaning there: `skb_forward_csum`.
            IpSummed::Complete(_) => self.set_csum_none(),
            _ => {}
        }
        // Then TCP prepares the header where it is, which may not be ours.
        if self.cloned() {
            // SAFETY: The packet is ours alone.
            to_result(unsafe {
                bindings::pskb_expand_head(self.as_ptr(), 0, 0, bindings::GFP_ATOMIC_VALUE)
            })?;
        }
        Ok(())
    }

    /// Sees to it that what the packet leaves to a device can be done: the stack and drivers do not
    /// look.
    ///
    /// # Errors
    ///
    /// Why it has to be dropped.
    #[inline(always)]
    pub(super) fn check_offloads(&mut self) -> Result<(), DropReason> {
        if self.is_partial() && !self.partial_is_sound() {
            return Err(DropReason::SKB_CSUM);
        }
        if self.is_gso() && self.prepare_gso().is_err() {
            return Err(DropReason::SKB_GSO_SEG);
        }
        Ok(())
    }
}
