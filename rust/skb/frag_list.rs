// SPDX-License-Identifier: GPL-2.0

//! The fragment list: whole packets whose data is the end of another packet's.
//!
//! This is how reassembly and GRO join packets without a copy. The data of the list follows the
//! linear data and the page fragments; the length and the truesize of the head count it.

use super::{
    Cloned,
    Failed,
    Private,
    SkBuff, //
    Skb,
    State,
    TRUESIZE_MIN,
};
use crate::{
    bindings,
    gfp, //
};
use core::{
    iter,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    alloc::Flags,
    prelude::*, //
};

/// Returns the field by which a packet leads to the next one of a list.
///
/// # Safety
///
/// `skb` is valid.
#[inline]
unsafe fn next(skb: *mut bindings::sk_buff) -> *mut *mut bindings::sk_buff {
    // SAFETY: By the requirements of this function.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
}

impl Skb {
    /// The packets of the fragment list, in order: `skb_walk_frags`.
    pub fn frag_list(&self) -> impl Iterator<Item = &Skb> {
        // SAFETY: The packet is valid by the type invariant, and so are those of its list, which
        // are changed only by who has the head, and its data, for itself.
        let follow = |link: *mut *mut bindings::sk_buff| unsafe {
            (!(*link).is_null()).then(|| Skb::from_raw(*link))
        };
        // SAFETY: The packet is valid by the type invariant.
        let first = unsafe { &raw mut (*self.shinfo()).frag_list };
        iter::successors(follow(first), move |skb| {
            // SAFETY: The packet is in the list.
            follow(unsafe { next(skb.as_ptr()) })
        })
    }

    /// Whether there is a fragment list: `skb_has_frag_list`.
    #[inline]
    pub fn has_frag_list(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { !(*self.shinfo()).frag_list.is_null() }
    }
}

/// Whether the data of a packet may become the end of another one's.
fn may_be_in_list(skb: &Skb) -> bool {
    // SAFETY: The packet is valid by the type invariant. The union only gives a group of fields a
    // second name.
    let (flags, unreadable) = unsafe {
        let headers = (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref();
        (u32::from((*skb.shinfo()).flags), headers.unreadable())
    };
    // C looks for memory that the CPU cannot read, and for pages that programs have lent, at the
    // head only; and it follows lists in lists by recursion.
    // One with a companion must be cloned by nobody but its owner, and those of a list are cloned
    // by each head that has it.
    !skb.is_empty()
        && skb.raw().fclone() != bindings::SKB_FCLONE_ORIG as u8
        && !skb.has_frag_list()
        && unreadable == 0
        && flags & bindings::SKBFL_ZEROCOPY_ENABLE == 0
}

impl SkBuff<Private> {
    /// Appends the data of `skb` by putting it at the end of the fragment list. Nothing is copied.
    ///
    /// The length and the [`truesize`](Skb::truesize) of this packet grow by those of the other. To
    /// find the end takes a step for each packet of the list.
    ///
    /// # Errors
    ///
    /// Gives `skb` back with
    ///
    /// * `EBUSY` if a claim is on one of the two: [orphan](SkBuff::orphan) it before; or if the
    ///   list is shared with another packet, because the head was [unshared](SkBuff::unclone);
    /// * `EMSGSIZE` if the packet would be too long;
    /// * `EINVAL` if `skb` is empty, was made with a [companion](SkBuff::alloc_fclone), has a list
    ///   itself or data that cannot be in one (that of a device, or of a program), or if the head
    ///   is to be segmented.
    pub fn frag_list_append<S: State>(&mut self, skb: SkBuff<S>) -> Result<(), Failed<S>> {
        let (link, truesize) = match self.frag_list_end(&skb) {
            Ok(end) => end,
            Err(error) => return Err(Failed { skb, error }),
        };
        let len = skb.raw().len;
        let skb = skb.into_raw().as_ptr();
        // SAFETY: Both packets are ours alone, and so is the one that `link` is in. The list takes
        // over the reference.
        unsafe {
            *next(skb) = ptr::null_mut();
            *link = skb;
        }
        let head = self.raw_mut();
        head.len += len;
        head.data_len += len;
        head.truesize = truesize;
        Ok(())
    }

    /// Returns the pointer at the end of the list, to be set to `skb`, and the truesize of the
    /// packet with it.
    fn frag_list_end(&self, skb: &Skb) -> Result<(*mut *mut bindings::sk_buff, u32)> {
        if !may_be_in_list(skb) || self.is_gso() {
            return Err(EINVAL);
        }
        if skb.is_claimed() || self.is_claimed() {
            return Err(EBUSY);
        }
        // C counts in `int`.
        if self.len() + skb.len() > i32::MAX as usize {
            return Err(EMSGSIZE);
        }
        let truesize = self.truesize_with(skb.truesize() as usize)?;
        let link = match self.frag_list().last() {
            // SAFETY: The packet is valid.
            None => unsafe { &raw mut (*self.shinfo()).frag_list },
            // It is in the list of another head, too, because the data of this one was unshared.
            // Its other holders may be following it.
            Some(last) if last.shared() => return Err(EBUSY),
            // SAFETY: As above.
            Some(last) => unsafe { next(last.as_ptr()) },
        };
        Ok((link, truesize))
    }

    /// Takes the first packet out of the fragment list, or returns `None` if there is none.
    ///
    /// Its data goes from where it was in this packet, and so does its part of the
    /// [`truesize`](Skb::truesize). A packet that is shared with the list of another head is
    /// cloned for that.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if it has to be cloned; `EBUSY` if a claim is on the head; `EINVAL` if the head is
    /// to be segmented along its list.
    pub fn frag_list_pop(&mut self, flags: Flags) -> Result<Option<SkBuff<Cloned>>> {
        let Some(first) = self.frag_list().next() else {
            return Ok(None);
        };
        if self.is_gso() {
            return Err(EINVAL);
        }
        if self.is_claimed() {
            return Err(EBUSY);
        }
        let (len, truesize, raw) = (first.raw().len, first.truesize(), first.as_ptr());
        // SAFETY: The packet is valid.
        let rest = unsafe { *next(raw) };
        let skb = if first.shared() {
            // SAFETY: The packet is valid, and cloning a shared one is what clones are for.
            let clone = unsafe { bindings::skb_clone(raw, gfp::as_raw(flags)) };
            let clone = NonNull::new(clone).ok_or(ENOMEM)?;
            // SAFETY: The list has a reference, and this is the end of it.
            unsafe { bindings::consume_skb(raw) };
            clone
        } else {
            // SAFETY: The packet is valid, and nobody else has a reference to it.
            unsafe {
                (*raw).__bindgen_anon_1.__bindgen_anon_1.next = ptr::null_mut();
                (*raw).__bindgen_anon_1.__bindgen_anon_1.prev = ptr::null_mut();
                NonNull::new_unchecked(raw)
            }
        };
        // SAFETY: The packet and its shared info are ours alone.
        unsafe { (*self.shinfo()).frag_list = rest };
        let head = self.raw_mut();
        head.len -= len;
        head.data_len -= len;
        // The packet may have grown in the list, or come from where it was not counted in full. A
        // truesize of nothing would keep no socket alive.
        head.truesize = head.truesize.saturating_sub(truesize).max(TRUESIZE_MIN);
        // SAFETY: The reference of the list, or that of a new clone, is ours now; it is the only
        // one. The packet is on no list any more.
        Ok(Some(unsafe { SkBuff::from_raw(skb) }))
    }
}
