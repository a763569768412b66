// SPDX-License-Identifier: GPL-2.0

//! What of a packet may be written: [`Private`], [`HeaderPrivate`], [`Cloned`].
//!
//! In C every writer has to ask `skb_cloned()` or `skb_header_cloned()` first. Here the answer is
//! part of the type of the packet, and the step that asks returns a packet of another type. A
//! packet that came from somewhere else is [`Cloned`]: nothing is known about it until it is asked.
//!
//! * to [`Private`]: [`try_private`](SkBuff::try_private) asks; [`unclone`](SkBuff::unclone),
//!   [`cow`](SkBuff::cow), [`expand_head`](SkBuff::expand_head) and [`unshare`](SkBuff::unshare)
//!   copy if they have to;
//! * to [`HeaderPrivate`]: [`cow_head`](SkBuff::cow_head);
//! * to [`Cloned`]: `into()` forgets what was known, and [`try_clone`](SkBuff::try_clone) makes a
//!   clone of what is [`Cloned`].

use super::{
    DropReason,
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
    error::{
        to_result,
        Error, //
    },
    prelude::*, //
};

mod sealed {
    pub trait Sealed {}
}

/// What may be written of a packet. Implemented by the three states of this module only.
pub trait State: sealed::Sealed {}

/// A state in which headers may be put in front of the data.
pub trait HeaderWritable: State {}

/// The linear data belongs to this packet alone: `!skb_cloned()`. All of it may be written, and so
/// may the room before and behind it.
///
/// It says nothing about page fragments: their pages may have other users, as in C.
pub enum Private {}

/// The headers belong to this packet alone, the payload perhaps not: `!skb_header_cloned()`.
/// Headers may be pushed; the data that is there already may not be written.
pub enum HeaderPrivate {}

/// The data may be shared with a clone, or may not: nobody has asked. It may be read, and the edges
/// of this packet's view of it may move inwards.
pub enum Cloned {}

/// A state in which bytes may be taken off the front. With [`HeaderPrivate`] they may not: what is
/// pulled could be pushed over again, and payload is not ours to write. Forget about the headers
/// first (`into()`).
pub trait FrontMovable: State {}

impl sealed::Sealed for Private {}
impl sealed::Sealed for HeaderPrivate {}
impl sealed::Sealed for Cloned {}
impl State for Private {}
impl State for HeaderPrivate {}
impl State for Cloned {}
impl FrontMovable for Private {}
impl FrontMovable for Cloned {}
impl HeaderWritable for Private {}
impl HeaderWritable for HeaderPrivate {}

/// A step that failed, and the packet as it was before: nothing is lost with an error.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use knet::skb::{Cloned, DropReason, SkBuff};
///
/// fn clear(skb: SkBuff<Cloned>) -> Result<SkBuff> {
///     let mut skb = skb
///         .unclone(GFP_ATOMIC)
///         .map_err(|failed| failed.drop_with(DropReason::NOMEM))?;
///     skb.data_mut().fill(0);
///     Ok(skb)
/// }
/// ```
#[must_use]
pub struct Failed<S: State> {
    /// The packet.
    pub skb: SkBuff<S>,
    /// Why.
    pub error: Error,
}

impl<S: State> Failed<S> {
    /// Drops the packet for `reason` and keeps the error.
    pub fn drop_with(self, reason: DropReason) -> Error {
        self.skb.drop_with(reason);
        self.error
    }
}

impl From<SkBuff<Private>> for SkBuff<Cloned> {
    /// Forgets what was known.
    #[inline(always)]
    fn from(skb: SkBuff<Private>) -> Self {
        // SAFETY: The packet is valid and ours; the state asks for nothing.
        unsafe { Self::from_raw(skb.into_raw()) }
    }
}

impl From<SkBuff<HeaderPrivate>> for SkBuff<Cloned> {
    /// Forgets what was known.
    #[inline(always)]
    fn from(skb: SkBuff<HeaderPrivate>) -> Self {
        // SAFETY: As above.
        unsafe { Self::from_raw(skb.into_raw()) }
    }
}

impl Skb {
    #[inline(always)]
    pub(super) fn shinfo(&self) -> *mut bindings::skb_shared_info {
        let skb = self.raw();
        // SAFETY: The shared info lies at the end of the buffer of each valid packet.
        unsafe { skb.head.add(skb.end as usize).cast() }
    }

    #[inline(always)]
    fn dataref(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant; read once, as `atomic_read` does.
        unsafe { (&raw const (*self.shinfo()).dataref.counter).read_volatile() as u32 }
    }

