// SPDX-License-Identifier: GPL-2.0

//! When the packets of a lane may be taken out of its ring: when they have crossed the wire and the
//! interrupt has come that says so.
//!
//! Only the poll function asks. So that a transmit function need not have it called for a packet
//! that cannot be taken yet, there is the [`Bell`].

use crate::{
    pace::{
        Arrival,
        LanePace,
        Pace, //
    },
    wire::Rules, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            AtomicFlag,
            Full,
            Relaxed, //
        },
        barrier::smp_mb, //
    }, //
};
use knet::{
    atomic::AtomicInline,
    netdev::ethtool::{
        Moderation,
        SPEED_UNKNOWN, //
    }, //
};

/// How often a lane says that it is in order while packets wait for a slow wire: each second.
const HEARTBEAT_NS: i64 = 1_000_000_000;

/// What the transmit function rings when it has put a packet into the ring.
///
/// While the poll function waits for a time it does not listen, unless as many packets wait as it
/// has named. It listens again before it looks at the ring, and its timer makes it look, so a
/// packet that was not announced is not left lying:
///
/// ```text
/// transmit()                        poll()
/// put the packet into the ring      listen
/// full barrier                      full barrier
/// does it listen?                   look at the ring
/// ```
///
/// Either the transmit function sees that it is listened to, or the poll function sees the packet.
/// The barriers are needed only where somebody has stopped to listen, so a lane that is not held up
/// has none.
pub(crate) struct Bell {
    /// The poll function wants to hear of so many packets, not of fewer.
    wanted: Atomic<u32>,
    /// What has arrived is to be taken at once.
    hurry: AtomicFlag,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            wanted: Atomic::new(0),
            hurry: AtomicFlag::new(false),
        }
    }

    /// Whether the poll function has to be called now that `waiting` packets are in the ring.
    #[inline(always)]
    pub(crate) fn is_heard(&self, waiting: impl FnOnce() -> u32) -> bool {
        self.wanted.read_once() == 0 || self.is_loud_enough(waiting)
    }

    #[cold]
    fn is_loud_enough(&self, waiting: impl FnOnce() -> u32) -> bool {
        smp_mb(Full);
        waiting() >= self.wanted.read_once()
    }

    /// From now on the poll function does not listen. A timer will call it.
    fn ignore(&self, wanted: u32) {
        self.wanted.write_once(wanted);
    }

    /// From now on it listens.
    fn listen(&self) {
        self.wanted.write_once(0);
        smp_mb(Full);
    }

    /// Has what has arrived taken in the next round, without an interrupt.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Relaxed);
    }

    /// Whether somebody is in a hurry.
    pub(crate) fn take_hurry(&self) -> bool {
        self.hurry.load(Relaxed) && self.hurry.xchg(false, Relaxed)
    }
}

/// What the gate has to know of a ring.
pub(crate) trait Packets {
    /// Packets in the ring.
    fn waiting(&self) -> u32;

    /// The sender has stopped because there is no room, or is about to.
    fn is_full(&self) -> bool;

    /// How long the packet behind `n` others is on the wire, see
    /// [`wire_bytes`](crate::pace::wire_bytes).
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

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(wren_nic_gate)]
mod tests {
    use super::*;

    /// A full frame, which takes 123 360 ns at 100 Mb/s.
    const FRAME: u64 = 1542;
    const FRAME_NS: i64 = 123_360;

    /// A ring in which all frames have the same length.
    struct Ring {
        waiting: u32,
        full: bool,
    }

    impl Packets for Ring {
        fn waiting(&self) -> u32 {
            self.waiting
        }

        fn is_full(&self) -> bool {
            self.full
        }

        fn bytes(&mut self, _n: u32) -> u64 {
            FRAME
        }
    }

