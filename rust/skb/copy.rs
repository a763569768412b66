// SPDX-License-Identifier: GPL-2.0

//! Copying: bytes into and out of a packet, and a packet into another one.
//!
//! | copy                                             | headers | payload      | claim         |
//! | ------------------------------------------------ | ------- | ------------ | ------------- |
//! | [`try_clone`](SkBuff::try_clone)                 | shared  | shared       | none          |
//! | [`pskb_copy`](SkBuff::pskb_copy)                 | copied  | pages shared | none          |
//! | [`realloc_headroom`](SkBuff::realloc_headroom)   | copied  | pages shared | none          |
//! | [`copy`](Skb::copy)                              | copied  | copied       | none          |
//! | [`copy_expand`](Skb::copy_expand)                | copied  | copied       | none          |
//! | [`expand_head_realloc`](SkBuff::expand_head_realloc) | moved | pages moved | kept, and grows |

use super::{
    Cloned,
    Failed,
    Private,
    SkBuff, //
    Skb,
    State,
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
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};

impl Skb {
    /// Copies the bytes from `offset` on into `to`, wherever in the packet they are.
    ///
    /// Context: any.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the packet is shorter, `EFAULT` if the CPU cannot read its fragments.
    ///
    /// C: [`skb_copy_bits`](srctree/net/core/skbuff.c)
    pub fn copy_bits(&self, offset: usize, to: &mut [u8]) -> Result {
        let (offset, len) = self.range(offset, to.len())?;
        // SAFETY: The packet is valid and has these bytes; `to` has room for them.
        to_result(unsafe {
            bindings::skb_copy_bits(self.as_ptr(), offset, to.as_mut_ptr().cast(), len)
        })
    }

    /// Returns a range of the packet as C wants it.
    fn range(&self, offset: usize, len: usize) -> Result<(c_int, c_int)> {
        let end = offset.checked_add(len).ok_or(ENODATA)?;
        if end > self.len() {
            return Err(ENODATA);
        }
        // C counts in `int`.
        c_int::try_from(end)?;
        Ok((offset as c_int, len as c_int))
    }

    /// Whether the CPU can read the fragments, those of the packets in the list included:
    /// `skb_frags_readable`. C asks the head only, and BUGs where it then fails to copy.
    pub(super) fn frags_readable(&self) -> bool {
        self.headers().unreadable() == 0
            && self
                .frag_list()
                .all(|member| member.headers().unreadable() == 0)
    }

    /// Copies the packet with all of its data, paged data included, into one linear buffer with at
    /// least `headroom` bytes before it and `tailroom` bytes behind it. The copy carries no claim.
    ///
    /// There is never less headroom than in the original: that is where its headers are, which the
    /// offsets of the copy point to.
    ///
    /// Context: what `flags` allow.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, the sum is beyond what a packet can have, the CPU
    /// cannot read the fragments, or the packet is a list of whole packets (`SKB_GSO_FRAGLIST`).
    ///
    /// C: [`skb_copy_expand`](srctree/net/core/skbuff.c)
    pub fn copy_expand(
        &self,
        headroom: usize,
        tailroom: usize,
        flags: Flags,
    ) -> Result<SkBuff<Private>, AllocError> {
        // SAFETY: The packet is valid by the type invariant.
        if unsafe { (*self.shinfo()).gso_type } & bindings::SKB_GSO_FRAGLIST as u32 != 0 {
            // A list of whole packets; C warns and refuses.
            return Err(AllocError);
        }
        if !self.frags_readable() {
            return Err(AllocError);
        }
        // Offsets of headers are of 16 bits.
        if headroom > usize::from(u16::MAX) {
            return Err(AllocError);
        }
        let headroom = headroom.max(self.headroom());
        // C adds the three as `unsigned int`.
        headroom
            .checked_add(self.len())
            .and_then(|size| size.checked_add(tailroom))
            .and_then(|size| c_int::try_from(size).ok())
            .ok_or(AllocError)?;
        // SAFETY: The packet is valid and is only read; the sizes are in range.
        let skb = unsafe {
            bindings::skb_copy_expand(
                self.as_ptr(),
                headroom as c_int,
                tailroom as c_int,
                gfp::as_raw(flags),
            )
        };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        let mut skb: SkBuff = unsafe { SkBuff::from_raw(skb) };
        skb.headers_moved(self.header_offsets(), headroom - self.headroom());
        Ok(skb)
    }
}

