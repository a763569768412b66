// SPDX-License-Identifier: GPL-2.0

//! A reference that readers follow under RCU and a writer takes away.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use crate::{
    atomic::AtomicInline,
    bindings, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        rcu, //
    },
    types::NotThreadSafe,
};

/// A value that keeps what is read under RCU.
///
/// # Safety
///
/// As long as such a value exists no grace period ends that began meanwhile.
pub unsafe trait ReadSide {}

// SAFETY: The guard holds `rcu_read_lock`.
unsafe impl ReadSide for rcu::Guard {}

/// Bottom halves are disabled for `'a`, which RCU waits for as it does for its own readers.
///
/// # Invariants
///
/// Bottom halves are disabled for `'a` on the CPU or in the thread that has the value.
pub struct BhDisabled<'a>(PhantomData<&'a ()>, NotThreadSafe);

impl BhDisabled<'_> {
    /// # Safety
    ///
    /// Bottom halves stay disabled for the whole of the lifetime of the value.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        // INVARIANT: That is what the caller promises.
        Self(PhantomData, NotThreadSafe)
    }
}

// SAFETY: A grace period waits for all sections with bottom halves disabled.
unsafe impl ReadSide for BhDisabled<'_> {}

/// An optional counted reference, read under RCU: `T __rcu *`.
///
/// # Invariants
///
/// The pointer is null or stands for one reference to a valid `T`, which belongs to the slot. That
/// reference is given back only after a grace period has passed since the pointer left the slot.
pub struct RcuRef<T: AlwaysRefCounted>(Atomic<*mut T>);

// SAFETY: The slot hands out `&T` to any thread and moves the reference between threads.
unsafe impl<T: AlwaysRefCounted + Send + Sync> Send for RcuRef<T> {}
// SAFETY: As above; the pointer itself is atomic.
unsafe impl<T: AlwaysRefCounted + Send + Sync> Sync for RcuRef<T> {}

impl<T: AlwaysRefCounted> RcuRef<T> {
    /// Makes an empty slot.
    pub const fn new() -> Self {
        // INVARIANT: Null.
        Self(Atomic::new(ptr::null_mut()))
    }

    /// Follows the reference for as long as the guard lives: `rcu_dereference`.
    #[inline(always)]
    pub fn get<'a>(&'a self, _guard: &'a impl ReadSide) -> Option<&'a T> {
        // SAFETY: By the type invariant the pointer is null or valid, and stays so until a grace
        // period has passed, which the guard holds off.
        unsafe { self.0.load_acquire().as_ref() }
    }

    /// Fills the slot: `rcu_assign_pointer`.
    ///
    /// # Errors
    ///
    /// Gives the reference back if the slot is not empty.
    pub fn set(&self, value: ARef<T>) -> Result<(), ARef<T>> {
        let new = ARef::into_raw(value);
        // INVARIANT: The slot takes over the reference of `value`.
        match self.0.cmpxchg(ptr::null_mut(), new.as_ptr(), Full) {
            Ok(_) => Ok(()),
            // SAFETY: The slot did not take the reference that was just given up.
            Err(_) => Err(unsafe { ARef::from_raw(new) }),
        }
    }

    /// Empties several slots and waits once until no reader can see what was in them.
    ///
    /// Context: process; sleeps.
    pub fn take<const N: usize>(slots: [&Self; N]) -> [Option<ARef<T>>; N] {
        let old = slots.map(|slot| slot.0.xchg(ptr::null_mut(), Full));
        if old.iter().any(|p| !p.is_null()) {
            synchronize_net();
        }
        // SAFETY: The references belonged to the slots; a grace period has passed.
        old.map(|p| ptr::NonNull::new(p).map(|p| unsafe { ARef::from_raw(p) }))
    }
}

impl<T: AlwaysRefCounted> Default for RcuRef<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: AlwaysRefCounted> Drop for RcuRef<T> {
    fn drop(&mut self) {
        if let Some(p) = ptr::NonNull::new(self.0.load(Acquire)) {
            // A reader needs `&self`, and `&mut self` says that there is none.
            // SAFETY: The reference belongs to the slot.
            drop(unsafe { ARef::from_raw(p) });
            self.0.store(ptr::null_mut(), Release);
        }
    }
}

/// Waits until every transmit function, NAPI poll and packet handler that runs now has ended:
/// `synchronize_net`.
///
/// All of these run with RCU read-locked. Under RTNL it is the expedited kind. Context: process;
/// sleeps.
pub fn synchronize_net() {
    // SAFETY: An FFI call without requirements other than the context.
    unsafe { bindings::synchronize_net() };
}
