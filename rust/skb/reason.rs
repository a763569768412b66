// SPDX-License-Identifier: GPL-2.0

//! Why a packet was dropped.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)

use crate::bindings;

/// `enum skb_drop_reason`: what dropwatch and the tracepoint `skb:kfree_skb` show.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct DropReason(bindings::skb_drop_reason);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $c:ident,)*) => {
        impl DropReason {
            $($(#[$doc])* pub const $name: Self = Self(bindings::$c);)*
        }
    };
}

reasons! {
    /// It was not dropped: it has done what it was made for.
    CONSUMED = skb_drop_reason_SKB_CONSUMED,
    /// The place did not say; what an implicit drop counts as.
    NOT_SPECIFIED = skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
    /// No socket is bound to the address.
    NO_SOCKET = skb_drop_reason_SKB_DROP_REASON_NO_SOCKET,
    /// The frame is shorter than its headers say.
    PKT_TOO_SMALL = skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL,
    /// The frame is longer than the device allows.
    PKT_TOO_BIG = skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
    /// A checksum that was left to the device cannot be done.
    SKB_CSUM = skb_drop_reason_SKB_DROP_REASON_SKB_CSUM,
    /// The packet cannot be segmented.
    SKB_GSO_SEG = skb_drop_reason_SKB_DROP_REASON_SKB_GSO_SEG,
    /// Memory ran out.
    NOMEM = skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// The transmit or receive ring is full.
    FULL_RING = skb_drop_reason_SKB_DROP_REASON_FULL_RING,
    /// The device, or its peer, is not up.
    DEV_READY = skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    /// The device header is invalid.
    DEV_HDR = skb_drop_reason_SKB_DROP_REASON_DEV_HDR,
    /// The packet was on a queue that is emptied.
    QUEUE_PURGE = skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
    /// No handler takes this protocol or this version of it.
    UNHANDLED_PROTO = skb_drop_reason_SKB_DROP_REASON_UNHANDLED_PROTO,
    /// The frame was for another host.
    OTHERHOST = skb_drop_reason_SKB_DROP_REASON_OTHERHOST,
}

impl DropReason {
    /// Takes a reason that C returned.
    #[inline]
    pub(crate) fn from_raw(reason: bindings::skb_drop_reason) -> Self {
        Self(reason)
    }

    /// Returns the value that C knows.
    #[inline]
    pub(crate) fn as_raw(self) -> bindings::skb_drop_reason {
        self.0
    }
}
