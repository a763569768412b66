// SPDX-License-Identifier: GPL-2.0

//! What exists under a lock does not outlive it.

use kernel::sync::rcu;
use knet::{
    net::Namespace,
    netdev::{
        NetDevice,
        Operations,
        PollContext,
        TxQueue, //
    },
};

/// A device that RCU does not keep any more
pub fn device(net: &Namespace) -> bool {
    let dev = {
        let guard = rcu::read_lock();
        // error[E0597]: `guard` does not live long enough
        net.dev_get_by_index(1, &guard)
    };
    dev.is_some_and(NetDevice::is_up)
}

/// What the driver keeps for a queue, kept beyond the lock of the queue
pub fn queue<'a, 'b>(kept: &mut Option<&'a mut u32>, queue: TxQueue<'b, u32>) {
    // error: lifetime may not live long enough
    *kept = Some(queue.data);
}

/// The device of a round, kept beyond the round
pub fn round<'a, 'b, T: Operations>(kept: &mut Option<&'a NetDevice>, ctx: &PollContext<'b, T>) {
    // error: lifetime may not live long enough
    *kept = Some(ctx.device());
}
