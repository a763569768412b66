// SPDX-License-Identifier: GPL-2.0

//! Packets with several references to one `struct sk_buff`.
//!
//! This is not the same as a clone: a clone is a `struct sk_buff` of its own and shares the data
//! only. See [`State`].

use super::{
    Cloned,
    SkBuff,
    Skb,
    State, //
};
use crate::{
    bindings,
    gfp, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{
        fence,
        Ordering, //
    },
};
use kernel::alloc::{
    AllocError,
    Flags, //
};

/// A packet and one of several references to it.
///
/// It can be read and given back. Who has it exclusively is the only one who may change anything,
/// so a holder that wants more asks whether he is [the only one](Self::try_unshared), or takes [a
/// clone](Self::share_check).
///
/// # Invariants
///
/// The pointer is to a valid `struct sk_buff`, and one reference to it belongs to this value.
/// Nobody writes to the packet while there are several.
pub struct SharedSkBuff(NonNull<bindings::sk_buff>);

// SAFETY: As for `SkBuff`.
unsafe impl Send for SharedSkBuff {}

impl SharedSkBuff {
    /// Takes over one reference to a packet from C.
    ///
    /// # Safety
    ///
    /// `ptr` is valid and the caller's reference passes to the result.
    #[inline]
    pub unsafe fn from_raw(ptr: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: That is what the caller promises.
        Self(ptr)
    }

    /// Hands the reference to C.
    #[inline]
    pub fn into_raw(self) -> NonNull<bindings::sk_buff> {
        ManuallyDrop::new(self).0
    }

    /// Takes one more reference: `skb_get`.
    ///
    /// C: [`skb_get`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn get(&self) -> Self {
        // SAFETY: The packet has a reference, ours, so the count is not zero.
        unsafe { bindings::skb_get(self.0.as_ptr()) };
        // INVARIANT: One more reference was taken.
        Self(self.0)
    }

    /// Asks whether this is the only reference, and if so makes it an exclusive one. Gives it back
    /// if not.
    ///
    /// C: [`skb_shared`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn try_unshared(self) -> Result<SkBuff<Cloned>, Self> {
        if self.shared() {
            return Err(self);
        }
        // SAFETY: The reference is ours and the only one, so nobody can make another.
        Ok(unsafe { SkBuff::from_raw(self.into_raw()) })
    }

    /// Gets a packet that belongs to the caller alone: this one if it is the only reference, else a
    /// clone, and this reference is given back. (A copy, if it was made with a companion.)
    ///
    /// # Errors
    ///
    /// [`AllocError`] if a clone is needed and there is no memory. The reference was given back.
    ///
    /// C: [`skb_share_check`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn share_check(self, flags: Flags) -> Result<SkBuff<Cloned>, AllocError> {
        if self.raw().fclone() == bindings::SKB_FCLONE_ORIG as u8 && self.shared() {
            // Two holders could both be given the one companion of the packet: `skb_clone` takes it
            // without looking twice, because in C only the owner clones such a packet.
            let copy = self.copy(flags);
            self.consume();
            return copy.map(Into::into);
        }
        // SAFETY: The reference passes to C, which gives one back that is the only one, or none.
        let skb =
            unsafe { bindings::skb_share_check(self.into_raw().as_ptr(), gfp::as_raw(flags)) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: As above.
        Ok(unsafe { SkBuff::from_raw(skb) })
    }

    /// Gives the reference back; the last one frees the packet, as in [`SkBuff::consume`].
    #[inline]
    pub fn consume(self) {}
}

impl Deref for SharedSkBuff {
    type Target = Skb;

    #[inline(always)]
    fn deref(&self) -> &Skb {
        // SAFETY: The packet is valid by the type invariant; nobody writes to a shared packet.
        unsafe { Skb::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for SharedSkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant, and this is the end of it.
        unsafe { bindings::consume_skb(self.0.as_ptr()) };
    }
}

impl Skb {
    /// References to the packet: `skb->users`.
    #[inline]
    pub(crate) fn users(&self) -> i32 {
        // SAFETY: The packet is valid by the type invariant; read once, as `refcount_read` does.
        unsafe { (&raw const (*self.as_ptr()).users.refs.counter).read_volatile() }
    }

    /// Whether there are other references to the packet at this moment: `skb_shared`. A reference
    /// that is found to be the only one stays so, unless its holder makes another.
    #[inline]
    pub(super) fn shared(&self) -> bool {
        if self.users() != 1 {
            return true;
        }
        // What another holder has read before he gave up his reference is not seen to change: this
        // pairs with the release in `skb_unref`.
        fence(Ordering::Acquire);
        false
    }
}

impl<S: State> SkBuff<S> {
    /// Gives up exclusiveness, so that others can have references as well.
    #[inline]
    pub fn share(self) -> SharedSkBuff {
        // SAFETY: The reference is ours and passes to the result.
        unsafe { SharedSkBuff::from_raw(self.into_raw()) }
    }
}
