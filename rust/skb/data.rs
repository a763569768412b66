// SPDX-License-Identifier: GPL-2.0

//! The data area: headroom, linear data, tailroom.
//!
//! The functions of the same names in C end in `skb_over_panic` or `skb_under_panic` when the room
//! is not there. These return `ENOSPC` (or `ENODATA` where bytes are missing) and leave the packet
//! as it was. All bounds are checked with the same comparisons that C makes.
//!
//! Of every packet `head <= data <= head + tail <= head + end` and `data_len <= len` hold, so what
//! is computed from them cannot wrap. It is written with `wrapping_` operations, because a kernel
//! that checks arithmetic (CONFIG_RUST_OVERFLOW_CHECKS) would ask once more each time.

use super::{
    FrontMovable,
    HeaderWritable,
    Private,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::{
    hint,
    slice, //
};
use kernel::{
    error::to_result,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

#[cfg(not(CONFIG_64BIT))]
compile_error!("knet reads skb->tail and skb->end as offsets, as 64-bit kernels have them");

impl Skb {
    #[inline(always)]
    pub(super) fn raw(&self) -> &bindings::sk_buff {
        // SAFETY: The packet is valid by the type invariant, and nobody writes to these fields
        // while it is borrowed.
        unsafe { &*self.as_ptr() }
    }

    /// Bytes in the packet, paged ones included.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.raw().len as usize
    }

    /// Whether the packet has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are not in the linear part: fragments and the fragment list.
    #[inline(always)]
    pub fn data_len(&self) -> usize {
        self.raw().data_len as usize
    }

    /// Bytes in the linear part: `skb_headlen`.
    #[inline(always)]
    pub fn headlen(&self) -> usize {
        let skb = self.raw();
        skb.len.wrapping_sub(skb.data_len) as usize
    }

    /// Bytes free in front of the data: `skb_headroom`.
    #[inline(always)]
    pub fn headroom(&self) -> usize {
        let skb = self.raw();
        (skb.data as usize).wrapping_sub(skb.head as usize)
    }

    /// Bytes free behind the data: `skb_tailroom`. A packet with paged data has none.
    #[inline(always)]
    pub fn tailroom(&self) -> usize {
        let skb = self.raw();
        if skb.data_len != 0 {
            return 0;
        }
        skb.end.wrapping_sub(skb.tail) as usize
    }

    /// The start of the data.
    #[inline(always)]
    fn start(&self) -> *mut u8 {
        let data = self.raw().data;
        // An `Option` of a reference to it would be asked for null, as None is.
        // SAFETY: The data of a valid packet lies in its buffer.
        unsafe { hint::assert_unchecked(!data.is_null()) };
        data
    }

    /// The linear part of the data.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: `data` is followed by `headlen` initialised bytes, and by the type invariant
        // nobody writes to them.
        unsafe { slice::from_raw_parts(self.start(), self.headlen()) }
    }

    /// Copies `len` bytes from `offset` on, wherever they are, to user space.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the memory cannot be written or the packet is shorter.
    ///
    /// C: [`skb_copy_datagram_iter`](srctree/net/core/datagram.c)
    #[inline]
    pub fn copy_datagram_iter(
        &self,
        offset: usize,
        to: &mut IovIterDest<'_>,
        len: usize,
    ) -> Result {
        let offset = i32::try_from(offset)?;
        let len = i32::try_from(len)?;
        // SAFETY: The packet and the iterator are valid; C checks the bounds of both.
        to_result(unsafe {
            bindings::skb_copy_datagram_iter(self.as_ptr(), offset, to.as_raw(), len)
        })
    }
}

impl<S: State> SkBuff<S> {
    #[inline(always)]
    pub(super) fn raw_mut(&mut self) -> &mut bindings::sk_buff {
        // SAFETY: The packet is valid, and ours alone, by the type invariant.
        unsafe { &mut *self.as_ptr() }
    }

