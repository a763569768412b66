// SPDX-License-Identifier: GPL-2.0

//! The socket's spinlock, for those who cannot sleep.
//!
//! A call of a program takes the lock of a socket by [`LiveSock::lock`](super::LiveSock::lock),
//! which owns the socket but holds the spinlock only for moments. Softirqs take the spinlock, and
//! look whether somebody owns the socket: then they leave their work to the owner, who does it when
//! it lets go of the socket ([`Family::release_cb`]).

use super::{
    Family,
    LiveSocket, //
};
use crate::bindings;
use core::ops::Deref;
use kernel::types::NotThreadSafe;

/// A socket whose spinlock is held, with bottom halves disabled, while no other context changes it:
/// nobody owns it, or its owner is in [`Family::release_cb`].
///
/// Nothing may sleep while there is one.
///
/// # Invariants
///
/// The spinlock of the socket is held by this CPU.
pub struct SpinLocked<'a, F: Family>(&'a LiveSocket<F>, NotThreadSafe);

impl<'a, F: Family> SpinLocked<'a, F> {
    /// # Safety
    ///
    /// The spinlock is held for `'a`, and what the type says about it is true.
    #[inline(always)]
    pub(super) unsafe fn new(sk: &'a LiveSocket<F>) -> Self {
        // INVARIANT: That is what the caller promises.
        Self(sk, NotThreadSafe)
    }

    /// Takes the spinlock of `sk` and calls `free`, or `owned` if a program owns the socket.
    ///
    /// Context: softirq.
    ///
    /// C: [`bh_lock_sock`](srctree/include/net/sock.h)
    ///
    /// # Safety
    ///
    /// Bottom halves are disabled, and this CPU does not hold the spinlock.
    #[inline]
    pub(super) unsafe fn with<R>(
        sk: &LiveSocket<F>,
        free: impl FnOnce(&SpinLocked<'_, F>) -> R,
        owned: impl FnOnce() -> R,
    ) -> R {
        // SAFETY: By the requirements of this function; the socket is valid.
        let is_owned = unsafe {
            bindings::bh_lock_sock(sk.as_ptr());
            bindings::sock_owned_by_user(sk.as_ptr())
        };
        let result = if is_owned {
            owned()
        } else {
            // SAFETY: The lock was taken above, and nobody owns the socket.
            free(&unsafe { SpinLocked::new(sk) })
        };
        // SAFETY: It was taken above.
        unsafe { bindings::bh_unlock_sock(sk.as_ptr()) };
        result
    }
}

impl<F: Family> Deref for SpinLocked<'_, F> {
    type Target = LiveSocket<F>;

    #[inline(always)]
    fn deref(&self) -> &LiveSocket<F> {
        self.0
    }
}
