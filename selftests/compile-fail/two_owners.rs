// SPDX-License-Identifier: GPL-2.0

//! A packet has one owner.

use knet::{
    netdev::NetDevice,
    ring::Producer,
    skb::{
        Cloned,
        SkBuff, //
    },
    sock::{
        Family,
        Socket, //
    },
};

/// In two rings at once
pub fn two_rings(
    one: &mut Producer<SkBuff<Cloned>>,
    other: &mut Producer<SkBuff<Cloned>>,
    skb: SkBuff<Cloned>,
) {
    if let Err(skb) = one.push(skb) {
        skb.consume();
    }
    // error[E0382]: use of moved value: `skb`
    if let Err(skb) = other.push(skb) {
        skb.consume();
    }
}

/// In the queue of a socket and still here
pub fn queued<F: Family>(sk: &Socket<F>, dev: &NetDevice, skb: SkBuff<Cloned>) -> SkBuff<Cloned> {
    if let Err((skb, reason)) = sk.queue_rcv_skb(skb, dev, 0) {
        skb.drop_with(reason);
    }
    // error[E0382]: use of moved value: `skb`
    skb
}

/// Kept by somebody who was only lent it
pub fn kept(ring: &mut Producer<SkBuff<Cloned>>, skb: &SkBuff<Cloned>) {
    // error[E0507]: cannot move out of `*skb` which is behind a shared reference
    if let Err(skb) = ring.push(*skb) {
        skb.consume();
    }
}