    /// Whether the data is shared with a clone at this moment: `skb_cloned`.
    #[inline(always)]
    pub fn cloned(&self) -> bool {
        self.raw().cloned() != 0 && self.dataref() & DATAREF_MASK != 1
    }

    /// Whether somebody else may read or write the headers: `skb_header_cloned`.
    #[inline(always)]
    pub fn header_cloned(&self) -> bool {
        if self.raw().cloned() == 0 {
            return false;
        }
        let dataref = self.dataref();
        (dataref & DATAREF_MASK).wrapping_sub(dataref >> bindings::SKB_DATAREF_SHIFT) != 1
    }
}

/// References of all kinds: `SKB_DATAREF_MASK`.
const DATAREF_MASK: u32 = (1 << bindings::SKB_DATAREF_SHIFT) - 1;

impl<S: State> SkBuff<S> {
    /// Says what is known about the data; the packet itself stays what it is.
    ///
    /// # Safety
    ///
    /// The packet fulfils what `T` promises.
    #[inline(always)]
    unsafe fn assume<T: State>(self) -> SkBuff<T> {
        // SAFETY: The packet is valid and ours by the type invariant; the rest by the requirements
        // of this function.
        unsafe { SkBuff::from_raw(self.into_raw()) }
    }

    /// Gives the packet a buffer of its own with `nhead` bytes more headroom and `ntail` bytes more
    /// tailroom: `pskb_expand_head`.
    ///
    /// The linear part is copied, page fragments get one user more. The [`truesize`](Skb::truesize)
    /// of a packet with a claim on it does not change, though its memory does; that of others does.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL` if the sum is beyond what a packet can have.
    ///
    /// C: [`pskb_expand_head`](srctree/net/core/skbuff.c)
    pub fn expand_head(
        mut self,
        nhead: usize,
        ntail: usize,
        flags: Flags,
    ) -> Result<SkBuff<Private>, Failed<S>> {
        // Offsets of headers are of 16 bits. C takes `int` and BUGs if `nhead` is negative.
        if nhead > usize::from(u16::MAX) || ntail > i32::MAX as usize / 4 {
            return Err(Failed {
                skb: self,
                error: EINVAL,
            });
        }
        let offsets = self.header_offsets();
        // SAFETY: The packet is ours alone (C BUGs on shared ones), the sizes are in range.
        let result = to_result(unsafe {
            bindings::pskb_expand_head(
                self.as_ptr(),
                nhead as c_int,
                ntail as c_int,
                gfp::as_raw(flags),
            )
        });
        match result {
            Ok(()) => {
                self.headers_moved(offsets, nhead);
                // SAFETY: The buffer is new.
                Ok(unsafe { self.assume() })
            }
            Err(error) => Err(Failed { skb: self, error }),
        }
    }
}

impl SkBuff<Cloned> {
    /// Clones the packet: the result has its own `struct sk_buff` but shares the data. The clone
    /// carries no claim.
    ///
    /// The companion of a packet that was made by [`alloc_fclone`](SkBuff::alloc_fclone) is used if
    /// it is free, and then nothing is allocated.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory.
    ///
    /// C: [`skb_clone`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn try_clone(&mut self, flags: Flags) -> Result<Self, AllocError> {
        // SAFETY: The packet is valid and ours; `&mut` because the original is marked as cloned.
        let skb = unsafe { bindings::skb_clone(self.as_ptr(), gfp::as_raw(flags)) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us.
        Ok(unsafe { Self::from_raw(skb) })
    }

    /// Asks whether the data belongs to this packet alone, which may be so because there never was
    /// a clone or because the clones are gone. Gives the packet back if not.
    #[inline(always)]
    pub fn try_private(self) -> Result<SkBuff<Private>, Self> {
        if self.cloned() {
            return Err(self);
        }
        // SAFETY: There is no other reference to the data, and only we could make one.
        Ok(unsafe { self.assume() })
    }

