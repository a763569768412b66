// SPDX-License-Identifier: GPL-2.0

//! The speed of the wire in one direction.

use core::num::NonZero;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use knet::{
    atomic::AtomicInline,
    netdev::ethtool::SPEED_UNKNOWN,
    time::ktime_get_ns, //
};

/// When a packet has crossed the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// At this time of the monotonic clock, in nanoseconds.
    At(i64),
    /// When the speed is changed: the wire stands still.
    Never,
}

/// The speed of one direction of a wire, shared by its lanes.
pub(crate) struct Pace {
    /// In Mb/s; 0 stops the wire, [`SPEED_UNKNOWN`] means no limit.
    speed: Atomic<u32>,
    /// When the wire is free for the next packet.
    free_at: Atomic<i64>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            speed: Atomic::new(SPEED_UNKNOWN),
            free_at: Atomic::new(0),
        }
    }

    pub(crate) fn speed(&self) -> u32 {
        self.speed.read_once()
    }

    /// Sets the speed. What waited for the old one does not count.
    pub(crate) fn set_speed(&self, speed: u32) {
        self.speed.write_once(speed);
        self.reset(ktime_get_ns());
    }

    /// From `now` on the wire is free: whoever has taken it does not need it any more.
    pub(crate) fn reset(&self, now: i64) {
        self.free_at.write_once(now);
    }

    /// Takes the wire for `ns`, not before `earliest`, and returns when it will have done.
    fn take(&self, ns: i64, earliest: i64) -> i64 {
        let mut old = self.free_at.read_once();
        loop {
            let done = old.max(earliest) + ns;
            match self.free_at.cmpxchg(old, done, Relaxed) {
                Ok(_) => return done,
                Err(current) => old = current,
            }
        }
    }
}

/// What a lane remembers of the wire.
pub(crate) struct LanePace {
    /// When the packet on the wire will have crossed.
    on_wire: Option<i64>,
    /// The ring was empty when it was looked at last, so a packet is announced when it comes.
    idle: bool,
    /// The speed of the last packet, and what its time had beyond whole nanoseconds, in parts of
    /// one.
    speed: u32,
    rest: u64,
}

impl LanePace {
    pub(crate) fn new() -> Self {
        Self {
            on_wire: None,
            idle: true,
            speed: 0,
            rest: 0,
        }
    }

    /// Tells when the next packet will have crossed the wire, one of `bytes` as [`wire_bytes`]
    /// counts them, at `speed`.
    ///
    /// If the lane was idle the packet has just come, and starts now at the earliest. Else it
    /// follows the one before it, however late the timer is, for a wire does not wait for the CPU;
    /// it may have come when the ring was looked at last, at `looked`, but not before. On a wire
    /// that stands still it never has.
    ///
    /// [`wire_bytes`]: crate::frame::wire_bytes
    pub(crate) fn arrival(
        &mut self,
        wire: &Pace,
        speed: u32,
        bytes: u64,
        now: i64,
        looked: i64,
    ) -> i64 {
        if let Some(done) = self.on_wire {
            return done;
        }
        if self.speed != speed {
            self.speed = speed;
            self.rest = 0;
        }
        // Bits by Mb/s are microseconds. What is left of the division is carried over, or a fast
        // wire would be too fast.
        let time = bytes * 8 * 1000 + self.rest;
        let Some(speed) = NonZero::new(u64::from(speed)) else {
            return i64::MAX;
        };
        self.rest = time % speed;
        let earliest = if self.idle { now } else { looked };
        self.idle = false;
        let done = wire.take((time / speed) as i64, earliest);
        self.on_wire = Some(done);
        done
    }

    /// The packet on the wire has crossed.
    pub(crate) fn crossed(&mut self) {
        self.on_wire = None;
    }

    /// The ring is empty.
    pub(crate) fn emptied(&mut self) {
        self.idle = true;
    }

    /// The wire is not paced now, or stands still: what was on it starts anew.
    pub(crate) fn off(&mut self) {
        self.on_wire = None;
        self.idle = true;
    }
}
