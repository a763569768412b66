// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the gate, in virtual time.

use super::*;
use kernel::prelude::*;

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