    /// Moves an empty packet's data `len` bytes on, for headers that are pushed later.
    #[inline(always)]
    pub(crate) fn reserve_unchecked(&mut self, len: usize) {
        let skb = self.raw_mut();
        // SAFETY: The callers have checked that the buffer is that large.
        skb.data = unsafe { skb.data.add(len) };
        skb.tail = skb.tail.wrapping_add(len as u32);
    }

    /// Sees to it that the first `len` bytes are linear, and returns them: `pskb_may_pull`.
    ///
    /// This is the way to read a header: a `len` that is known when the code is compiled is
    /// compared once.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::prelude::*;
    /// use knet::skb::{Cloned, SkBuff};
    ///
    /// fn version(skb: &mut SkBuff<Cloned>) -> Result<u8> {
    ///     let header: &[u8; 12] = skb.may_pull(12)?.first_chunk().ok_or(EINVAL)?;
    ///     Ok(header[0])
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `ENODATA` if the packet is shorter, the CPU cannot read the rest, or there is no memory to
    /// make them so. The packet is what it was.
    ///
    /// C: [`pskb_may_pull`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn may_pull(&mut self, len: usize) -> Result<&[u8]> {
        #[cfg(CONFIG_FAIL_SKB_REALLOC)]
        // SAFETY: The packet is ours alone, and nobody borrows its data.
        unsafe {
            bindings::skb_might_realloc(self.as_ptr());
        }
        let headlen = self.headlen();
        if len > headlen {
            if len > self.len() || !self.frags_readable() {
                return Err(ENODATA);
            }
            // SAFETY: The packet is ours alone, and there are that many bytes behind the linear
            // part, which can be read.
            let tail = unsafe { bindings::__pskb_pull_tail(self.as_ptr(), (len - headlen) as i32) };
            if tail.is_null() {
                return Err(ENODATA);
            }
        }
        // SAFETY: `data` is followed by at least `len` initialised bytes now, and nobody writes to
        // them while the packet is borrowed.
        Ok(unsafe { slice::from_raw_parts(self.start(), len) })
    }

    /// Cuts the packet to `len` bytes: `pskb_trim`. A longer `len` changes nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if paged data would have to be copied and there is no memory.
    ///
    /// C: [`pskb_trim`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn trim(&mut self, len: usize) -> Result {
        if len >= self.len() {
            return Ok(());
        }
        if self.data_len() == 0 {
            let headroom = self.headroom();
            let skb = self.raw_mut();
            skb.len = len as u32;
            skb.tail = (headroom + len) as u32;
            return Ok(());
        }
        // SAFETY: The packet is ours alone, and `len` is less than its length.
        to_result(unsafe { bindings::___pskb_trim(self.as_ptr(), len as u32) })
    }
}

impl<S: FrontMovable> SkBuff<S> {
    /// Makes `len` bytes of headroom in an empty packet: `skb_reserve`. A link-layer header that
    /// was set is not any more.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the packet is not empty, `ENOSPC` if the buffer is too small.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result {
        if !self.is_empty() {
            return Err(EINVAL);
        }
        if len > self.tailroom() {
            return Err(ENOSPC);
        }
        // Between it and the data would be what nobody has written.
        self.unset_mac_header();
        self.reserve_unchecked(len);
        Ok(())
    }

    /// Takes `len` bytes off the front: `skb_pull`.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the linear part is shorter; see [`may_pull`](Self::may_pull).
    #[inline]
    pub fn pull(&mut self, len: usize) -> Result {
        if len > self.headlen() {
            return Err(ENODATA);
        }
        let skb = self.raw_mut();
        skb.len = skb.len.wrapping_sub(len as u32);
        // SAFETY: There are at least `len` linear bytes.
        skb.data = unsafe { skb.data.add(len) };
        Ok(())
    }
}

