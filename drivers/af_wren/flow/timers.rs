// SPDX-License-Identifier: GPL-2.0

//! What a connection waits for, as data: times, in nanoseconds.

/// When what has to happen. `None`: not waited for.
#[derive(Default)]
pub(super) struct Timers {
    /// Something was sent, and no answer has come.
    pub(super) retransmit: Option<u64>,
    /// The peer's window is too small, and nothing is on its way that it would answer.
    pub(super) persist: Option<u64>,
    /// An acknowledgment is owed.
    pub(super) ack: Option<u64>,
    /// Nothing was heard from the peer.
    pub(super) keepalive: Option<u64>,
    /// The connection ends: TIME-WAIT, or nobody has a file for it any more.
    pub(super) end: Option<u64>,
}

impl Timers {
    /// The first of them.
    pub(super) fn next(&self) -> Option<u64> {
        [
            self.retransmit,
            self.persist,
            self.ack,
            self.keepalive,
            self.end,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Takes a timer whose time has come.
pub(super) fn expired(timer: &mut Option<u64>, now: u64) -> bool {
    timer.take_if(|at| *at <= now).is_some()
}
