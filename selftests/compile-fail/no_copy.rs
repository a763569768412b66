// SPDX-License-Identifier: GPL-2.0

//! A packet cannot be copied as a value; a clone of its data is another packet, and says so.

use knet::skb::{
    Cloned,
    SharedSkBuff,
    SkBuff, //
};

/// A second owner
pub fn owned(skb: SkBuff<Cloned>) -> [SkBuff<Cloned>; 2] {
    // error[E0599]: no method named `clone` found
    [skb.clone(), skb]
}

/// A second reference without `skb_get`
pub fn shared(skb: SharedSkBuff) {
    // error[E0599]: no method named `clone` found
    skb.clone().consume();
}
