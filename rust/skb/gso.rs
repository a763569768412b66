// SPDX-License-Identifier: GPL-2.0

//! Packets that stand for many: generic segmentation offload.
//!
//! A sender may give a packet of up to half a megabyte to the stack and say into what it is to be
//! cut ([`SkBuff::set_gso`]). A device that can do that does it, else the core.
//!
//! C header: [`include/net/gso.h`](srctree/include/net/gso.h)

use super::{
    Private,
    SkBuff, //
    Skb,
};
use crate::bindings;
use kernel::prelude::*;

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
}

/// Notes in `gso_type` that change nothing about what the segmenter relies on.
const NOTES: u32 = (bindings::SKB_GSO_DODGY
    | bindings::SKB_GSO_TCP_ECN
    | bindings::SKB_GSO_TCP_ACCECN
    | bindings::SKB_GSO_TCP_FIXEDID) as u32;

/// The longest headers of network and transport: those of IPv4 and TCP with all options.
const MAX_HEADERS: usize = 60 + 60;

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
    /// Network header and protocol have to be set before the packet is sent.
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
