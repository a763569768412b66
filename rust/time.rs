// SPDX-License-Identifier: GPL-2.0

//! The monotonic clock.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use crate::bindings;

/// Nanoseconds of the monotonic clock: `ktime_get`. Context: any.
#[inline]
pub fn ktime_get_ns() -> i64 {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::ktime_get() }
}
