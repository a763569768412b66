// SPDX-License-Identifier: GPL-2.0

//! The control buffer: what the layer that has a packet at the moment keeps with it.
//!
//! `skb->cb` has 48 bytes and no tag. Whoever has the packet may write to it, so after a hand-over
//! it may hold anything, and C code that reads it as the wrong structure is not told. Here a packet
//! whose control buffer means something is a value of another type: [`WithCb`] knows what was
//! written, nothing that it can do writes anything else there, and it has to be turned back into a
//! plain [`SkBuff`] to be handed over.
//!
//! # Examples
//!
//! ```ignore
//! #[derive(Clone, Copy)]
//! struct Held {
//!     since: i64,
//! }
//!
//! let held = skb.with_cb(Held { since: ktime_get_ns() });
//! queue.push(held, GFP_ATOMIC)?;
//! // Later, with what comes out of the queue:
//! let age = ktime_get_ns() - held.cb().since;
//! held.into_skb().consume();
//! ```

use super::{
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::{
        align_of,
        offset_of, //
    },
    ops::Deref,
    ptr::NonNull, //
};

/// A packet whose control buffer holds a `T`.
///
/// It can be read, kept in a queue or a ring, and turned [back](Self::into_skb). Like the packet
/// alone it has to be disposed of: if it goes out of scope it is freed and counted as an
/// [implicit drop](super::implicit_drops).
///
/// # Invariants
///
/// The first bytes of `skb->cb` are a valid `T`, aligned, and nobody but this value writes to them.
#[repr(transparent)]
pub struct WithCb<S: State, T: Copy + 'static>(SkBuff<S>, PhantomData<T>);

impl<S: State> SkBuff<S> {
    /// Writes `value` to the control buffer: `skb->cb`. What was there is lost.
    ///
    /// That `T` fits, in size and alignment, is checked by the compiler. A `Copy` type has no
    /// destructor, so nothing is lost when a later owner overwrites it.
    #[inline(always)]
    pub fn with_cb<T: Copy + 'static>(self, value: T) -> WithCb<S, T> {
        const {
            assert!(
                size_of::<T>() <= bindings::SKB_CB_SIZE_VALUE as usize,
                "the type is too large for the control buffer of a packet"
            );
            assert!(
                offset_of!(bindings::sk_buff, cb) % align_of::<T>() == 0
                    && align_of::<T>() <= align_of::<bindings::sk_buff>(),
                "the type has a larger alignment than the control buffer of a packet"
            );
        }
        let cb = cb_ptr::<T>(&self);
        // SAFETY: The packet is ours alone, and the control buffer has the size and the alignment.
        unsafe { cb.write(value) };
        // INVARIANT: It was just written.
        WithCb(self, PhantomData)
    }
}

/// Returns where the control buffer of a packet is.
#[inline(always)]
fn cb_ptr<T>(skb: &Skb) -> *mut T {
    // SAFETY: The packet is valid by the type invariant; only the address is taken.
    unsafe { (&raw mut (*skb.as_ptr()).cb).cast() }
}

impl<S: State, T: Copy + 'static> WithCb<S, T> {
    /// What the control buffer holds.
    #[inline(always)]
    pub fn cb(&self) -> &T {
        // SAFETY: It is a valid `T` by the type invariant, and `&self` keeps `cb_mut` away.
        unsafe { &*cb_ptr(&self.0) }
    }

    /// What the control buffer holds, to be written.
    #[inline(always)]
    pub fn cb_mut(&mut self) -> &mut T {
        // SAFETY: It is a valid `T` by the type invariant, and nobody else has it.
        unsafe { &mut *cb_ptr(&self.0) }
    }

    /// Forgets what the control buffer holds: from now on it belongs to whoever has the packet.
    #[inline(always)]
    pub fn into_skb(self) -> SkBuff<S> {
        self.0
    }

    /// Hands the packet to C, for a queue. The control buffer stays what it is.
    #[inline(always)]
    pub fn into_raw(self) -> NonNull<bindings::sk_buff> {
        self.0.into_raw()
    }

    /// Takes over a packet from C, out of a queue.
    ///
    /// # Safety
    ///
    /// `ptr` came from [`into_raw`](Self::into_raw) of the same type, the reference passes back,
    /// the packet is on no list any more, and nobody has written to its control buffer.
    #[inline(always)]
    pub unsafe fn from_raw(ptr: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function.
        Self(unsafe { SkBuff::from_raw(ptr) }, PhantomData)
    }
}

impl<S: State, T: Copy + 'static> Deref for WithCb<S, T> {
    type Target = Skb;

    #[inline(always)]
    fn deref(&self) -> &Skb {
        &self.0
    }
}
