// SPDX-License-Identifier: GPL-2.0

//! Allocation flags on their way to C.

use kernel::alloc::Flags;

/// Returns the `gfp_t` behind `flags`.
///
/// The accessor of [`Flags`] is private to the `kernel` crate.
#[inline(always)]
pub(crate) const fn as_raw(flags: Flags) -> u32 {
    // SAFETY: `Flags` is a newtype around one `u32`; the compiler refuses the transmutation should
    // its size ever differ, and every bit pattern is a valid `u32`.
    unsafe { core::mem::transmute::<Flags, u32>(flags) }
}
