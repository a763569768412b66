// SPDX-License-Identifier: GPL-2.0

//! Loads and stores of atomics that are single instructions.
//!
//! The methods of [`Atomic`] call C, where the same operations are macros. On the way of a packet
//! that is several times what the operation itself costs. Those here are inline, and mean the same
//! in the [memory model](srctree/tools/memory-model/) of the kernel.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`arch/x86/include/asm/barrier.h`](srctree/arch/x86/include/asm/barrier.h)

use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// Inline loads and stores.
pub trait AtomicInline<T> {
    /// Loads the value, in no order to other accesses: `READ_ONCE`.
    fn read_once(&self) -> T;

    /// Stores a value, in no order to other accesses: `WRITE_ONCE`.
    fn write_once(&self, value: T);

    /// Loads the value before all accesses that follow: `smp_load_acquire`.
    fn load_acquire(&self) -> T;

    /// Stores a value after all accesses before it: `smp_store_release`.
    fn store_release(&self, value: T);
}

/// Keeps a load before accesses that follow, and a store behind those before it.
#[inline(always)]
fn ordered() {
    #[cfg(CONFIG_X86_64)]
    // SAFETY: No instruction. Without the option `nomem` the compiler has to expect that any memory
    // is read and written here, and moves no access across: `barrier` in C.
    unsafe {
        core::arch::asm!("", options(nostack, preserves_flags))
    };
    #[cfg(not(CONFIG_X86_64))]
    kernel::sync::barrier::smp_mb(kernel::sync::barrier::Full);
}

impl<T: AtomicType> AtomicInline<T> for Atomic<T> {
    #[inline(always)]
    fn read_once(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<usize>(), "takes two accesses") };
        // SAFETY: The pointer is valid and aligned, and the value is a valid `T`. An access that is
        // volatile and no larger than a word is made once and whole, so it does not race.
        unsafe { self.as_ptr().read_volatile() }
    }

    #[inline(always)]
    fn write_once(&self, value: T) {
        const { assert!(size_of::<T>() <= size_of::<usize>(), "takes two accesses") };
        // SAFETY: As in `read_once`.
        unsafe { self.as_ptr().write_volatile(value) };
    }

    // x86 keeps loads in their order, stores in theirs, and loads before stores that follow them,
    // so only the compiler has to be told. Elsewhere a full barrier does more than is asked for.

    #[inline(always)]
    fn load_acquire(&self) -> T {
        let value = self.read_once();
        ordered();
        value
    }

    #[inline(always)]
    fn store_release(&self, value: T) {
        ordered();
        self.write_once(value);
    }
}
