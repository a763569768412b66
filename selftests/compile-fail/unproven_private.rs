// SPDX-License-Identifier: GPL-2.0

//! Making a clone needs a packet that does not promise private data, and does not turn it into one
//! that does.

use kernel::prelude::*;
use knet::skb::{
    Cloned,
    SkBuff, //
};

/// A clone of private data would make two that may be written to.
pub fn clone(skb: &mut SkBuff) -> Result<SkBuff<Cloned>> {
    // error[E0599]: no method named `try_clone` found
    Ok(skb.try_clone(GFP_ATOMIC)?)
}

/// What was forgotten is not known again by saying so.
pub fn promise(skb: SkBuff<Cloned>) -> SkBuff {
    // error[E0277]: `SkBuff: From<SkBuff<
    skb.into()
}