    /// A lane, its wire and its clock.
    struct Lane<'a> {
        gate: Gate,
        wire: &'a Pace,
        ring: Ring,
        rules: Rules,
    }

    fn moderation(usecs: u32, frames: u32) -> Moderation {
        Moderation { usecs, frames }
    }

    impl<'a> Lane<'a> {
        fn new(wire: &'a Pace, speed: u32, tx: Moderation, rx: Moderation) -> Self {
            Self {
                gate: Gate::new(),
                wire,
                ring: Ring {
                    waiting: 0,
                    full: false,
                },
                rules: Rules {
                    speed,
                    tx,
                    rx,
                    at_once: false,
                },
            }
        }

        /// Takes what may be taken at `now`: how many, and what the next one waits for.
        fn poll(&mut self, now: i64) -> (u32, Option<Wait>) {
            let mut taken = 0;
            loop {
                let Self {
                    gate,
                    wire,
                    ring,
                    rules,
                } = self;
                if let Err(wait) = gate.admit(rules, wire, ring, || now) {
                    return (taken, wait);
                }
                taken += 1;
                ring.waiting -= 1;
            }
        }

        /// Puts `count` frames into the ring and polls.
        fn put(&mut self, count: u32, now: i64) -> (u32, Option<Wait>) {
            self.ring.waiting += count;
            self.poll(now)
        }
    }

    fn waits(until: i64, wanted: u32, crossing: bool) -> Option<Wait> {
        Some(Wait {
            until,
            wanted,
            crossing,
        })
    }

    const NOW: Moderation = Moderation {
        usecs: 0,
        frames: 0,
    };
    const ALL: u32 = u32::MAX;

    #[test]
    fn without_rules_everything_passes() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, SPEED_UNKNOWN, NOW, NOW);
        assert_eq!(lane.put(5, 100), (5, None));
        assert_eq!(lane.poll(100), (0, None));
    }

    #[test]
    fn a_second_of_frames_takes_a_second() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, NOW, NOW);
        // 8106 frames of 1542 bytes, and a part of the next one.
        lane.ring.waiting = 10_000;
        let (mut now, mut taken) = (0, 0);
        while now < 1_000_000_000 {
            let (count, wait) = lane.poll(now);
            taken += count;
            now = wait.map_or(i64::MAX, |wait| wait.until);
            assert_eq!(now, (i64::from(taken) + 1) * FRAME_NS);
        }
        assert_eq!(taken, 8106);
    }

    #[test]
    fn late_timers_cost_nothing() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, NOW, NOW);
        lane.ring.waiting = 20_000;
        let taken: u32 = (0..=200).map(|n| lane.poll(n * 5_000_000).0).sum();
        assert_eq!(taken, 8106);
        assert_eq!(lane.poll(2_000_000_000).0, 16_212 - 8106);
    }

    #[test]
    fn what_divides_badly_is_exact_in_the_end() {
        let wire = Pace::new();
        // 1542 bytes take 7.71 ns at 1.6 Tb/s.
        let mut lane = Lane::new(&wire, 1_600_000, NOW, NOW);
        lane.ring.waiting = 101;
        let mut last = 0;
        while let (_, Some(wait)) = lane.poll(last) {
            last = wait.until;
        }
        assert_eq!(last, 101 * 771 / 100);
    }

    #[test]
    fn an_idle_wire_saves_nothing() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, NOW, NOW);
        assert_eq!(lane.put(1, 0), (0, waits(FRAME_NS, ALL, true)));
        assert_eq!(lane.poll(FRAME_NS), (1, None));
        let later = 50 * FRAME_NS;
        assert_eq!(lane.put(2, later), (0, waits(later + FRAME_NS, ALL, true)));
    }

    #[test]
    fn lanes_share_the_wire() {
        let wire = Pace::new();
        let (mut one, mut other) = (
            Lane::new(&wire, 100, NOW, NOW),
            Lane::new(&wire, 100, NOW, NOW),
        );
        one.ring.waiting = 100;
        other.ring.waiting = 100;
        let mut taken = (0, 0);
        for n in 0..=20 {
            let now = n * FRAME_NS;
            taken.0 += one.poll(now).0;
            taken.1 += other.poll(now).0;
        }
        assert_eq!(taken, (10, 10));
    }

    #[test]
    fn a_stopped_wire_keeps_what_was_on_it() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, NOW, NOW);
        assert_eq!(lane.put(1, 0), (0, waits(FRAME_NS, ALL, true)));
        lane.rules.speed = 0;
        // It says that it is in order each second.
        assert_eq!(
            lane.poll(FRAME_NS),
            (0, waits(FRAME_NS + HEARTBEAT_NS, ALL, true))
        );
        lane.rules.speed = 100;
        // It starts anew, and has not saved the time.
        let now = 10 * HEARTBEAT_NS;
        assert_eq!(lane.put(9, now), (0, waits(now + FRAME_NS, ALL, true)));
        assert_eq!(lane.poll(now + 2 * FRAME_NS).0, 2);
    }

    #[test]
    fn what_is_dropped_leaves_the_wire_free() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, NOW, NOW);
        assert_eq!(lane.put(1, 0), (0, waits(FRAME_NS, ALL, true)));
        // The ring is emptied.
        lane.ring.waiting = 0;
        lane.gate.reset(&Bell::new());
        wire.reset(100);
        assert_eq!(lane.put(1, 200), (0, waits(200 + FRAME_NS, ALL, true)));
    }

    #[test]
    fn an_interrupt_comes_after_a_time() {
        let wire = Pace::new();
        for (tx, rx) in [(moderation(100, 0), NOW), (NOW, moderation(100, 0))] {
            let mut lane = Lane::new(&wire, SPEED_UNKNOWN, tx, rx);
            assert_eq!(lane.put(1, 0), (0, waits(100_000, ALL, false)));
            assert_eq!(lane.put(7, 50_000), (0, waits(100_000, ALL, false)));
            assert_eq!(lane.poll(99_999), (0, waits(100_000, ALL, false)));
            assert_eq!(lane.poll(100_000), (8, None));
            // The next one starts a time of its own.
            assert_eq!(lane.put(1, 300_000), (0, waits(400_000, ALL, false)));
        }
    }

    #[test]
    fn an_interrupt_comes_after_a_number() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, SPEED_UNKNOWN, moderation(100, 4), NOW);
        assert_eq!(lane.put(1, 0), (0, waits(100_000, 4, false)));
        assert_eq!(lane.put(3, 10), (4, None));
        assert_eq!(lane.put(3, 20), (0, waits(100_020, 4, false)));
        assert_eq!(lane.poll(100_020), (3, None));
        // One frame is what the number 1 says.
        lane.rules.tx.frames = 1;
        assert_eq!(lane.put(1, 100_030), (1, None));
    }

    #[test]
    fn both_ends_have_to_want_it() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, SPEED_UNKNOWN, moderation(100, 2), moderation(300, 4));
        assert_eq!(lane.put(1, 0), (0, waits(300_000, 2, false)));
        assert_eq!(lane.put(1, 10), (0, waits(300_000, 4, false)));
        assert_eq!(lane.put(2, 20), (4, None));
        assert_eq!(lane.put(1, 1_000), (0, waits(301_000, 2, false)));
        assert_eq!(lane.poll(101_000), (0, waits(301_000, 2, false)));
        assert_eq!(lane.poll(301_000), (1, None));
    }

    #[test]
    fn nobody_waits_who_cannot() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, SPEED_UNKNOWN, moderation(100, 0), moderation(100, 0));
        lane.ring.full = true;
        assert_eq!(lane.put(3, 0), (3, None));
        lane.ring.full = false;
        lane.rules.at_once = true;
        assert_eq!(lane.put(3, 0), (3, None));
    }

    #[test]
    fn the_time_counts_from_the_end_of_the_wire() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, moderation(1000, 0), NOW);
        let due = FRAME_NS + 1_000_000;
        assert_eq!(lane.put(100, 0), (0, waits(due, ALL, true)));
        assert_eq!(lane.poll(FRAME_NS), (0, waits(due, ALL, false)));
        // Those that have crossed meanwhile come with it, and the next one starts a new time.
        let (taken, wait) = lane.poll(due);
        assert_eq!(taken, 9);
        assert_eq!(wait, waits(10 * FRAME_NS + 1_000_000, ALL, true));
    }

    #[test]
    fn what_comes_unannounced_came_after_the_last_look() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, moderation(10_000, 0), NOW);
        let due = FRAME_NS + 10_000_000;
        assert_eq!(lane.put(1, 0), (0, waits(due, ALL, true)));
        // It has crossed, and the wire is free: what is there at the interrupt came after this.
        let looked = 1_000_000;
        assert_eq!(lane.poll(looked), (0, waits(due, ALL, false)));
        let (taken, wait) = lane.put(200, due);
        assert_eq!(i64::from(taken) - 1, (due - looked) / FRAME_NS);
        let next = looked + i64::from(taken) * FRAME_NS;
        assert_eq!(wait, waits(next + 10_000_000, ALL, true));
    }

    #[test]
    fn a_number_of_frames_has_to_cross_the_wire() {
        let wire = Pace::new();
        let mut lane = Lane::new(&wire, 100, moderation(1000, 3), NOW);
        let (mut now, mut rounds) = (0, 0);
        lane.ring.waiting = 3;
        loop {
            let (taken, wait) = lane.poll(now);
            let Some(wait) = wait else {
                assert_eq!((taken, now), (3, 3 * FRAME_NS));
                break;
            };
            assert_eq!(taken, 0);
            now = wait.until;
            rounds += 1;
            assert!(rounds < 10);
        }
    }

    #[test]
    fn the_bell_is_heard_when_it_has_to_be() {
        let (bell, mut gate) = (Bell::new(), Gate::new());
        assert!(bell.is_heard(|| 0));
        gate.end(
            &bell,
            &Wait {
                until: 0,
                wanted: 4,
                crossing: false,
            },
        );
        gate.used = true;
        assert!(!bell.is_heard(|| 3));
        assert!(bell.is_heard(|| 4));
        gate.begin(&bell, true);
        assert!(bell.is_heard(|| 1));
        assert!(!bell.take_hurry());
        bell.hurry();
        assert!(bell.take_hurry() && !bell.take_hurry());
    }
}
