// SPDX-License-Identifier: GPL-2.0

//! Time stamps: RFC 7323. They tell how long an answer took, and keep segments out that are so old
//! that sequence numbers have wrapped.

use super::{
    seq::Seq,
    SECOND, //
};

/// A stamp of the peer that is older says nothing any more: half a turn of the clock is 35 minutes.
const OUTDATED: u64 = 1024 * SECOND;

/// The clocks of both ends, in microseconds.
pub(super) struct Stamps {
    /// What our clock starts from, so that it does not tell for how long the machine is up.
    base: u32,
    /// The stamp to echo, and when it came.
    recent: Option<(Seq, u64)>,
}

impl Stamps {
    pub(super) fn new(base: u32) -> Self {
        Self { base, recent: None }
    }

    /// Our clock.
    pub(super) fn now(&self, now: u64) -> Seq {
        Seq::new(self.base.wrapping_add((now / 1_000) as u32))
    }

    /// What to echo.
    pub(super) fn echo(&self) -> Seq {
        self.recent.map(|(stamp, _)| stamp).unwrap_or_default()
    }

    /// How long an answer took that echoes `echo`.
    pub(super) fn elapsed(&self, now: u64, echo: Seq) -> u64 {
        u64::from(self.now(now).beyond(echo)) * 1_000
    }

    /// Whether a segment is older than one that was answered.
    pub(super) fn is_old(&self, now: u64, stamp: Seq) -> bool {
        self.recent.is_some_and(|(recent, came)| {
            stamp.before(recent) && now.saturating_sub(came) < OUTDATED
        })
    }

    /// The stamp of a segment that is not old, and that begins where the last acknowledgment ended
    /// or before: so a delayed acknowledgment echoes the first of the segments that it answers.
    pub(super) fn keep(&mut self, now: u64, stamp: Seq) {
        self.recent = Some((stamp, now));
    }
}
