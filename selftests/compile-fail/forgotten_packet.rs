// SPDX-License-Identifier: GPL-2.0

//! A driver that says it has taken a packet, and does nothing with it

use knet::{
    netdev::{
        Operations,
        PollContext,
        PollResult,
        Xmit, //
    },
    ring::Consumer,
    skb::{
        Cloned,
        SkBuff, //
    },
};

/// Its sender would wait for ever in C.
// error[unused_variables]: unused variable: `skb`
pub fn start_xmit(skb: SkBuff<Cloned>) -> Xmit {
    Xmit::Taken
}

/// Taken out of the ring and lost
pub fn poll<T: Operations>(
    ring: &mut Consumer<SkBuff<Cloned>>,
    mut ctx: PollContext<'_, T>,
) -> PollResult {
    // error[unused_variables]: unused variable: `skb`
    while let Some(skb) = ctx.take(|| ring.pop()) {}
    ctx.complete_done()
}
