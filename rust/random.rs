// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use crate::bindings;

/// A random number that nobody can guess: `get_random_u32`. Context: any.
pub fn get_u32() -> u32 {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::get_random_u32() }
}
