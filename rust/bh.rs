// SPDX-License-Identifier: GPL-2.0

//! Bottom halves.
//!
//! C header: [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h)

use crate::bindings;

/// Calls `f` with bottom halves disabled and lets those run that became pending meanwhile.
///
/// Context: process.
#[inline]
pub fn disabled<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: FFI calls without requirements; they are balanced.
    unsafe { bindings::local_bh_disable() };
    let result = f();
    // SAFETY: As above.
    unsafe { bindings::local_bh_enable() };
    result
}
