// SPDX-License-Identifier: GPL-2.0

//! A round of polling ends once, and then nothing can be taken any more.

use knet::{
    netdev::{
        Operations,
        PollContext,
        PollResult, //
    },
    ring::Consumer,
    skb::{
        Cloned,
        SkBuff, //
    },
};

/// `napi_complete_done` twice
pub fn twice<T: Operations>(ctx: PollContext<'_, T>) -> PollResult {
    let _first = ctx.complete_done();
    // error[E0382]: use of moved value: `ctx`
    ctx.complete_done()
}

/// The budget is used after another CPU may have begun to poll.
pub fn take<T: Operations>(
    ring: &mut Consumer<SkBuff<Cloned>>,
    mut ctx: PollContext<'_, T>,
) -> PollResult {
    let result = ctx.complete_until(0);
    // error[E0382]: borrow of moved value: `ctx`
    while let Some(skb) = ctx.take(|| ring.pop()) {
        skb.consume();
    }
    result
}
