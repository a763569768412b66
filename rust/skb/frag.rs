// SPDX-License-Identifier: GPL-2.0

//! Page fragments: the data of a packet that is not linear.
//!
//! The pages may have other users, even programs that write to them, so they cannot be borrowed as
//! bytes: [`Frag::read`] copies. To work on the bytes of a packet in place, make the part that is
//! needed linear ([`may_pull`](SkBuff::may_pull)) or all of it ([`linearize`](SkBuff::linearize)).

use super::{
    Failed,
    OwnerKind,
    PageFrag,
    Private,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::{
    ptr::NonNull,
    slice, //
};
use kernel::{
    error::Error,
    page::BorrowedPage,
    prelude::*, //
};

/// One page fragment of a packet: `skb_frag_t`, borrowed.
///
/// # Invariants
///
/// The fragment is one of a valid packet, and nobody changes it while it is borrowed.
#[derive(Clone, Copy)]
pub struct Frag<'a>(&'a bindings::skb_frag);

impl<'a> Frag<'a> {
    /// Bytes in the fragment: `skb_frag_size`.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.len as usize
    }

    /// Where it begins, in bytes from the start of [`page`](Self::page): `skb_frag_off`. This may
    /// be beyond the first page of a compound one.
    #[inline]
    pub fn offset(&self) -> usize {
        self.0.offset as usize
    }

    /// The page, the first one of a compound page; `None` if the memory has no pages because it is
    /// that of a device: `skb_frag_page`.
    #[inline]
    pub fn page(&self) -> Option<BorrowedPage<'a>> {
        if self.0.netmem & bindings::NET_IOV as c_ulong != 0 {
            return None;
        }
        let page = NonNull::new(self.0.netmem as *mut kernel::bindings::page)?;
        // SAFETY: Without the mark of a `net_iov` it is a page, and the packet has a reference.
        Some(unsafe { BorrowedPage::from_raw(page) })
    }

    /// Users of the page, this packet among them; 0 if there is no page: `page_count`.
    #[inline]
    pub(super) fn page_count(&self) -> i32 {
        // SAFETY: The fragment is one of a valid packet.
        unsafe { bindings::skb_frag_page_count(self.0) }
    }

    /// Copies the bytes from `offset` on, counted from the start of the fragment.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the fragment is shorter, `EFAULT` if the CPU cannot read it.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        if offset > self.size() || to.len() > self.size() - offset {
            return Err(ENODATA);
        }
        if self.page().is_none() {
            return Err(EFAULT);
        }
        // SAFETY: The fragment consists of pages and has that many bytes behind `offset`.
        unsafe {
            bindings::skb_frag_read(
                self.0,
                offset as u32,
                to.as_mut_ptr().cast(),
                to.len() as u32,
            )
        };
        Ok(())
    }
}

impl Skb {
    /// Whether some of the data is not linear: `skb_is_nonlinear`.
    #[inline(always)]
    pub fn is_nonlinear(&self) -> bool {
        self.data_len() != 0
    }

    /// How many page fragments the packet has, without those of its [list](Self::frag_list).
    #[inline]
    pub fn nr_frags(&self) -> usize {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.shinfo()).nr_frags.into() }
    }

    /// Bytes in the linear part and the page fragments: all but those of the packets in the
    /// [list](Self::frag_list). `skb_pagelen`.
    #[inline]
    pub fn pagelen(&self) -> usize {
        self.headlen() + self.frags().map(|frag| frag.size()).sum::<usize>()
    }

    /// The page fragments, in order. Their data follows the linear one.
    #[inline]
    pub fn frags(&self) -> impl ExactSizeIterator<Item = Frag<'_>> {
        let shinfo = self.shinfo();
        // SAFETY: The packet is valid by the type invariant, so `nr_frags` fragments are. They are
        // changed only by who has the packet, and its data, for itself.
        let frags = unsafe {
            slice::from_raw_parts(
                (&raw const (*shinfo).frags).cast::<bindings::skb_frag>(),
                self.nr_frags(),
            )
        };
        // INVARIANT: As just said.
        frags.iter().map(Frag)
    }

    /// Whether a claim is on the packet, so that its truesize must stay what it is.
    #[inline]
    pub(super) fn is_claimed(&self) -> bool {
        self.owner_kind() != OwnerKind::None
    }
}

