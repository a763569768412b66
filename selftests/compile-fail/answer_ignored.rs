// SPDX-License-Identifier: GPL-2.0

//! Results that say where a packet is cannot be ignored.

use kernel::prelude::*;
use knet::{
    netdev::{
        Operations,
        PollContext,
        PollResult,
        Xmit, //
    },
    ring::Producer,
    skb::{
        Cloned,
        SkBuff, //
    },
    sock::LiveSock,
};

fn queue(_: &mut Producer<SkBuff<Cloned>>, skb: SkBuff<Cloned>) -> Xmit {
    Xmit::Busy(skb)
}

/// The packet may have come back.
pub fn start_xmit(ring: &mut Producer<SkBuff<Cloned>>, skb: SkBuff<Cloned>) -> Xmit {
    // error[unused_must_use]: unused `Xmit` that must be used
    queue(ring, skb);
    Xmit::Taken
}

/// The ring may be full, and the packet still here.
pub fn push(ring: &mut Producer<SkBuff<Cloned>>, skb: SkBuff<Cloned>) {
    // error[unused_must_use]: unused `Result` that must be used
    ring.push(skb);
}

/// The packet is in the result, in one way or the other.
pub fn unclone(skb: SkBuff<Cloned>) {
    // error[unused_must_use]: unused `Result` that must be used
    skb.unclone(GFP_ATOMIC);
}

/// What was done does not matter without it.
pub fn poll<T: Operations>(first: PollContext<'_, T>, second: PollContext<'_, T>) -> PollResult {
    // error[unused_must_use]: unused `PollResult` that must be used
    first.complete_done();
    second.complete_done()
}

/// Taken and given back at once
pub fn lock(sk: &LiveSock) {
    // error[unused_must_use]: unused `SockGuard` that must be used
    sk.lock();
}
