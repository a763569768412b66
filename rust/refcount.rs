// SPDX-License-Identifier: GPL-2.0

//! What `refcount_t` has in C and `kernel::sync::Refcount` has not: steps of more than one, and a
//! step that is not taken from zero. The counters of a socket need both.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h)

use crate::bindings;
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// A `refcount_t` of C, borrowed.
#[repr(transparent)]
pub(crate) struct Refcount(Atomic<i32>);

impl Refcount {
    /// Borrows a counter from C.
    ///
    /// # Safety
    ///
    /// The memory of the counter is valid for the whole of `'a`, but for the end of the call of
    /// [`sub_and_test`](Self::sub_and_test), during which somebody else may free it.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::refcount_t) -> &'a Self {
        // SAFETY: By the requirements of this function; a `refcount_t` is an `atomic_t`, which has
        // the layout of `Atomic<i32>`.
        unsafe { &*ptr.cast() }
    }

    /// Complains, and makes the counter stay where it is for ever, as C does.
    #[cold]
    fn saturate(&self, kind: bindings::refcount_saturation_type) {
        // SAFETY: The counter is valid while it is borrowed.
        unsafe { bindings::refcount_warn_saturate(self.0.as_ptr().cast(), kind) };
    }

    /// Adds `n` to a counter that is not zero, and returns what it was before:
    /// `__refcount_add`.
    #[inline]
    pub(crate) fn add(&self, n: i32) -> i32 {
        let old = self.0.fetch_add(n, Relaxed);
        if old == 0 {
            self.saturate(bindings::refcount_saturation_type_REFCOUNT_ADD_UAF);
        } else if old < 0 || old.wrapping_add(n) < 0 {
            self.saturate(bindings::refcount_saturation_type_REFCOUNT_ADD_OVF);
        }
        old
    }

    /// Takes `n` off and returns whether nothing is left: `refcount_sub_and_test`, but fully
    /// ordered, so that what is read afterwards was not read before.
    #[inline]
    pub(crate) fn sub_and_test(&self, n: i32) -> bool {
        let old = self.0.fetch_sub(n, Full);
        if old > 0 && old == n {
            return true;
        }
        if old <= 0 || old.wrapping_sub(n) < 0 {
            self.saturate(bindings::refcount_saturation_type_REFCOUNT_SUB_UAF);
        }
        false
    }

    /// Adds one unless the counter is zero, and returns whether it was added:
    /// `refcount_inc_not_zero`.
    #[inline]
    #[must_use]
    pub(crate) fn inc_not_zero(&self) -> bool {
        let mut old = self.0.load(Relaxed);
        loop {
            if old == 0 {
                return false;
            }
            match self.0.cmpxchg(old, old.wrapping_add(1), Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        if old < 0 || old == i32::MAX {
            self.saturate(bindings::refcount_saturation_type_REFCOUNT_ADD_NOT_ZERO_OVF);
        }
        true
    }
}
