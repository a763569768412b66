// SPDX-License-Identifier: GPL-2.0

//! What is not known to be alive or to be received cannot stand for what is.

use knet::{
    netdev::{
        Operations,
        PollContext, //
    },
    skb::{
        Cloned,
        SkBuff, //
    },
    sock::{
        Family,
        Sock,
        Socket, //
    },
};

/// A socket that is on its way out cannot be charged.
pub fn charge(sk: &Sock, skb: &mut SkBuff<Cloned>) {
    // error[E0308]: mismatched types
    skb.set_owner_w(sk);
}

/// Nor one that was found under RCU
pub fn found<F: Family>(sk: &Socket<F>, skb: &mut SkBuff<Cloned>) {
    // error[E0308]: mismatched types
    skb.set_owner_w(sk);
}

/// GRO gets what a device has received, not what the stack has sent.
pub fn receive<T: Operations>(ctx: &mut PollContext<'_, T>, skb: SkBuff<Cloned>) {
    // error[E0308]: mismatched types
    ctx.gro_receive(skb);
}
