// SPDX-License-Identifier: GPL-2.0

//! This one compiles: what the others do wrong, done right. If it fails, the failures of the others
//! prove nothing.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use knet::{
    net::Namespace,
    netdev::{
        Operations,
        PollContext,
        PollResult,
        Xmit, //
    },
    ring::{
        Consumer,
        Producer, //
    },
    skb::{
        Cloned,
        DropReason,
        SkBuff, //
    },
    sock::LiveSock,
};

/// A packet ends in the ring, or is given back.
pub fn start_xmit(ring: &mut Producer<SkBuff<Cloned>>, skb: SkBuff<Cloned>) -> Xmit {
    match ring.push(skb) {
        Ok(()) => Xmit::Taken,
        Err(skb) => Xmit::Busy(skb),
    }
}

/// The data is made private before it is written to, and lent for a time only.
pub fn scrub(skb: SkBuff<Cloned>) -> Result<SkBuff<Cloned>> {
    let mut skb = skb
        .unclone(GFP_ATOMIC)
        .map_err(|failed| failed.drop_with(DropReason::NOMEM))?;
    let data = skb.data_mut();
    data.fill(0);
    Ok(skb.into())
}

/// A clone is a packet of its own.
pub fn twice(skb: &mut SkBuff<Cloned>) -> Result<SkBuff<Cloned>> {
    Ok(skb.try_clone(GFP_ATOMIC)?)
}

/// The device is used while RCU keeps it.
pub fn send(sk: &LiveSock, net: &Namespace, mut skb: SkBuff<Cloned>) -> Result {
    let guard = rcu::read_lock();
    let Some(dev) = net.dev_get_by_index(1, &guard) else {
        skb.consume();
        return Err(ENODEV);
    };
    skb.set_owner_w(sk);
    skb.dev_queue_xmit(dev, &guard)
}

/// A round takes what the budget allows, and ends once.
pub fn poll<T: Operations>(
    ring: &mut Consumer<SkBuff<Cloned>>,
    mut ctx: PollContext<'_, T>,
) -> PollResult {
    let budget = ctx.budget();
    while let Some(skb) = ctx.take(|| ring.pop()) {
        skb.napi_consume(budget);
    }
    ctx.complete_done()
}
