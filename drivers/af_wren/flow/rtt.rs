// SPDX-License-Identifier: GPL-2.0

//! How long an answer takes, and how long to wait for one: RFC 6298.

use super::{
    MS,
    SECOND, //
};

/// The wait before anything is known.
const INITIAL: u64 = SECOND;

/// What a wait has at least beyond a round trip, as in Linux' TCP: a peer may keep an
/// acknowledgment back for a part of that, however steady the round trips are.
pub(crate) const MIN: u64 = 200 * MS;

/// The longest wait, which also ends the doubling.
pub(crate) const MAX: u64 = 60 * SECOND;

/// Round-trip time, in nanoseconds.
pub(crate) struct Rtt {
    smoothed: u64,
    variation: u64,
    wait: u64,
}

impl Rtt {
    pub(crate) fn new() -> Self {
        Self {
            smoothed: 0,
            variation: 0,
            wait: INITIAL,
        }
    }

    /// An answer took so long. With time stamps that is known for retransmissions, too, so there is
    /// no need for Karn's rule. Call it once a round trip: the weights are made for that.
    pub(crate) fn sample(&mut self, time: u64) {
        let time = time.clamp(1, MAX);
        if self.smoothed == 0 {
            self.smoothed = time;
            self.variation = time / 2;
        } else {
            let error = self.smoothed.abs_diff(time);
            self.variation = (3 * self.variation + error) / 4;
            self.smoothed = (7 * self.smoothed + time) / 8;
        }
        self.settle();
    }

    /// The wait was in vain: the next one is twice as long.
    pub(crate) fn back_off(&mut self) {
        self.wait = (2 * self.wait).min(MAX);
    }

    /// An answer came: the waits were not in vain after all.
    pub(crate) fn settle(&mut self) {
        if self.smoothed != 0 {
            self.wait = (self.smoothed + (4 * self.variation).max(MIN)).min(MAX);
        }
    }

    /// A round trip, smoothed; 0 if nothing is known.
    pub(crate) fn smoothed(&self) -> u64 {
        self.smoothed
    }

    /// How long to wait for an answer.
    pub(crate) fn wait(&self) -> u64 {
        self.wait
    }
}
