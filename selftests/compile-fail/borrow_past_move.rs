// SPDX-License-Identifier: GPL-2.0

//! What was borrowed from a packet ends with it.

use kernel::prelude::*;
use knet::{
    ring::Producer,
    skb::{
        Cloned,
        SharedSkBuff,
        SkBuff, //
    },
};

/// The header of a packet that was freed
pub fn header(skb: SkBuff<Cloned>) -> Option<u8> {
    let header = skb.data();
    // error[E0505]: cannot move out of `skb` because it is borrowed
    skb.consume();
    header.first().copied()
}

/// Bytes that are written after the packet was handed on
pub fn payload(ring: &mut Producer<SkBuff>, mut skb: SkBuff) -> Result {
    let payload = skb.put(4)?;
    // error[E0505]: cannot move out of `skb` because it is borrowed
    if let Err(skb) = ring.push(skb) {
        skb.consume();
    }
    payload.fill(0);
    Ok(())
}

/// The data moves when the packet is resized.
pub fn resized(skb: &mut SkBuff) -> Result {
    let data = skb.data_mut();
    // error[E0499]: cannot borrow `*skb` as mutable more than once at a time
    skb.may_pull(64)?;
    data.fill(0);
    Ok(())
}

/// The owner of a packet may be gone with it.
pub fn owner(skb: SharedSkBuff) -> bool {
    let owner = skb.owner();
    // error[E0505]: cannot move out of `skb` because it is borrowed
    skb.consume();
    owner.is_some()
}
