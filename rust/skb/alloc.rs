// SPDX-License-Identifier: GPL-2.0

//! Making packets.

use super::{
    SkBuff, //
    Skb,
};
use crate::{
    bindings,
    gfp, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    prelude::*, //
};

impl SkBuff {
    /// Allocates a packet with room for `size` bytes behind `headroom` bytes for headers.
    ///
    /// The packet is empty; [`put`](SkBuff::put) fills it. It belongs to no socket. Context: what
    /// `flags` allow.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or the sum does not fit an `unsigned int`.
    ///
    /// C: [`alloc_skb`](srctree/include/linux/skbuff.h), `skb_reserve`
    #[inline]
    pub fn alloc(headroom: usize, size: usize, flags: Flags) -> Result<Self, AllocError> {
        let total = headroom.checked_add(size).ok_or(AllocError)?;
        let total = u32::try_from(total).map_err(|_| AllocError)?;
        // SAFETY: Any size may be asked for; -1 is NUMA_NO_NODE.
        let skb = unsafe { bindings::__alloc_skb(total, gfp::as_raw(flags), 0, -1) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us.
        let mut skb = unsafe { Self::from_raw(skb) };
        skb.reserve_unchecked(headroom);
        Ok(skb)
    }
}

impl Skb {
    /// The memory that the packet stands for in the accounting of its owner, in bytes: data,
    /// headers and bookkeeping.
    #[inline]
    pub fn truesize(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.as_ptr()).truesize }
    }
}