    /// Sees to it that the data belongs to this packet alone; copies it if not: `skb_unclone`.
    ///
    /// The claim stays, and so does [`truesize`](Skb::truesize) if there is one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// C: [`skb_unclone`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn unclone(self, flags: Flags) -> Result<SkBuff<Private>, Failed<Cloned>> {
        match self.try_private() {
            Ok(skb) => Ok(skb),
            Err(skb) => skb.expand_head(0, 0, flags),
        }
    }

    /// As [`unclone`](Self::unclone), but a packet whose data is shared is copied whole and
    /// released, with its claim: `skb_unshare`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. (`skb_unshare` frees the packet then; here it is given back.)
    ///
    /// C: [`skb_unshare`](srctree/include/linux/skbuff.h)
    pub fn unshare(self, flags: Flags) -> Result<SkBuff<Private>, Failed<Cloned>> {
        let skb = match self.try_private() {
            Ok(skb) => return Ok(skb),
            Err(skb) => skb,
        };
        match skb.copy(flags) {
            Ok(copy) => {
                skb.consume();
                Ok(copy)
            }
            Err(_) => Err(Failed { skb, error: ENOMEM }),
        }
    }

    /// Sees to it that there are `headroom` bytes of headroom and that they and the headers belong
    /// to this packet alone, as a tunnel needs it: `skb_cow_head`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL` as in [`expand_head`](SkBuff::expand_head).
    ///
    /// C: [`skb_cow_head`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn cow_head(
        self,
        headroom: usize,
        flags: Flags,
    ) -> Result<SkBuff<HeaderPrivate>, Failed<Cloned>> {
        // Of what was cloned with its headers released, only the room in front of the payload is
        // free: where the payload began is in `hdr_len`. The original itself has no right to it.
        let skb = self.raw();
        let free = !self.cloned()
            || (!self.header_cloned()
                && skb.nohdr() == 0
                && self.headroom() <= usize::from(skb.hdr_len));
        if headroom <= self.headroom() && free {
            // SAFETY: Nobody else has a claim to the headers.
            return Ok(unsafe { self.assume() });
        }
        let missing = missing_headroom(headroom, self.headroom());
        let skb = self.expand_head(missing, 0, flags)?;
        // SAFETY: What is private as a whole has private headers.
        Ok(unsafe { skb.assume() })
    }

    /// Sees to it that there are `headroom` bytes of headroom and that all of the linear data
    /// belongs to this packet alone: `skb_cow`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL` as in [`expand_head`](SkBuff::expand_head).
    ///
    /// C: [`skb_cow`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn cow(self, headroom: usize, flags: Flags) -> Result<SkBuff<Private>, Failed<Cloned>> {
        let missing = missing_headroom(headroom, self.headroom());
        if missing == 0 {
            return self.unclone(flags);
        }
        self.expand_head(missing, 0, flags)
    }
}

/// What `__skb_cow` asks `pskb_expand_head` for: `NET_SKB_PAD` at a time.
#[inline]
fn missing_headroom(wanted: usize, there: usize) -> usize {
    const PAD: usize = if bindings::L1_CACHE_BYTES_VALUE > 32 {
        bindings::L1_CACHE_BYTES_VALUE as usize
    } else {
        32
    };

    wanted.saturating_sub(there).saturating_add(PAD - 1) / PAD * PAD
}

impl SkBuff<Private> {
    /// Lets clones that are made from now on have the headroom for headers of their own, as TCP
    /// does with what it keeps for retransmission: `__skb_header_release`.
    ///
    /// The original gives up its right to write headers until the clones are gone, so it is
    /// [`Cloned`] now; a clone is made [`HeaderPrivate`] by [`cow_head`](SkBuff::cow_head) without
    /// a copy.
    ///
    /// C: [`__skb_header_release`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn header_release(mut self) -> SkBuff<Cloned> {
        self.raw_mut().set_nohdr(1);
        // SAFETY: The data is ours alone: nobody else looks at the count.
        unsafe {
            (&raw mut (*self.shinfo()).dataref.counter)
                .write_volatile(1 + (1 << bindings::SKB_DATAREF_SHIFT));
        }
        self.into()
    }
}

impl Skb {
    /// Copies the packet with all of its data, paged data included, into one linear buffer:
    /// `skb_copy`. The copy carries no claim.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, the CPU cannot read the fragments, or the packet is a
    /// list of whole packets (`SKB_GSO_FRAGLIST`).
    ///
    /// C: [`skb_copy`](srctree/net/core/skbuff.c)
    pub fn copy(&self, flags: Flags) -> Result<SkBuff<Private>, AllocError> {
        // SAFETY: The packet is valid by the type invariant.
        if unsafe { (*self.shinfo()).gso_type } & bindings::SKB_GSO_FRAGLIST as u32 != 0 {
            // A list of whole packets; C warns and refuses.
            return Err(AllocError);
        }
        if !self.frags_readable() {
            return Err(AllocError);
        }
        // SAFETY: The packet is valid and is only read.
        let skb = unsafe { bindings::skb_copy(self.as_ptr(), gfp::as_raw(flags)) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        Ok(unsafe { SkBuff::from_raw(skb) })
    }
}
