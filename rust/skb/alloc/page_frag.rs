// SPDX-License-Identifier: GPL-2.0

//! Memory for the data of a packet that comes before the packet: page fragments.
//!
//! C header: [`include/linux/page_frag_cache.h`](srctree/include/linux/page_frag_cache.h)

use crate::{
    bindings,
    skb::SkBuff, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull,
    slice, //
};
use kernel::{
    alloc::AllocError,
    error::Error,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Rounds up to a cache line: `SKB_DATA_ALIGN`.
const fn data_align(size: usize) -> usize {
    size.next_multiple_of(bindings::L1_CACHE_BYTES_VALUE as usize)
}

/// What a packet needs behind its data.
const SHARED_INFO: usize = data_align(size_of::<bindings::skb_shared_info>());

/// A piece of a page from the cache of the CPU, with the bytes that were written to it.
///
/// A driver has its packets written into such pieces and then makes the [head of a
/// packet](Self::build_skb) of one, or [adds](SkBuff::add_frag) it to a packet. A fragment that is
/// dropped gives its part of the page back.
///
/// It begins empty; only what was written can be read, or gets into a packet.
///
/// # Invariants
///
/// `head` points to `size` bytes of a page fragment, aligned to a cache line, and one reference to
/// its page belongs to this value, as do the bytes. `size` is a multiple of the cache line and at
/// most a page. `start <= end <= size`, and the bytes from `start` to `end` are initialised.
pub struct PageFrag {
    head: NonNull<u8>,
    size: u32,
    start: u32,
    end: u32,
}

// SAFETY: Memory is not bound to a thread or a CPU; references to its page are atomic.
unsafe impl Send for PageFrag {}

// SAFETY: What `&PageFrag` can do is read.
unsafe impl Sync for PageFrag {}

impl PageFrag {
    /// Allocates `size` bytes, rounded up to a cache line: `netdev_alloc_frag`.
    ///
    /// Context: any. Does not sleep.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or `size` is 0 or more than a page.
    ///
    /// C: [`__netdev_alloc_frag_align`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn alloc(size: usize) -> Result<Self, AllocError> {
        // SAFETY: That function does what is asked for; it may be called in any context.
        unsafe {
            Self::alloc_by(size, |size, mask| {
                bindings::__netdev_alloc_frag_align(size, mask)
            })
        }
    }

    /// Allocates what a packet with `headroom` and `size` bytes behind it takes, bookkeeping
    /// included. [`build_skb`](Self::build_skb) makes the packet.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or all of it does not fit a page.
    #[inline]
    pub fn alloc_head(headroom: usize, size: usize) -> Result<Self, AllocError> {
        let data = headroom.checked_add(size).ok_or(AllocError)?;
        if data > PAGE_SIZE {
            return Err(AllocError);
        }
        let mut frag = Self::alloc(data_align(data) + SHARED_INFO)?;
        // INVARIANT: The headroom is within the fragment, and no byte is said to be initialised.
        frag.start = headroom as u32;
        frag.end = headroom as u32;
        Ok(frag)
    }

    /// Allocates by `alloc`, which gets the size and the mask for the alignment.
    ///
    /// # Safety
    ///
    /// `alloc` returns null, or a new page fragment of that size with that alignment.
    #[inline(always)]
    pub(crate) unsafe fn alloc_by(
        size: usize,
        alloc: impl FnOnce(u32, u32) -> *mut c_void,
    ) -> Result<Self, AllocError> {
        // C refuses more than a page once the cache has less left.
        if size == 0 || size > PAGE_SIZE {
            return Err(AllocError);
        }
        let size = data_align(size) as u32;
        let head = alloc(size, bindings::L1_CACHE_BYTES_VALUE.wrapping_neg()).cast();
        // INVARIANT: The fragment is new and was given to us; nothing of it is initialised.
        Ok(Self {
            head: NonNull::new(head).ok_or(AllocError)?,
            size,
            start: 0,
            end: 0,
        })
    }

    /// Bytes that were written.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether nothing was written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that can still be written.
    #[inline]
    pub fn tailroom(&self) -> usize {
        (self.size - self.end) as usize
    }

    /// Bytes that the fragment takes of its page: what it counts in the
    /// [`truesize`](crate::skb::Skb::truesize) of a packet that it is added to.
    #[inline]
    pub fn truesize(&self) -> u32 {
        self.size
    }

    /// What was written.
    #[inline]
    pub fn data(&self) -> &[u8] {
        // SAFETY: These bytes are ours and initialised by the type invariants.
        unsafe { slice::from_raw_parts(self.start().as_ptr(), self.len()) }
    }

    /// What was written, to be changed.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `data`.
        unsafe { slice::from_raw_parts_mut(self.start().as_ptr(), self.len()) }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if the fragment is too short.
    #[inline]
    pub fn put_data(&mut self, bytes: &[u8]) -> Result {
        if bytes.len() > self.tailroom() {
            return Err(ENOSPC);
        }
        // SAFETY: There are that many bytes behind `end`, and they are ours alone.
        unsafe {
            self.head
                .add(self.end as usize)
                .as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        // INVARIANT: They are initialised now, and end within the fragment.
        self.end += bytes.len() as u32;
        Ok(())
    }

    #[inline(always)]
    fn start(&self) -> NonNull<u8> {
        // SAFETY: `start` is within the fragment.
        unsafe { self.head.add(self.start as usize) }
    }

    /// Makes a packet around the fragment: `build_skb`. What was written is its data, what lies in
    /// front is its headroom. Nothing is copied.
    ///
    /// Context: any.
    ///
    /// # Errors
    ///
    /// Gives the fragment back with `ENOSPC` if the bookkeeping of a packet does not fit behind the
    /// data (see [`alloc_head`](Self::alloc_head)), or with `ENOMEM`.
    ///
    /// C: [`build_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn build_skb(self) -> Result<SkBuff, (Self, Error)> {
        // SAFETY: That function does what is asked for; it may be called in any context.
        unsafe { self.build_by(|head, size| bindings::build_skb(head, size)) }
    }

    /// Makes a packet by `build`, which gets the fragment and its size. There is room for the
    /// shared info at its end.
    ///
    /// # Safety
    ///
    /// `build` returns null, or a new and empty packet around the fragment, which has the reference
    /// to the page then.
    #[inline(always)]
    pub(crate) unsafe fn build_by(
        self,
        build: impl FnOnce(*mut c_void, u32) -> *mut bindings::sk_buff,
    ) -> Result<SkBuff, (Self, Error)> {
        if self.tailroom() < SHARED_INFO {
            return Err((self, ENOSPC));
        }
        let Some(skb) = NonNull::new(build(self.head.as_ptr().cast(), self.size)) else {
            return Err((self, ENOMEM));
        };
        let frag = ManuallyDrop::new(self);
        // SAFETY: By the requirements of this function: a new packet has one reference, and it was
        // given to us. Its buffer is the fragment, which was ours alone.
        let mut skb = unsafe { SkBuff::from_raw(skb) };
        skb.reserve_unchecked(frag.start as usize);
        // What was written ends before the shared info, as was checked above.
        let raw = skb.raw_mut();
        raw.tail += frag.len() as u32;
        raw.len += frag.len() as u32;
        Ok(skb)
    }

    /// Hands the fragment, and with it the reference to its page, to the caller: what was written,
    /// and how long the fragment is.
    #[inline(always)]
    pub(in crate::skb) fn into_raw(self) -> (NonNull<u8>, u32, u32) {
        let frag = ManuallyDrop::new(self);
        (frag.start(), frag.end - frag.start, frag.size)
    }
}

impl Drop for PageFrag {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant, and this is the end of it.
        unsafe { bindings::page_frag_free(self.head.as_ptr().cast()) };
    }
}
