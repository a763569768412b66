// SPDX-License-Identifier: GPL-2.0

//! What has come: all up to a number, and some ranges behind it.

use super::{
    ranges::{
        Range,
        Ranges, //
    },
    seq::Seq,
    wire::MAX_RANGES, //
};

/// Ranges behind a hole that are kept; what would be one more is dropped.
const HELD: usize = 32;

/// Why nothing of a segment is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// All of it is there.
    Duplicate,
    /// It is beyond the window, or behind the end.
    Beyond,
    /// Too many holes.
    TooMany,
}

/// The receiving side.
///
/// # Invariants
///
/// `next` is before the start of the first of `ranges`, and `end` is not before anything that is
/// there.
pub(super) struct Reassembly {
    next: Seq,
    ranges: Ranges<HELD>,
    /// The number of the peer's FIN.
    end: Option<Seq>,
    /// Where the newest of the ranges was added to.
    newest: Seq,
    /// Which of the others is reported next.
    turn: usize,
}

impl Reassembly {
    pub(super) fn new(next: Seq) -> Self {
        Self {
            next,
            ranges: Ranges::new(),
            end: None,
            newest: next,
            turn: 0,
        }
    }

    /// All before this has come, the FIN included.
    pub(super) fn next(&self) -> Seq {
        self.next
    }

    pub(super) fn has_holes(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// All of it has come, and the FIN.
    pub(super) fn is_complete(&self) -> bool {
        self.end.is_some_and(|end| self.next.after(end))
    }

    /// Takes the part of `segment` before `edge` that is missing, and returns it. If there are
    /// several parts, it is the first: the others are as good as lost. They are rare, a sender that
    /// sends again cuts as it did.
    pub(super) fn accept(&mut self, segment: Range, edge: Seq) -> Result<Range, Refused> {
        let edge = self.end.map_or(edge, |end| edge.earlier(end));
        let part = segment.from(self.next).ok_or(Refused::Duplicate)?;
        let part = part.before(edge).ok_or(Refused::Beyond)?;
        let part = self.ranges.missing(part).ok_or(Refused::Duplicate)?;
        if part.start() == self.next {
            self.next = part.end();
            if let Some(held) = self.ranges.around(self.next) {
                self.next = held.end();
            }
            self.ranges.trim(self.next);
        } else if self.ranges.insert(part) {
            self.newest = part.start();
        } else {
            return Err(Refused::TooMany);
        }
        Ok(part)
    }

    /// The peer's FIN has the number `end`. It may be ahead of the bytes before it, but not behind
    /// bytes that are there: then it is none.
    pub(super) fn fin(&mut self, end: Seq) {
        let last = self.ranges.iter().next_back().map(|range| range.end());
        if self.end.is_none() && !end.before(last.unwrap_or(self.next)) {
            self.end = Some(end);
        }
    }

    /// Passes the FIN if that is what comes next. Returns whether it was.
    pub(super) fn pass_fin(&mut self) -> bool {
        let passed = self.end == Some(self.next);
        if passed {
            self.next = self.next + 1;
        }
        passed
    }

    /// The ranges for an acknowledgment: the newest, and of the others each in its turn.
    pub(super) fn report(&mut self) -> [Option<Range>; MAX_RANGES] {
        let mut report = [None; MAX_RANGES];
        let count = self.ranges.count();
        let newest = self.ranges.around(self.newest);
        let others = self.ranges.iter().chain(self.ranges.iter());
        let others = others
            .skip(self.turn.checked_rem(count).unwrap_or(0))
            .take(count)
            .filter(|range| Some(*range) != newest);
        for (slot, range) in report.iter_mut().zip(newest.into_iter().chain(others)) {
            *slot = Some(range);
        }
        self.turn = self.turn.wrapping_add(MAX_RANGES - 1);
        report
    }
}
