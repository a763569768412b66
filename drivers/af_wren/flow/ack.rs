// SPDX-License-Identifier: GPL-2.0

//! When to acknowledge: RFC 5681, 4.2; and when not to answer.

use super::{
    MS,
    SECOND, //
};

/// How long an acknowledgment is kept back.
pub(super) const DELAY: u64 = 40 * MS;

/// Segments that are acknowledged by one.
const EVERY: u8 = 2;

/// What is owed to the peer.
#[derive(Default)]
pub(super) struct Owed {
    segments: u8,
    urgent: bool,
}

impl Owed {
    /// A segment has come in order. Returns whether it may wait.
    pub(super) fn segment(&mut self) -> bool {
        self.segments = self.segments.saturating_add(1);
        self.urgent |= self.segments >= EVERY;
        !self.urgent
    }

    /// It has to be at once.
    pub(super) fn urgent(&mut self) {
        self.urgent = true;
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }
}

/// Answers a second to segments that do not fit the connection: RFC 5961, 10. Who sends them is out
/// of step, or somebody else; neither shall have as many answers as he likes.
const ANSWERS: u8 = 10;

/// Limits answers.
#[derive(Default)]
pub(super) struct Limit {
    since: u64,
    given: u8,
}

impl Limit {
    /// Whether one more may be given.
    pub(super) fn admit(&mut self, now: u64) -> bool {
        if self.given == 0 || now.saturating_sub(self.since) >= SECOND {
            *self = Self {
                since: now,
                given: 0,
            };
        }
        let admitted = self.given < ANSWERS;
        if admitted {
            self.given += 1;
        }
        admitted
    }
}
