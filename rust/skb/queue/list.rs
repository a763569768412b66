// SPDX-License-Identifier: GPL-2.0

//! A list of packets with one owner.

use super::{
    links,
    Links,
    Packets, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        SkBuff,
        Skb,
        State, //
    }, //
};
use core::{
    hint,
    marker::PhantomData,
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// Packets in a row, without a lock: what C keeps in a `struct sk_buff_head` on the stack.
///
/// A batch is collected in it and then handed on as a whole. It can be moved: no packet points back
/// to it.
///
/// # Examples
///
/// ```ignore
/// let mut batch = queue.take_all();
/// while let Some(skb) = batch.dequeue() {
///     napi.gro_receive(skb);
/// }
/// ```
///
/// # Invariants
///
/// Either `len` is 0 and both pointers are null, or `first` to `last` are `len` packets that are
/// linked in both directions, with null links at both ends. Each of them was a [`SkBuff<S>`] whose
/// reference belongs to the list now.
pub struct SkbList<S: State = Cloned> {
    first: *mut bindings::sk_buff,
    last: *mut bindings::sk_buff,
    len: u32,
    packets: PhantomData<SkBuff<S>>,
}

// SAFETY: Packets can be sent, and the list owns what it points to.
unsafe impl<S: State> Send for SkbList<S> {}
// SAFETY: What `&SkbList` can do is read.
unsafe impl<S: State> Sync for SkbList<S> {}

impl<S: State> SkbList<S> {
    /// Makes an empty list.
    #[inline]
    pub const fn new() -> Self {
        // INVARIANT: No packets.
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            len: 0,
            packets: PhantomData,
        }
    }

    /// Makes a list of what is linked to the head of a queue.
    ///
    /// # Safety
    ///
    /// `first` to `last` are the `len` packets of a queue of `SkBuff<S>` with this `head`, and they
    /// pass to the list; or both are the head, and `len` is 0.
    #[inline]
    pub(super) unsafe fn from_ring(
        first: *mut bindings::sk_buff,
        last: *mut bindings::sk_buff,
        len: u32,
        head: *mut bindings::sk_buff,
    ) -> Self {
        if first == head {
            return Self::new();
        }
        // SAFETY: By the requirements of this function both are packets.
        unsafe {
            (*links(first)).prev = ptr::null_mut();
            (*links(last)).next = ptr::null_mut();
        }
        // INVARIANT: That is what the caller promises; the ends were cut off the head.
        Self {
            first,
            last,
            len,
            packets: PhantomData,
        }
    }

    /// Hands the packets to the caller: the first, the last, and how many there are. `None` if
    /// there are none.
    #[inline]
    pub(super) fn into_raw(self) -> Option<(*mut bindings::sk_buff, *mut bindings::sk_buff, u32)> {
        let list = mem::ManuallyDrop::new(self);
        (list.len != 0).then_some((list.first, list.last, list.len))
    }

    /// How many packets are on the list.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the list is empty.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a packet: `__skb_queue_tail`.
    #[inline]
    pub fn queue_tail(&mut self, skb: SkBuff<S>) {
        let skb = skb.into_raw().as_ptr();
        // SAFETY: The packet is valid and was on no list; `last` is a packet if it is not null.
        unsafe {
            *links(skb) = Links {
                next: ptr::null_mut(),
                prev: self.last,
            };
            if self.last.is_null() {
                self.first = skb;
            } else {
                (*links(self.last)).next = skb;
            }
        }
        // INVARIANT: The packet is linked behind the others, and its reference is the list's.
        self.last = skb;
        self.len += 1;
    }

    /// Puts a packet in front of the others: `__skb_queue_head`.
    #[inline]
    pub fn queue_head(&mut self, skb: SkBuff<S>) {
        let skb = skb.into_raw().as_ptr();
        // SAFETY: The packet is valid and was on no list; `first` is a packet if it is not null.
        unsafe {
            *links(skb) = Links {
                next: self.first,
                prev: ptr::null_mut(),
            };
            if self.first.is_null() {
                self.last = skb;
            } else {
                (*links(self.first)).prev = skb;
            }
        }
        // INVARIANT: The packet is linked before the others, and its reference is the list's.
        self.first = skb;
        self.len += 1;
    }

    /// Takes the first packet: `__skb_dequeue`.
    #[inline]
    pub fn dequeue(&mut self) -> Option<SkBuff<S>> {
        let skb = NonNull::new(self.first)?;
        // SAFETY: The first packet is on this list, and by the type invariant none is before it.
        unsafe {
            hint::assert_unchecked((*links(skb.as_ptr())).prev.is_null());
            Some(self.unlink(skb))
        }
    }

    /// Takes the last packet: `__skb_dequeue_tail`.
    #[inline]
    pub fn dequeue_tail(&mut self) -> Option<SkBuff<S>> {
        let skb = NonNull::new(self.last)?;
        // SAFETY: The last packet is on this list, and by the type invariant none is behind it.
        unsafe {
            hint::assert_unchecked((*links(skb.as_ptr())).next.is_null());
            Some(self.unlink(skb))
        }
    }

    /// Takes the first packet that `wanted` says yes to, wherever it is: `__skb_unlink`.
    pub fn unlink_first(&mut self, mut wanted: impl FnMut(&Skb) -> bool) -> Option<SkBuff<S>> {
        let skb = self.iter().find(|skb| wanted(skb))?.as_ptr();
        // SAFETY: The packet was found on this list.
        Some(unsafe { self.unlink(NonNull::new_unchecked(skb)) })
    }

    /// # Safety
    ///
    /// `skb` is on this list.
    #[inline]
    unsafe fn unlink(&mut self, skb: NonNull<bindings::sk_buff>) -> SkBuff<S> {
        // SAFETY: By the type invariant the neighbours are packets of this list, or null at its
        // ends.
        unsafe {
            let Links { next, prev } = *links(skb.as_ptr());
            *links(skb.as_ptr()) = Links {
                next: ptr::null_mut(),
                prev: ptr::null_mut(),
            };
            if prev.is_null() {
                self.first = next;
            } else {
                (*links(prev)).next = next;
            }
            if next.is_null() {
                self.last = prev;
            } else {
                (*links(next)).prev = prev;
            }
        }
        // INVARIANT: The neighbours are linked to each other now.
        self.len -= 1;
        // SAFETY: The packet is on no list, so its reference is ours, by the type invariant.
        unsafe { SkBuff::from_raw(skb) }
    }

    /// Appends all packets of `other`, in their order: `skb_queue_splice_tail`.
    pub fn append(&mut self, other: Self) {
        let Some((first, last, len)) = other.into_raw() else {
            return;
        };
        // SAFETY: All are packets, ours or those of `other`; `last` is null if there were none.
        unsafe {
            (*links(first)).prev = self.last;
            if self.last.is_null() {
                self.first = first;
            } else {
                (*links(self.last)).next = first;
            }
        }
        // INVARIANT: The two rows are one, and the references of both are this list's.
        self.last = last;
        self.len += len;
    }

    /// The first packet: `skb_peek`.
    #[inline]
    pub fn peek(&self) -> Option<&Skb> {
        self.iter().next()
    }

    /// All packets from the first to the last: `skb_queue_walk`.
    #[inline]
    pub fn iter(&self) -> Packets<'_> {
        Packets {
            next: self.first,
            end: ptr::null_mut(),
            packets: PhantomData,
        }
    }

    /// Frees all packets after they have done what they were made for, as [`SkBuff::consume`].
    #[inline]
    pub fn consume(self) {
        self.drop_with(DropReason::CONSUMED);
    }

    /// Drops all packets for `reason`, several in one go: `kfree_skb_list_reason`.
    ///
    /// Their claims go back, one after the other. Context: as [`SkBuff::drop_with`].
    ///
    /// C: [`kfree_skb_list_reason`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn drop_with(self, reason: DropReason) {
        if let Some((first, _, _)) = self.into_raw() {
            // SAFETY: The links lead from packet to packet and end with null; the references pass
            // to C.
            unsafe { bindings::kfree_skb_list_reason(first, reason.as_raw()) };
        }
    }
}

impl<S: State> Default for SkbList<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: State> Drop for SkbList<S> {
    fn drop(&mut self) {
        while let Some(skb) = self.dequeue() {
            drop(skb);
        }
    }
}