impl SkBuff<Private> {
    /// Overwrites the bytes from `offset` on with `from`, wherever in the packet they are.
    ///
    /// Linear bytes are this packet's own by its state. The page of a fragment may have other
    /// users: a [`pskb_copy`](SkBuff::pskb_copy), the page cache, a program. It is written to only
    /// if it has none.
    ///
    /// Context: any.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the packet is shorter; `EBUSY` if a page in the range may have another user, or
    /// the range reaches into the fragment list ([copying](Skb::copy) the packet helps against
    /// both); `EFAULT` if the CPU cannot read the fragments. Nothing was written then.
    ///
    /// C: [`skb_store_bits`](srctree/net/core/skbuff.c)
    pub fn store_bits(&mut self, offset: usize, from: &[u8]) -> Result {
        self.check_writable(offset, from.len())?;
        let (offset, len) = self.range(offset, from.len())?;
        // SAFETY: The packet has these bytes and they are ours alone, as was just checked; `from`
        // is as long, and cannot be in a packet that is borrowed mutably.
        to_result(unsafe {
            bindings::skb_store_bits(self.as_ptr(), offset, from.as_ptr().cast(), len)
        })
    }

    /// Overwrites `len` bytes from `offset` on with the next ones from user space.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// As [`store_bits`](Self::store_bits), and `EFAULT` if not all of the bytes could be read.
    /// Some of them may be in the packet then, and `from` is where it was.
    ///
    /// C: [`skb_copy_datagram_from_iter_full`](srctree/net/core/datagram.c)
    pub fn copy_datagram_from_iter(
        &mut self,
        offset: usize,
        from: &mut IovIterSource<'_>,
        len: usize,
    ) -> Result {
        self.check_writable(offset, len)?;
        let (offset, len) = self.range(offset, len)?;
        // SAFETY: The packet has these bytes and they are ours alone, as was just checked.
        to_result(unsafe {
            bindings::skb_copy_datagram_from_iter_full(self.as_ptr(), offset, from.as_raw(), len)
        })
    }

    /// Checks that nobody else can see `len` bytes from `offset` on.
    fn check_writable(&self, offset: usize, len: usize) -> Result {
        const NOT_OURS: u32 = bindings::SKBFL_ZEROCOPY_ENABLE | bindings::SKBFL_SHARED_FRAG;

        let (_, end) = (self.range(offset, len)?, offset + len);
        let mut start = self.headlen();
        if end <= start {
            return Ok(());
        }
        if !self.frags_readable() {
            return Err(EFAULT);
        }
        // SAFETY: The packet is valid by the type invariant.
        let flags = u32::from(unsafe { (*self.shinfo()).flags });
        // A page pool counts the users of its pages elsewhere.
        if flags & NOT_OURS != 0 || self.raw().pp_recycle() != 0 {
            return Err(EBUSY);
        }
        for frag in self.frags() {
            let stop = start + frag.size();
            // The packet has one reference; as long as it is the only one nobody is there who could
            // take another.
            if offset < stop && frag.page_count() != 1 {
                return Err(EBUSY);
            }
            if end <= stop {
                return Ok(());
            }
            start = stop;
        }
        // The rest lies in the packets of the fragment list, which may have other references.
        Err(EBUSY)
    }
}

impl<S: State> SkBuff<S> {
    /// Copies the packet and its linear data; the pages of fragments get one user more, and so do
    /// the packets of the fragment list. The copy carries no claim.
    ///
    /// The original is borrowed mutably because pages that belong to a program are copied first,
    /// see [`orphan_frags`](Self::orphan_frags).
    ///
    /// Context: what `flags` allow.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory.
    ///
    /// C: [`pskb_copy`](srctree/include/linux/skbuff.h)
    pub fn pskb_copy(&mut self, flags: Flags) -> Result<SkBuff<Private>, AllocError> {
        let headroom = self.headroom() as c_int;
        // SAFETY: The packet is ours alone. With the same headroom the offsets of its headers are
        // right in the copy.
        let skb = unsafe {
            bindings::__pskb_copy_fclone(self.as_ptr(), headroom, gfp::as_raw(flags), false)
        };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its linear buffer.
        Ok(self.with_headers(unsafe { SkBuff::from_raw(skb) }))
    }

    /// Completes a copy of this packet by its headers in front of the data, which C leaves behind
    /// though it copies their offsets.
    fn with_headers(&self, mut copy: SkBuff<Private>) -> SkBuff<Private> {
        let len = self.readable_headroom();
        // SAFETY: Both packets have that many bytes in front of their data: the copy has no less
        // headroom. What is read is initialised by the invariant of `Skb`, and what is written to
        // is ours alone.
        unsafe {
            let (from, to) = (self.raw().data.sub(len), copy.raw_mut().data.sub(len));
            to.copy_from_nonoverlapping(from, len);
        }
        let moved = copy.headroom() - self.headroom();
        copy.headers_moved(self.header_offsets(), moved);
        copy
    }

