// SPDX-License-Identifier: GPL-2.0

//! Answers that only the right act can give cannot be made up.

use knet::{
    netdev::PollResult,
    skb::{
        Cloned,
        RxSkBuff,
        SkBuff, //
    },
};

/// More work than the budget, or a round that was never ended
pub fn poll() -> PollResult {
    // error: cannot construct `PollResult` with struct literal syntax due to private fields
    PollResult { work: i32::MAX }
}

/// A packet that was not received by any device
pub fn received(skb: SkBuff<Cloned>) -> RxSkBuff<'static> {
    // error[E0423]: cannot initialize a tuple struct which contains private fields
    RxSkBuff(skb)
}
