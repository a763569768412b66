// SPDX-License-Identifier: GPL-2.0

//! Making packets.
//!
//! | from                                       | for                                            |
//! | ------------------------------------------ | ---------------------------------------------- |
//! | [`SkBuff::alloc`]                          | any packet with linear data                    |
//! | [`SkBuff::alloc_fclone`]                   | one that is kept while a clone of it goes out  |
//! | [`SkBuff::alloc_with_frags`]               | long ones, with the payload in pages           |
//! | [`SkBuff::netdev_alloc`]                   | what a device receives                         |
//! | [`PollContext::alloc_skb`]                 | the same in a poll function                    |
//! | [`PageFrag::build_skb`]                    | data that is in memory already                 |
//! | [`LiveSock::alloc_send_skb`], [`_pskb`]    | what a program sends, charged from the start   |
//!
//! Whatever the source, the linear data of a new packet is its own: it is [`Private`].
//!
//! [`PollContext::alloc_skb`]: crate::netdev::PollContext::alloc_skb
//! [`LiveSock::alloc_send_skb`]: crate::sock::LiveSock::alloc_send_skb
//! [`_pskb`]: crate::sock::LiveSock::alloc_send_pskb
//! [`Private`]: super::Private

mod page_frag;
mod paged;

pub use self::{
    page_frag::PageFrag,
    paged::{
        PagedLayout,
        Unfilled, //
    }, //
};

use super::{
    SkBuff, //
    Skb,
};
use crate::{
    bindings,
    gfp, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    prelude::*, //
};

/// Returns `headroom + size` if a buffer can be that long.
///
/// `kmalloc` has nothing longer, and near the end of `unsigned int` C would round the size up to 0
/// and return a short buffer.
#[inline(always)]
pub(crate) fn linear_size(headroom: usize, size: usize) -> Option<u32> {
    const MAX: usize = bindings::KMALLOC_MAX_SIZE_VALUE;

    let total = headroom.checked_add(size)?;
    (total <= MAX).then_some(total as u32)
}

impl SkBuff {
    /// Allocates a packet with room for `size` bytes behind `headroom` bytes for headers.
    ///
    /// The packet is empty; [`put`](SkBuff::put) fills it. It belongs to no socket. Context: what
    /// `flags` allow.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or never for that much.
    ///
    /// C: [`alloc_skb`](srctree/include/linux/skbuff.h), `skb_reserve`
    #[inline]
    pub fn alloc(headroom: usize, size: usize, flags: Flags) -> Result<Self, AllocError> {
        Self::alloc_as(0, headroom, size, flags)
    }

    /// As [`alloc`](Self::alloc), with a companion: the room for the `struct sk_buff` of one clone
    /// lies behind that of the packet.
    ///
    /// This is for a protocol that keeps the packet until it is acknowledged and sends a clone of
    /// it: [`try_clone`](SkBuff::try_clone) allocates nothing as long as the companion is free.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    ///
    /// C: [`alloc_skb_fclone`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn alloc_fclone(headroom: usize, size: usize, flags: Flags) -> Result<Self, AllocError> {
        Self::alloc_as(bindings::SKB_ALLOC_FCLONE as c_int, headroom, size, flags)
    }

    #[inline(always)]
    fn alloc_as(
        kind: c_int,
        headroom: usize,
        size: usize,
        flags: Flags,
    ) -> Result<Self, AllocError> {
        let total = linear_size(headroom, size).ok_or(AllocError)?;
        // SAFETY: The size is in range; -1 is NUMA_NO_NODE.
        let skb = unsafe { bindings::__alloc_skb(total, gfp::as_raw(flags), kind, -1) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        let mut skb = unsafe { Self::from_raw(skb) };
        skb.reserve_unchecked(headroom);
        Ok(skb)
    }

    /// Allocates a packet with room for `size` bytes that a device has received, behind
    /// `NET_SKB_PAD` bytes of headroom for those who forward it.
    ///
    /// Without a right to sleep in `flags` the data comes from the fragment cache of the CPU, which
    /// is quicker than the slab. `skb->dev` stays unset: a packet holds no reference to a device,
    /// so it is set when the packet goes up.
    ///
    /// Context: what `flags` allow, hard interrupt included.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    ///
    /// C: [`__netdev_alloc_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn netdev_alloc(size: usize, flags: Flags) -> Result<Self, AllocError> {
        let size = linear_size(0, size).ok_or(AllocError)?;
        // SAFETY: The size is in range; the device is only noted, and may be null.
        let skb =
            unsafe { bindings::__netdev_alloc_skb(ptr::null_mut(), size, gfp::as_raw(flags)) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        Ok(unsafe { Self::from_raw(skb) })
    }
}

/// What a packet may stand for at most, but for the growth of its linear buffer, which nobody
/// checks: C adds it to counters as an `int`.
const TRUESIZE_MAX: u32 = i32::MAX as u32 - bindings::KMALLOC_MAX_SIZE_VALUE as u32;

/// What a packet stands for at least: its `struct sk_buff`.
pub(crate) const TRUESIZE_MIN: u32 = size_of::<bindings::sk_buff>() as u32;

impl Skb {
    /// The memory that the packet stands for in the accounting of its owner, in bytes: data,
    /// headers and bookkeeping.
    #[inline]
    pub fn truesize(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.as_ptr()).truesize }
    }

    /// What the packet would stand for with `more` bytes.
    ///
    /// Whatever adds memory to a packet asks here: what is cut off again stays in truesize, so
    /// there is no other end to it.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if no packet may stand for that much.
    #[inline]
    pub(super) fn truesize_with(&self, more: usize) -> Result<u32> {
        let sum = u32::try_from(more)
            .ok()
            .and_then(|more| self.truesize().checked_add(more));
        sum.filter(|sum| *sum <= TRUESIZE_MAX).ok_or(EMSGSIZE)
    }
}
