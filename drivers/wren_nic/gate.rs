// SPDX-License-Identifier: GPL-2.0

//! When the packets of a lane may be taken out of its ring: when they have crossed the wire and the
//! interrupt has come that says so.
//!
//! Only the poll function asks. So that a transmit function need not have it called for a packet
//! that cannot be taken yet, there is the [`Bell`].

#[cfg(CONFIG_KUNIT)]
mod tests;

use crate::{
    bell::Bell,
    pace::{
        Arrival,
        LanePace,
        Pace, //
    },
    wire::Rules, //
};
use knet::netdev::ethtool::{
    Moderation,
    SPEED_UNKNOWN, //
};

/// How often a lane says that it is in order while packets wait for a slow wire: each second.
const HEARTBEAT_NS: i64 = 1_000_000_000;

/// What the gate has to know of a ring.
pub(crate) trait Packets {
    /// Packets in the ring.
    fn waiting(&self) -> u32;

    /// The sender has stopped because there is no room, or is about to.
    fn is_full(&self) -> bool;

    /// How long the packet behind `n` others is on the wire, see
    /// [`wire_bytes`](crate::frame::wire_bytes).
    fn bytes(&mut self, n: u32) -> u64;
}

/// Why no packet may be taken now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wait {
    /// When to ask again, in nanoseconds of the monotonic clock.
    pub(crate) until: i64,
    /// As soon as so many packets wait, ask again.
    wanted: u32,
    /// It is the wire that takes its time, not an interrupt that is late.
    pub(crate) crossing: bool,
}

/// The gate of one lane.
pub(crate) struct Gate {
    pace: LanePace,
    /// So many packets at the head of the ring have crossed the wire.
    arrived: u32,
    /// When the first of them had.
    since: i64,
    /// When the ring was looked at last.
    looked: i64,
    /// The interrupt has come for them.
    open: bool,
    /// The bell is not listened to.
    deaf: bool,
    /// Something was asked since the gate was new.
    used: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            pace: LanePace::new(),
            arrived: 0,
            since: 0,
            looked: 0,
            open: false,
            deaf: false,
            used: false,
        }
    }

    /// A round of polling begins, with rules or without. Call it before anything else, and whatever
    /// becomes of the round.
    #[inline(always)]
    pub(crate) fn begin(&mut self, bell: &Bell, ruled: bool) {
        if self.used {
            self.begin_again(bell, ruled);
        }
    }

    #[cold]
    fn begin_again(&mut self, bell: &Bell, ruled: bool) {
        if self.deaf {
            self.deaf = false;
            bell.listen();
        }
        if !ruled {
            *self = Self::new();
        }
    }

    /// The round ends, and the next one comes at `wait.until`.
    pub(crate) fn end(&mut self, bell: &Bell, wait: &Wait) {
        self.deaf = true;
        bell.ignore(wait.wanted);
    }

    /// Forgets everything; the ring was emptied, and nobody transmits.
    pub(crate) fn reset(&mut self, bell: &Bell) {
        self.begin(bell, false);
    }

    /// Lets the packet at the head of the ring through, or tells what it waits for: `None` if there
    /// is none.
    #[inline]
    pub(crate) fn admit(
        &mut self,
        rules: &Rules,
        wire: &Pace,
        ring: &mut impl Packets,
        now: impl FnOnce() -> i64,
    ) -> Result<(), Option<Wait>> {
        if !self.open || self.arrived == 0 {
            self.used = true;
            self.open = false;
            self.open(rules, wire, ring, now())?;
            self.open = true;
        }
        self.arrived -= 1;
        Ok(())
    }

    /// Finds out whether there is a packet and the interrupt is due.
    fn open(
        &mut self,
        rules: &Rules,
        wire: &Pace,
        ring: &mut impl Packets,
        now: i64,
    ) -> Result<(), Option<Wait>> {
        let waiting = ring.waiting();
        let next = self.advance(rules, wire, ring, waiting, now);
        self.looked = now;
        // When the first one arrives or has arrived.
        let (since, crossing) = match (self.arrived, next) {
            (0, None) => return Err(None),
            (0, Some(Arrival::Never)) => (i64::MAX, true),
            (0, Some(Arrival::At(when))) => (when, true),
            _ => (self.since, false),
        };

        // The later one of the two interrupts.
        let mut due = since;
        let mut wanted = u32::MAX;
        if !rules.at_once && !ring.is_full() {
            for Moderation { usecs, frames } in [rules.tx, rules.rx] {
                if usecs == 0 || (frames != 0 && self.arrived.max(1) >= frames) {
                    continue;
                }
                due = due.max(since.saturating_add(i64::from(usecs) * 1000));
                if frames != 0 {
                    wanted = wanted.min(frames);
                }
            }
        }
        if !crossing && due <= now {
            return Ok(());
        }

        let mut until = due;
        if waiting >= wanted {
            // They are all there, and have to cross the wire yet.
            wanted = u32::MAX;
            if let Some(Arrival::At(when)) = next {
                until = until.min(when);
            }
        }
        if crossing {
            until = until.min(now + HEARTBEAT_NS);
        }
        Err(Some(Wait {
            until,
            wanted,
            crossing,
        }))
    }

    /// Notes which of the `waiting` packets have crossed the wire until now, and returns when the
    /// next one will have.
    fn advance(
        &mut self,
        rules: &Rules,
        wire: &Pace,
        ring: &mut impl Packets,
        waiting: u32,
        now: i64,
    ) -> Option<Arrival> {
        match rules.speed {
            SPEED_UNKNOWN => {
                self.pace.off();
                if self.arrived == 0 {
                    self.since = now;
                }
                self.arrived = waiting;
                None
            }
            0 => {
                self.pace.off();
                (waiting > self.arrived).then_some(Arrival::Never)
            }
            speed => {
                while self.arrived < waiting {
                    let bytes = ring.bytes(self.arrived);
                    let done = self.pace.arrival(wire, speed, bytes, now, self.looked);
                    if done > now {
                        return Some(Arrival::At(done));
                    }
                    if self.arrived == 0 {
                        self.since = done;
                    }
                    self.arrived += 1;
                    self.pace.crossed();
                }
                if waiting == 0 {
                    self.pace.emptied();
                }
                None
            }
        }
    }
}
