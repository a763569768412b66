// SPDX-License-Identifier: GPL-2.0

//! What may only put headers in front may not take payload off: it could write over it then.

use kernel::prelude::*;
use knet::skb::{
    HeaderPrivate,
    SkBuff, //
};

/// The payload that is pushed over may belong to a clone as well.
pub fn over_the_payload(skb: &mut SkBuff<HeaderPrivate>) -> Result {
    // error[E0599]: the method `pull` exists for mutable reference
    skb.pull(8)?;
    skb.push_data(&[0; 8])
}
