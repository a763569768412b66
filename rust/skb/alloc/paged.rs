// SPDX-License-Identifier: GPL-2.0

//! Packets with their payload in pages.
//!
//! The pages of such a packet are not cleared: they hold what somebody else has left there. So the
//! packet is [`Unfilled`] first, which cannot be read or sent, and becomes a [`SkBuff`] when all of
//! it was written.

use super::linear_size;
use crate::{
    bindings,
    gfp,
    skb::{
        DropReason,
        SkBuff, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::Flags,
    error::{
        to_result,
        Error, //
    },
    iov::IovIterSource,
    prelude::*, //
};

/// Where the bytes of a packet are to lie.
#[derive(Clone, Copy, Default)]
pub struct PagedLayout {
    /// Bytes of headroom.
    pub headroom: usize,
    /// Bytes of the packet that are linear: the first ones.
    pub linear: usize,
    /// Bytes of the packet that are in page fragments: the rest.
    pub paged: usize,
    /// Largest order of the pages, 0 for single ones. What is larger than a page is tried without
    /// effort, and smaller ones are taken if there are none.
    pub order: u32,
}

impl PagedLayout {
    /// Returns the size of the linear part with its headroom.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no page has this order, `EMSGSIZE` if no buffer is that long.
    #[inline]
    fn linear_size(&self) -> Result<u32> {
        // C shifts by the order before anybody looks at it.
        if self.order > bindings::MAX_PAGE_ORDER_VALUE {
            return Err(EINVAL);
        }
        linear_size(self.headroom, self.linear).ok_or(EMSGSIZE)
    }
}

/// A packet of which not all bytes were written yet.
///
/// Bytes are appended until [`missing`](Self::missing) is 0, then [`finish`](Self::finish) makes it
/// a packet. It is disposed of like one.
///
/// # Invariants
///
/// The buffer of `skb` has room for `linear` bytes, and its fragments are of `paged` bytes
/// together. The length of `skb` is that of the bytes that were written: as long as they are fewer
/// than `linear` none is paged. The pages are this packet's alone.
pub struct Unfilled {
    skb: SkBuff,
    linear: u32,
    paged: u32,
}

impl Unfilled {
    /// Allocates a packet of `layout` by `alloc`, which gets the size of the linear part, headroom
    /// included, and that of the paged part, and the order.
    ///
    /// # Safety
    ///
    /// `alloc` returns a new packet of these sizes, as [`alloc_skb_with_frags`] does.
    ///
    /// [`alloc_skb_with_frags`]: srctree/net/core/skbuff.c
    #[inline]
    pub(crate) unsafe fn alloc_by(
        layout: &PagedLayout,
        alloc: impl FnOnce(c_ulong, c_ulong, c_int) -> Result<NonNull<bindings::sk_buff>>,
    ) -> Result<Self> {
        let size = layout.linear_size()?;
        let skb = alloc(
            size as c_ulong,
            layout.paged as c_ulong,
            layout.order as c_int,
        )?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        let mut skb = unsafe { SkBuff::from_raw(skb) };
        skb.reserve_unchecked(layout.headroom);
        // INVARIANT: That is what was allocated, and nothing of it was written. C has refused what
        // MAX_SKB_FRAGS pages do not hold, so both fit.
        Ok(Self {
            skb,
            linear: layout.linear as u32,
            paged: layout.paged as u32,
        })
    }

    /// Bytes that have to be appended still.
    #[inline]
    pub fn missing(&self) -> usize {
        (self.linear + self.paged) as usize - self.skb.len()
    }

    /// Bytes of the linear part that have to be written still, at most `len`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if fewer than `len` are missing altogether.
    #[inline]
    fn missing_linear(&self, len: usize) -> Result<usize> {
        if len > self.missing() {
            return Err(ENOSPC);
        }
        Ok(len.min(self.linear as usize - self.skb.headlen()))
    }

    /// Counts the `len` bytes behind the end as written.
    ///
    /// They are paged, and there are that many.
    #[inline]
    fn grow_paged(&mut self, len: usize) {
        let skb = self.skb.raw_mut();
        skb.len += len as u32;
        skb.data_len += len as u32;
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if fewer are [missing](Self::missing).
    ///
    /// C: [`skb_store_bits`](srctree/net/core/skbuff.c)
    pub fn put_data(&mut self, bytes: &[u8]) -> Result {
        let (linear, paged) = bytes.split_at(self.missing_linear(bytes.len())?);
        self.skb.put_data(linear)?;
        if paged.is_empty() {
            return Ok(());
        }
        let offset = self.skb.len();
        // INVARIANT: The linear part is full, that many bytes are missing, and they are written
        // before anybody can look at them. C does not write beyond the length.
        self.grow_paged(paged.len());
        // SAFETY: The packet is ours alone, and so are its pages.
        to_result(unsafe {
            bindings::skb_store_bits(
                self.skb.as_ptr(),
                offset as c_int,
                paged.as_ptr().cast(),
                paged.len() as c_int,
            )
        })
    }

    /// Appends the next `len` bytes from user space.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if fewer are [missing](Self::missing), `EFAULT` if not all of them could be read.
    /// Then the linear part may have been written; `missing` tells.
    ///
    /// C: [`skb_copy_datagram_from_iter`](srctree/net/core/datagram.c)
    pub fn put_iter(&mut self, from: &mut IovIterSource<'_>, len: usize) -> Result {
        let linear = self.missing_linear(len)?;
        self.skb.put_iter(from, linear)?;
        let paged = len - linear;
        if paged == 0 {
            return Ok(());
        }
        // SAFETY: The packet is ours alone, and so are its pages. The linear part is full, so its
        // length is the offset of the fragments, and they have that many bytes behind the end.
        to_result(unsafe {
            bindings::skb_copy_datagram_from_iter(
                self.skb.as_ptr(),
                self.skb.len() as c_int,
                from.as_raw(),
                paged as c_int,
            )
        })?;
        // INVARIANT: They were just written.
        self.grow_paged(paged);
        Ok(())
    }

    /// Returns the packet if nothing is missing.
    ///
    /// # Errors
    ///
    /// Gives back what is not whole.
    #[inline]
    pub fn finish(self) -> Result<SkBuff, Self> {
        if self.missing() != 0 {
            return Err(self);
        }
        Ok(self.skb)
    }

    /// Frees the packet as [`SkBuff::consume`] does.
    #[inline]
    pub fn consume(self) {
        self.skb.consume();
    }

    /// Drops the packet for `reason`, as [`SkBuff::drop_with`] does.
    #[inline]
    pub fn drop_with(self, reason: DropReason) {
        self.skb.drop_with(reason);
    }
}

impl SkBuff {
    /// Allocates a packet whose payload, or a part of it, is in pages.
    ///
    /// The packet belongs to no socket. Its [`truesize`](crate::skb::Skb::truesize) counts each
    /// page whole. Context: what `flags` allow.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if MAX_SKB_FRAGS pages do not hold the paged part, or no buffer the linear one;
    /// `ENOBUFS` if there is no memory; `EINVAL` if no page has this order.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let layout = PagedLayout { headroom, linear: header.len(), paged: len, order: 0 };
    /// let mut unfilled = SkBuff::alloc_with_frags(&layout, GFP_KERNEL)?;
    /// unfilled.put_data(&header)?;
    /// unfilled.put_iter(msg.data(), len)?;
    /// let skb = unfilled.finish().map_err(|unfilled| {
    ///     unfilled.consume();
    ///     EINVAL
    /// })?;
    /// ```
    ///
    /// C: [`alloc_skb_with_frags`](srctree/net/core/skbuff.c)
    pub fn alloc_with_frags(layout: &PagedLayout, flags: Flags) -> Result<Unfilled> {
        let alloc = |linear, paged, order| {
            let mut err = 0;
            // SAFETY: Any size may be asked for; the order is that of a page.
            let skb = unsafe {
                bindings::alloc_skb_with_frags(linear, paged, order, &mut err, gfp::as_raw(flags))
            };
            NonNull::new(skb).ok_or_else(|| Error::from_errno(err))
        };
        // SAFETY: It is that function.
        unsafe { Unfilled::alloc_by(layout, alloc) }
    }
}