impl SkBuff<Private> {
    /// Appends what was written to a page fragment: `skb_add_rx_frag`. Nothing is copied.
    ///
    /// The packet's length grows by that, its [`truesize`](Skb::truesize) by the
    /// [whole fragment](PageFrag::truesize).
    ///
    /// # Errors
    ///
    /// Gives the fragment back with
    ///
    /// * `ENOSPC` if the packet has MAX_SKB_FRAGS of them;
    /// * `EBUSY` if a claim is on the packet: what it is charged for is its truesize;
    /// * `EINVAL` if nothing was written, if the packet has a [list](Skb::frag_list), whose data
    ///   comes last, or if its other fragments are lent by a program.
    ///
    /// C: [`skb_add_rx_frag`](srctree/include/linux/skbuff.h)
    pub fn add_frag(&mut self, frag: PageFrag) -> Result<(), (PageFrag, Error)> {
        if let Err(error) = self.may_add(&frag) {
            return Err((frag, error));
        }
        let (data, len, truesize) = frag.into_raw();
        // SAFETY: The packet and the fragments in its shared info are ours alone; there is room for
        // one more. The packet takes over the reference to the page.
        unsafe {
            bindings::skb_add_rx_frag_virt(
                self.as_ptr(),
                self.nr_frags() as c_int,
                data.as_ptr().cast(),
                len as c_int,
                truesize,
            )
        };
        Ok(())
    }

    fn may_add(&self, frag: &PageFrag) -> Result {
        // SAFETY: The packet is valid by the type invariant.
        let (flags, list) = unsafe { ((*self.shinfo()).flags, (*self.shinfo()).frag_list) };
        // Fragments without a reference of their own are freed without giving one back.
        let lent = u32::from(flags) & bindings::SKBFL_MANAGED_FRAG_REFS != 0;

        if frag.is_empty() || lent || !list.is_null() {
            return Err(EINVAL);
        }
        if self.is_claimed() {
            return Err(EBUSY);
        }
        if self.nr_frags() >= bindings::MAX_SKB_FRAGS as usize
            || self.truesize_with(frag.truesize() as usize).is_err()
        {
            return Err(ENOSPC);
        }
        Ok(())
    }
}

impl<S: State> SkBuff<S> {
    /// Copies all paged data into the linear part, which is this packet's own afterwards:
    /// `skb_linearize_cow`. A packet that is so already is left alone.
    ///
    /// A claim stays on the packet, and then its [`truesize`](Skb::truesize) stays what it is.
    ///
    /// Context: any; the memory is asked for with `GFP_ATOMIC`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if the CPU cannot read the fragments. The data is what it was.
    ///
    /// C: [`skb_linearize_cow`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn linearize(self) -> Result<SkBuff<Private>, Failed<S>> {
        let mut skb = self;
        if skb.is_nonlinear() || skb.cloned() {
            if let Err(error) = skb.pull_all() {
                return Err(Failed { skb, error });
            }
        }
        // SAFETY: The packet is ours. There was no clone, or C has made a new buffer.
        Ok(unsafe { SkBuff::from_raw(skb.into_raw()) })
    }

    /// Copies all paged data behind the linear part, in a buffer of this packet's own:
    /// `__skb_linearize`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if the CPU cannot read the fragments.
    pub(super) fn pull_all(&mut self) -> Result {
        if !self.frags_readable() {
            return Err(ENOMEM);
        }
        // SAFETY: The packet is ours alone (C BUGs on shared ones), and it has that many bytes
        // behind its linear part, which can be read.
        let tail = unsafe { bindings::__pskb_pull_tail(self.as_ptr(), self.data_len() as c_int) };
        if tail.is_null() {
            return Err(ENOMEM);
        }
        Ok(())
    }
}
