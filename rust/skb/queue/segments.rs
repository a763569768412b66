// SPDX-License-Identifier: GPL-2.0

//! Packets that one packet was cut into.

use super::{
    links,
    Links,
    Packets, //
};
use crate::{
    bindings,
    skb::{
        DropReason,
        Private,
        SkBuff,
        State, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// Segments, chained by `skb->next`: what [`gso_segment`](SkBuff::gso_segment) returns.
///
/// It is an iterator that gives the segments away. One that is not run to its end still has the
/// rest; say what becomes of it.
///
/// # Examples
///
/// ```ignore
/// while let Some(segment) = segments.next() {
///     if let Err(segment) = ring.push(segment) {
///         segment.drop_any_with(DropReason::FULL_RING);
///         segments.drop_with(DropReason::FULL_RING);
///         break;
///     }
/// }
/// ```
///
/// # Invariants
///
/// `first` is null or a packet from which `next` leads to more of them and ends with null. Each of
/// them fulfils the invariants of [`SkBuff<S>`] but for its links, and its reference belongs to the
/// chain.
pub struct SegmentList<S: State = Private> {
    first: *mut bindings::sk_buff,
    packets: PhantomData<SkBuff<S>>,
}

// SAFETY: Packets can be sent, and the chain owns what it points to.
unsafe impl<S: State> Send for SegmentList<S> {}
// SAFETY: What `&SegmentList` can do is read.
unsafe impl<S: State> Sync for SegmentList<S> {}

impl<S: State> SegmentList<S> {
    /// Takes over a chain from C.
    ///
    /// # Safety
    ///
    /// `first` fulfils the invariants of [`SegmentList`], and the caller's references pass to it.
    #[inline]
    pub(in crate::skb) unsafe fn from_raw(first: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: That is what the caller promises.
        Self {
            first: first.as_ptr(),
            packets: PhantomData,
        }
    }

    /// All segments that are still there, from the first to the last.
    #[inline]
    pub fn iter(&self) -> Packets<'_> {
        Packets {
            next: self.first,
            end: ptr::null_mut(),
            packets: PhantomData,
        }
    }

    /// Frees what is left after it has done what it was made for, as [`SkBuff::consume`].
    #[inline]
    pub fn consume(self) {
        self.drop_with(DropReason::CONSUMED);
    }

    /// Drops what is left for `reason`, several in one go: `kfree_skb_list_reason`.
    ///
    /// Their claims go back. Context: as [`SkBuff::drop_with`].
    ///
    /// C: [`kfree_skb_list_reason`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn drop_with(self, reason: DropReason) {
        // SAFETY: By the type invariant; null is an empty chain. The references pass to C.
        unsafe {
            bindings::kfree_skb_list_reason(ManuallyDrop::new(self).first, reason.as_raw());
        }
    }
}

impl<S: State> Iterator for SegmentList<S> {
    type Item = SkBuff<S>;

    #[inline]
    fn next(&mut self) -> Option<SkBuff<S>> {
        let skb = NonNull::new(self.first)?;
        // INVARIANT: The rest of a chain is a chain.
        // SAFETY: It is a packet, by the type invariant. `prev` of the first one is the last one,
        // which C leaves there for who wants it.
        unsafe {
            self.first = (*links(skb.as_ptr())).next;
            *links(skb.as_ptr()) = Links {
                next: ptr::null_mut(),
                prev: ptr::null_mut(),
            };
        }
        // SAFETY: It is on no list any more, and its reference is ours, by the type invariant.
        Some(unsafe { SkBuff::from_raw(skb) })
    }
}

impl<S: State> Drop for SegmentList<S> {
    fn drop(&mut self) {
        for skb in self {
            drop(skb);
        }
    }
}
