// SPDX-License-Identifier: GPL-2.0

//! What was lost, and is to be sent again: RFC 6675, which is NewReno (RFC 6582) for a sender that
//! is told which ranges have come.
//!
//! The peer may not take back what it has reported, so a timeout does not make that forgotten.

use super::{
    ranges::{
        Range,
        Ranges, //
    },
    seq::Seq, //
};

/// Ranges that the peer has which are remembered.
const REMEMBERED: usize = 64;

/// So many acknowledgments that report something new, and do not advance, tell of a loss.
const DUPLICATES: u8 = 3;

/// How it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// The peer has told of a loss.
    Fast,
    /// The peer tells nothing: all that it has not reported is taken for lost.
    Timeout,
}

/// What is known of the bytes on their way, those from `una` to `next`.
pub(super) struct Recovery {
    phase: Phase,
    /// The phase ends when all before this is acknowledged: what was sent later is not part of it.
    until: Seq,
    /// What the peer has.
    reported: Ranges<REMEMBERED>,
    /// What is lost is before this...
    lost: Seq,
    /// ...and before this it was sent again.
    resent: Seq,
    duplicates: u8,
    /// The first segment is sent again although the congestion window is full.
    at_once: bool,
}

impl Recovery {
    pub(super) fn new(start: Seq) -> Self {
        Self {
            phase: Phase::Open,
            until: start,
            reported: Ranges::new(),
            lost: start,
            resent: start,
            duplicates: 0,
            at_once: false,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_at_once(&self) -> bool {
        self.at_once
    }

    /// The peer has reported ranges of what is on its way. Returns whether that is news.
    pub(super) fn report(&mut self, una: Seq, next: Seq, ranges: &[Option<Range>]) -> bool {
        let mut news = false;
        for range in ranges.iter().flatten() {
            if range.start().after(una) && !range.end().after(next) {
                news |= self.reported.insert(*range);
            }
        }
        news
    }

    /// An acknowledgment has told of a range, and not advanced.
    pub(super) fn duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
    }

    /// All before `una` is acknowledged.
    pub(super) fn advance(&mut self, una: Seq) {
        self.reported.trim(una);
        self.lost = self.lost.later(una);
        self.resent = self.resent.later(una);
        self.duplicates = 0;
        self.at_once = false;
        if self.phase != Phase::Open && !una.before(self.until) {
            self.phase = Phase::Open;
            self.lost = una;
            self.resent = una;
        }
        if self.phase == Phase::Fast {
            // The first hole was filled, and this is the next one (RFC 6582, a partial
            // acknowledgment); if nothing behind it was reported it is on its way.
            if let Some(reported) = self.reported.first() {
                self.lost = self.lost.later(reported.start());
            }
        }
    }

    /// Finds out what is lost. Returns whether that is the first loss of a phase.
    pub(super) fn detect(&mut self, una: Seq, next: Seq, payload: u32) -> bool {
        let Some(first) = self.reported.first() else {
            return false;
        };
        // What is before more than two segments that have come does not come any more.
        let mut above = 0_u32;
        let overtaken = self.reported.iter().rev().find(|range| {
            above = above.saturating_add(range.len());
            above > payload.saturating_mul(2)
        });
        let overtaken = overtaken.map(|range| range.start());
        if self.phase != Phase::Open {
            self.lost = self.lost.later(overtaken.unwrap_or(una));
            return false;
        }
        if self.duplicates < DUPLICATES && overtaken.is_none() {
            return false;
        }
        self.phase = Phase::Fast;
        self.until = next;
        self.lost = first.start().later(overtaken.unwrap_or(una));
        self.resent = una;
        self.at_once = true;
        true
    }

    /// No answer has come in time. Returns whether it is the first time for these bytes.
    pub(super) fn timeout(&mut self, una: Seq, next: Seq) -> bool {
        let first = self.phase != Phase::Timeout;
        self.phase = Phase::Timeout;
        self.until = next;
        self.lost = next;
        self.resent = una;
        self.duplicates = 0;
        self.at_once = false;
        first
    }

    /// What is lost, and was not sent again.
    fn to_resend(&self, una: Seq) -> Option<Range> {
        Range::new(self.resent.later(una), self.lost)
    }

    /// The first part of that.
    pub(super) fn hole(&self, una: Seq) -> Option<Range> {
        self.reported.missing(self.to_resend(una)?)
    }

    /// It was sent again, up to `end`.
    pub(super) fn resent(&mut self, end: Seq) {
        self.resent = self.resent.later(end);
        self.at_once = false;
    }

    /// Bytes that are on their way, as far as one can tell: neither reported nor lost.
    pub(super) fn flight(&self, una: Seq, next: Seq) -> u32 {
        let absent = |range: Option<Range>| {
            range.map_or(0, |range| {
                range.len().saturating_sub(self.reported.overlap(range))
            })
        };
        absent(Range::new(una, next)).saturating_sub(absent(self.to_resend(una)))
    }
}
