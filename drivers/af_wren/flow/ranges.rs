// SPDX-License-Identifier: GPL-2.0

//! Sets of sequence numbers: what has come out of order, and what the peer says has come to it.

use super::seq::Seq;

/// The sequence numbers from `start` to before `end`.
///
/// # Invariants
///
/// `start` is before `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    start: Seq,
    end: Seq,
}

impl Range {
    /// Returns `None` for a range without anything in it.
    pub(crate) fn new(start: Seq, end: Seq) -> Option<Self> {
        // INVARIANT: Just checked.
        start.before(end).then_some(Self { start, end })
    }

    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    pub(crate) fn len(&self) -> u32 {
        self.end.since(self.start)
    }

    fn contains(&self, seq: Seq) -> bool {
        !self.start.after(seq) && self.end.after(seq)
    }

    /// The part from `seq` on.
    pub(crate) fn from(&self, seq: Seq) -> Option<Self> {
        Self::new(self.start.later(seq), self.end)
    }

    /// The part before `seq`.
    pub(crate) fn before(&self, seq: Seq) -> Option<Self> {
        Self::new(self.start, self.end.earlier(seq))
    }
}

/// At most `N` ranges.
///
/// # Invariants
///
/// * The first entries are `Some`, the others `None`.
/// * Each range ends before the next one starts: they neither overlap nor touch.
pub(crate) struct Ranges<const N: usize> {
    held: [Option<Range>; N],
}

impl<const N: usize> Ranges<N> {
    pub(crate) fn new() -> Self {
        Self { held: [None; N] }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.held.iter().copied().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    pub(crate) fn first(&self) -> Option<Range> {
        self.iter().next()
    }

    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// Adds a range, which may lie over others. Returns whether that made a difference; it makes
    /// none if there is no place for one more.
    pub(crate) fn insert(&mut self, range: Range) -> bool {
        if self.missing(range).is_none() {
            return false;
        }
        let mut new = Self::new();
        let mut slots = new.held.iter_mut();
        let mut put = |range| match slots.next() {
            Some(slot) => {
                *slot = Some(range);
                true
            }
            None => false,
        };
        let Range { mut start, mut end } = range;
        let mut waiting = true;
        for old in self.iter() {
            if old.end.before(start) {
                if !put(old) {
                    return false;
                }
            } else if end.before(old.start) {
                if waiting && !put(Range { start, end }) {
                    return false;
                }
                waiting = false;
                if !put(old) {
                    return false;
                }
            } else {
                start = start.earlier(old.start);
                end = end.later(old.end);
            }
        }
        if waiting && !put(Range { start, end }) {
            return false;
        }
        // INVARIANT: In order, and what touches has become one.
        *self = new;
        true
    }

    /// Takes out what is before `seq`.
    pub(crate) fn trim(&mut self, seq: Seq) {
        if !self.first().is_some_and(|first| first.start.before(seq)) {
            return;
        }
        let mut new = Self::new();
        let rest = self.iter().filter_map(|range| range.from(seq));
        for (slot, range) in new.held.iter_mut().zip(rest) {
            *slot = Some(range);
        }
        // INVARIANT: Parts of ranges in the same order.
        *self = new;
    }

    /// The first part of `wanted` that is not there.
    pub(crate) fn missing(&self, wanted: Range) -> Option<Range> {
        let mut start = wanted.start;
        for held in self.iter() {
            if held.start.after(start) {
                return Range::new(start, wanted.end.earlier(held.start));
            }
            start = start.later(held.end);
        }
        Range::new(start, wanted.end)
    }

    /// The range that `seq` is in.
    pub(crate) fn around(&self, seq: Seq) -> Option<Range> {
        self.iter().find(|range| range.contains(seq))
    }

    /// How much of `range` is there.
    pub(crate) fn overlap(&self, range: Range) -> u32 {
        self.iter()
            .filter_map(|held| held.from(range.start)?.before(range.end))
            .fold(0, |sum, part| sum.saturating_add(part.len()))
    }
}
