// SPDX-License-Identifier: GPL-2.0

//! Data that a clone may share cannot be written to.

use kernel::prelude::*;
use knet::skb::{
    Cloned,
    HeaderPrivate,
    SharedSkBuff,
    SkBuff, //
};

/// The payload
pub fn data(skb: &mut SkBuff<Cloned>) {
    // error[E0599]: no method named `data_mut` found
    skb.data_mut().fill(0);
}

/// The room behind it
pub fn put(skb: &mut SkBuff<Cloned>) -> Result {
    // error[E0599]: no method named `put_data` found
    skb.put_data(b"more")
}

/// The room in front of it
pub fn push(skb: &mut SkBuff<Cloned>) -> Result {
    // error[E0599]: the method `push_data` exists for mutable reference
    skb.push_data(b"header")
}

/// Where the headers are private the payload is not.
pub fn payload(skb: &mut SkBuff<HeaderPrivate>) {
    // error[E0599]: no method named `data_mut` found
    skb.data_mut().fill(0);
}

/// Nobody writes to a packet that has several references.
pub fn shared(skb: &mut SharedSkBuff) -> Result {
    // error[E0599]: no method named `pull` found
    skb.pull(1)
}
