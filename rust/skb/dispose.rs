// SPDX-License-Identifier: GPL-2.0

//! How a packet ends.

use super::{
    DropReason,
    SharedSkBuff,
    SkBuff,
    State, //
};
use crate::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Packets that went out of scope instead of being disposed of.
pub(crate) static IMPLICIT_DROPS: Atomic<u64> = Atomic::new(0);

/// Returns how many packets went out of scope without anybody saying what becomes of them.
///
/// Each of them was freed, so none is lost; but each is a place that lacks a reason.
pub fn implicit_drops() -> u64 {
    IMPLICIT_DROPS.load(Relaxed)
}

impl<S: State> SkBuff<S> {
    /// Frees the packet after it has done what it was made for: `consume_skb`.
    ///
    /// Its claim, if any, goes back to the socket first. Context: any but hard interrupt; not with
    /// interrupts disabled.
    ///
    /// C: [`consume_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn consume(self) {
        // SAFETY: The reference passes to C.
        unsafe { bindings::consume_skb(self.into_raw().as_ptr()) };
    }

    /// Frees the packet on the completion side of a NAPI poll, where frees can be batched:
    /// `napi_consume_skb`.
    ///
    /// The claim goes back at once, whichever CPU allocated the packet. Context: NAPI poll; a
    /// `budget` of 0, as netpoll passes, is taken for any context.
    ///
    /// C: [`napi_consume_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn napi_consume(self, budget: i32) {
        // SAFETY: The reference passes to C.
        unsafe { bindings::napi_consume_skb(self.into_raw().as_ptr(), budget) };
    }

    /// Drops the packet for `reason`: `kfree_skb_reason`.
    ///
    /// Fires `skb:kfree_skb`. Context: as [`consume`](Self::consume).
    ///
    /// C: [`sk_skb_reason_drop`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn drop_with(self, reason: DropReason) {
        // SAFETY: The reference passes to C; without a socket to name, the reason stands alone.
        unsafe {
            bindings::sk_skb_reason_drop(ptr::null_mut(), self.into_raw().as_ptr(), reason.as_raw())
        };
    }

    /// Drops the packet for `reason` in a context that may be hard interrupt: transmit functions
    /// are called so by netpoll. Then the claim goes back later, in softirq.
    ///
    /// C: [`dev_kfree_skb_any_reason`](srctree/net/core/dev.c)
    #[inline]
    pub fn drop_any_with(self, reason: DropReason) {
        free_any(self.into_raw(), reason);
    }
}

impl<S: State> SkBuff<S> {
    /// Frees the packet like [`consume`](Self::consume), in any context.
    ///
    /// C: [`dev_consume_skb_any`](srctree/include/linux/netdevice.h)
    #[inline]
    pub fn consume_any(self) {
        free_any(self.into_raw(), DropReason::CONSUMED);
    }
}

impl SharedSkBuff {
    /// Gives the reference back in any context.
    #[inline]
    pub fn consume_any(self) {
        free_any(self.into_raw(), DropReason::CONSUMED);
    }

    /// Gives the reference back in any context; if it is the last one, the packet is dropped for
    /// `reason`.
    #[inline]
    pub fn drop_any_with(self, reason: DropReason) {
        free_any(self.into_raw(), reason);
    }
}

/// Gives up a reference that belongs to the caller.
#[inline]
fn free_any(skb: NonNull<bindings::sk_buff>, reason: DropReason) {
    // SAFETY: The reference came out of a value that owned it, and passes to C.
    unsafe { bindings::dev_kfree_skb_any_reason(skb.as_ptr(), reason.as_raw()) };
}

impl<S: State> Drop for SkBuff<S> {
    #[cold]
    fn drop(&mut self) {
        IMPLICIT_DROPS.add(1u64, Relaxed);
        // The reference is ours by the type invariant, and this is the end of it.
        free_any(self.0, DropReason::NOT_SPECIFIED);
    }
}
