// SPDX-License-Identifier: GPL-2.0

//! A transmit function that does not say what became of the packet

use knet::{
    netdev::Xmit,
    ring::Producer,
    skb::{
        Cloned,
        SkBuff, //
    },
};

/// The packet is freed, and nobody is told.
// error[E0308]: mismatched types
pub fn silent(skb: SkBuff<Cloned>) -> Xmit {
    skb.consume_any();
}

/// It is forgotten on one of the ways out.
pub fn half(ring: &mut Producer<SkBuff<Cloned>>, skb: SkBuff<Cloned>) -> Xmit {
    // error[E0317]: `if` may be missing an `else` clause
    if let Err(skb) = ring.push(skb) {
        // error[E0308]: mismatched types
        return skb;
    }
}
