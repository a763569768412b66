// SPDX-License-Identifier: GPL-2.0

//! The speed of the wire in one direction.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use knet::{
    atomic::AtomicInline,
    netdev::ethtool::SPEED_UNKNOWN,
    time::ktime_get_ns, //
};

/// How far a lane that has packets waiting may lag behind its schedule, because of late timers or
/// a busy CPU, and still catch up: 10 ms.
const MAX_LAG_NS: i64 = 10_000_000;

/// When a packet has crossed the wire.
pub(crate) enum Arrival {
    /// Now.
    Now,
    /// At this time of the monotonic clock, in nanoseconds.
    At(i64),
    /// When the speed is changed: the wire stands still.
    Never,
}

/// One direction of a wire, shared by its lanes.
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

    pub(crate) fn set_speed(&self, speed: u32) {
        self.speed.write_once(speed);
    }

    /// Takes the wire for `ns` and returns when it will have done. A lane that was `idle` starts
    /// now at the earliest, one that has been waiting where it left off.
    fn take(&self, ns: i64, idle: bool, now: i64) -> i64 {
        let earliest = if idle { now } else { now - MAX_LAG_NS };
        let mut old = self.free_at.load(Relaxed);
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
    /// When the packet at the head of the ring will have crossed, once that was asked.
    head: Option<i64>,
    /// The ring has been empty since the last packet.
    idle: bool,
}

impl LanePace {
    pub(crate) fn new() -> Self {
        Self {
            head: None,
            idle: true,
        }
    }

    /// Tells when the packet at the head of the ring, of `len` bytes, will have crossed the wire.
    #[inline(always)]
    pub(crate) fn arrival(&mut self, wire: &Pace, len: usize) -> Arrival {
        match wire.speed() {
            SPEED_UNKNOWN => Arrival::Now,
            0 => Arrival::Never,
            speed => self.paced(wire, len, speed),
        }
    }

    fn paced(&mut self, wire: &Pace, len: usize, speed: u32) -> Arrival {
        let now = ktime_get_ns();
        let idle = self.idle;
        let done = *self.head.get_or_insert_with(|| {
            // Bits by Mb/s are microseconds.
            let ns = len as u64 * 8 * 1000 / u64::from(speed);
            wire.take(ns as i64, idle, now)
        });
        self.idle = false;
        if done > now {
            return Arrival::At(done);
        }
        Arrival::Now
    }

    /// The packet at the head has left the ring.
    #[inline(always)]
    pub(crate) fn left(&mut self) {
        self.head = None;
    }

    /// The ring is empty.
    #[inline(always)]
    pub(crate) fn emptied(&mut self) {
        self.idle = true;
    }
}
