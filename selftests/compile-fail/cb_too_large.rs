// SPDX-License-Identifier: GPL-2.0

//! The control buffer of a packet has 48 bytes, and what is in it has a type.

use knet::skb::{
    Cloned,
    SkBuff, //
};

/// One byte more than there are
pub fn large(skb: SkBuff<Cloned>) -> u8 {
    // error[E0080] in knet: the type is too large for the control buffer of a packet
    let held = skb.with_cb([0u8; 49]);
    let first = held.cb()[0];
    held.into_skb().consume();
    first
}
