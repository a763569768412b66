// SPDX-License-Identifier: GPL-2.0

//! A driver has no unsafe code.

use core::ptr::NonNull;
use knet::skb::SkBuff;

/// A second owner after all
pub fn duplicate(skb: &SkBuff) -> Option<SkBuff> {
    let ptr = NonNull::new(skb.as_ptr())?;
    // error[unsafe_code]: usage of an `unsafe` block
    Some(unsafe { SkBuff::from_raw(ptr.cast()) })
}