impl SkBuff<Private> {
    /// The linear part of the data, to be written.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let headlen = self.headlen();
        // SAFETY: `data` is followed by `headlen` initialised bytes, which are ours alone by the
        // state of the packet.
        unsafe { slice::from_raw_parts_mut(self.raw_mut().data, headlen) }
    }

    /// Appends `len` zeroed bytes and returns them: `skb_put_zero`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` without that much tailroom.
    #[inline]
    pub fn put(&mut self, len: usize) -> Result<&mut [u8]> {
        let tail = self.grow(len)?;
        // SAFETY: `grow` found `len` bytes at `tail`, and they are ours alone.
        unsafe {
            tail.write_bytes(0, len);
            Ok(slice::from_raw_parts_mut(tail, len))
        }
    }

    /// Appends `bytes`: `skb_put_data`.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    #[inline]
    pub fn put_data(&mut self, bytes: &[u8]) -> Result {
        let tail = self.grow(bytes.len())?;
        // SAFETY: `grow` found that many bytes at `tail`; a packet that is borrowed mutably cannot
        // be where `bytes` are.
        unsafe { tail.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Appends the next `len` bytes from user space: `skb_put` and `copy_from_iter_full`.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and `EFAULT` if not all of them could be read; then nothing was
    /// appended.
    #[inline]
    pub fn put_iter(&mut self, from: &mut IovIterSource<'_>, len: usize) -> Result {
        let tail = self.grow(len)?;
        // SAFETY: `grow` found `len` bytes at `tail`, ours alone; `MaybeUninit<u8>` because nothing
        // has been written to them.
        let room = unsafe { slice::from_raw_parts_mut(tail.cast(), len) };
        if from.copy_from_iter_raw(room).len() != len {
            self.shrink(len);
            return Err(EFAULT);
        }
        Ok(())
    }

    /// Undoes [`grow`](Self::grow).
    #[cold]
    pub(super) fn shrink(&mut self, len: usize) {
        let skb = self.raw_mut();
        skb.len -= len as u32;
        skb.tail -= len as u32;
    }

    /// Moves the tail `len` bytes on and returns where it was.
    #[inline(always)]
    pub(super) fn grow(&mut self, len: usize) -> Result<*mut u8> {
        if len > self.tailroom() {
            return Err(ENOSPC);
        }
        let skb = self.raw_mut();
        // SAFETY: `tail` is an offset into the buffer at `head`.
        let tail = unsafe { skb.head.add(skb.tail as usize) };
        skb.tail = skb.tail.wrapping_add(len as u32);
        skb.len = skb.len.wrapping_add(len as u32);
        Ok(tail)
    }
}

impl<S: HeaderWritable> SkBuff<S> {
    /// Prepends `len` zeroed bytes for a header and returns them: `skb_push`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` without that much headroom.
    #[inline]
    pub fn push(&mut self, len: usize) -> Result<&mut [u8]> {
        let data = self.extend(len)?;
        // SAFETY: `extend` found `len` bytes at `data`, and they are ours alone.
        unsafe {
            data.write_bytes(0, len);
            Ok(slice::from_raw_parts_mut(data, len))
        }
    }

    /// Prepends `bytes`: a header that is ready.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_data(&mut self, bytes: &[u8]) -> Result {
        let data = self.extend(bytes.len())?;
        // SAFETY: `extend` found that many bytes at `data`; a packet that is borrowed mutably
        // cannot be where `bytes` are.
        unsafe { data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Moves the start of the data `len` bytes back and returns it.
    #[inline(always)]
    fn extend(&mut self, len: usize) -> Result<*mut u8> {
        if len > self.headroom() {
            return Err(ENOSPC);
        }
        let skb = self.raw_mut();
        // SAFETY: There are `len` bytes between `head` and `data`.
        skb.data = unsafe { skb.data.sub(len) };
        skb.len = skb.len.wrapping_add(len as u32);
        Ok(skb.data)
    }
}