    /// As [`pskb_copy`](Self::pskb_copy), with at least `headroom` bytes of headroom in the copy.
    ///
    /// Context: any but hard interrupt.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or no packet has that much headroom.
    ///
    /// C: [`skb_realloc_headroom`](srctree/net/core/skbuff.c)
    pub fn realloc_headroom(&mut self, headroom: usize) -> Result<SkBuff<Private>, AllocError> {
        let Ok(headroom) = u16::try_from(headroom) else {
            return Err(AllocError);
        };
        // SAFETY: The packet is ours alone, and the size is in range. C may make a clone for a
        // moment; it has a buffer of its own, or is freed, when the function returns.
        let skb = unsafe { bindings::skb_realloc_headroom(self.as_ptr(), headroom.into()) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: As in `pskb_copy`.
        Ok(self.with_headers(unsafe { SkBuff::from_raw(skb) }))
    }

    /// Sees to it that there are `headroom` bytes of headroom, that they and the linear data belong
    /// to this packet alone, and that its owner is charged for what that takes.
    ///
    /// * Without a claim this is [`expand_head`](Self::expand_head).
    /// * A packet that is charged to a send buffer (`sock_wfree` and its like) stays the same, and
    ///   the charge grows with its [`truesize`](Skb::truesize).
    /// * Any other claim ends: a clone takes the packet's place and is charged to the send buffer
    ///   of the same socket, if the socket still has one.
    ///
    /// A packet that has the headroom already only gets a buffer of its own, if it has none; then
    /// the claim is left as it is.
    ///
    /// Context: any but hard interrupt. The destructor of a claim that ends runs here.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL` if no packet has that much headroom, `EMSGSIZE` if it would stand for too
    /// much. (`skb_expand_head` frees the packet then; here it is given back.)
    ///
    /// C: [`skb_expand_head`](srctree/net/core/skbuff.c)
    pub fn expand_head_realloc(self, headroom: usize) -> Result<SkBuff<Private>, Failed<S>> {
        const ALIGN: usize = bindings::L1_CACHE_BYTES_VALUE as usize;

        if headroom > usize::from(u16::MAX) {
            return Err(Failed {
                skb: self,
                error: EINVAL,
            });
        }
        let missing = headroom.saturating_sub(self.headroom());
        if missing == 0 && !self.cloned() {
            // SAFETY: There is no other reference to the data, and only we could make one.
            return Ok(unsafe { SkBuff::from_raw(self.into_raw()) });
        }
        let nhead = missing.next_multiple_of(ALIGN);
        if missing == 0 || !self.is_claimed() {
            return self.expand_head(nhead, 0, GFP_ATOMIC);
        }
        if !self.is_wmem() {
            return self.expand_clone(nhead);
        }
        if let Err(error) = self.truesize_with(nhead) {
            return Err(Failed { skb: self, error });
        }
        let before = self.raw().end;
        let mut skb = self.expand_head(nhead, 0, GFP_ATOMIC)?;
        let delta = skb.raw().end - before;
        skb.raw_mut().truesize += delta;
        skb.wmem_add(delta);
        Ok(skb)
    }

    /// Replaces a packet, whose claim cannot grow, by a clone that is charged to the same socket.
    fn expand_clone(self, nhead: usize) -> Result<SkBuff<Private>, Failed<S>> {
        // SAFETY: The packet is ours alone.
        let clone = unsafe { bindings::skb_clone(self.as_ptr(), gfp::as_raw(GFP_ATOMIC)) };
        let Some(clone) = NonNull::new(clone) else {
            return Err(Failed {
                skb: self,
                error: ENOMEM,
            });
        };
        // SAFETY: A new packet has one reference, and it was given to us. The original is what it
        // promised to be again once the clone has a buffer of its own, or is freed.
        let clone: SkBuff<Cloned> = unsafe { SkBuff::from_raw(clone) };
        match clone.expand_head(nhead, 0, GFP_ATOMIC) {
            Ok(mut clone) => {
                clone.charge_owner_of(&self);
                self.consume();
                Ok(clone)
            }
            Err(failed) => {
                failed.skb.consume();
                Err(Failed {
                    skb: self,
                    error: failed.error,
                })
            }
        }
    }
}
