// SPDX-License-Identifier: GPL-2.0

//! What is in the control buffer of a packet has a type, and a time in which it means something.

use knet::{
    netdev::Xmit,
    skb::{
        Cloned,
        SkBuff,
        WithCb, //
    },
};

/// Nobody has written anything there.
pub fn unwritten(skb: &SkBuff<Cloned>) -> u32 {
    // error[E0599]: no method named `cb` found
    *skb.cb()
}

/// It is read as something else than what was written.
pub fn other(held: WithCb<Cloned, u64>) -> u32 {
    // error[E0308]: mismatched types
    *held.cb()
}

/// Whoever has the packet next may write there: it has to be given up first.
pub fn handed_over(held: WithCb<Cloned, u64>) -> Xmit {
    // error[E0308]: mismatched types
    Xmit::Busy(held)
}

/// A value with a destructor would be forgotten.
pub fn dropped(skb: SkBuff<Cloned>, other: SkBuff<Cloned>) {
    // error[E0277]: Copy` is not satisfied
    let _held = skb.with_cb(other);
}
