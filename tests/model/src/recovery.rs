// SPDX-License-Identifier: GPL-2.0

//! What was lost is found out and sent again; what that does to the congestion window.

use crate::{
    af_wren::flow::{congestion::Congestion, rtt::Rtt, Config, Segment},
    net::{Net, MS, SECOND},
    timing::{pair, CONFIG},
};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
};

/// Numbers that were sent more than once, from the start of what was written.
fn again(net: &Net) -> Vec<u32> {
    let data: Vec<Segment> = net.hosts[0]
        .sent
        .iter()
        .map(|(_, segment)| *segment)
        .collect();
    let data: Vec<&Segment> = data.iter().filter(|segment| segment.len > 0).collect();
    let first = data[0].seq;
    let known = |n: usize| data[..n].iter().any(|before| before.seq == data[n].seq);
    (0..data.len())
        .filter(|n| known(*n))
        .map(|n| data[n].seq.since(first))
        .collect()
}

/// A pair with so many segments of a thousand bytes allowed to be on their way.
fn wide(segments: u32) -> Net {
    let mut net = pair(
        CONFIG,
        Config {
            room: 1_000_000,
            ..CONFIG
        },
    );
    while net.hosts[0].info().congestion < segments * 1_000 {
        net.write(0, 50_000);
        net.pass(100 * MS);
        net.hosts[1].read(usize::MAX);
    }
    net.pass(SECOND);
    net.hosts[0].sent.clear();
    net.hosts[1].sent.clear();
    net
}

#[test]
fn a_lost_segment_is_sent_again_after_a_round_trip() {
    let mut net = wide(20);
    let start = net.now;
    // Idle for long: ten segments are sent. A loss in front, and five behind it that tell of it.
    net.wires[0].doomed = vec![4];
    net.write(0, 10_000);
    net.pass(20 * MS);
    assert_eq!(again(&net), [4_000]);
    assert_eq!(net.hosts[0].sent[10].0, start + 2 * MS);
    assert_eq!(net.hosts[0].info().queued, 0);
    // Six were not acknowledged then.
    assert_eq!(net.hosts[0].info().threshold, 3_000);
}

#[test]
fn the_first_lost_segment_does_not_wait_for_others() {
    let mut net = wide(20);
    let start = net.now;
    net.wires[0].faults.byte = 1_000;
    net.wires[0].faults.room = 1_000_000;
    net.wires[0].doomed = vec![0];
    net.write(0, 10_000);
    net.pass(50 * MS);
    // Six are on their way then, more than the half of ten: but the third report says enough.
    assert_eq!(again(&net), [0]);
    assert_eq!(net.hosts[0].sent[10].0, start + 3 * 1_032 * 1_000 + 2 * MS);
}

#[test]
fn a_lost_end_is_sent_again_after_a_timeout() {
    let mut net = wide(20);
    let start = net.now;
    net.wires[0].doomed = vec![8, 9];
    net.write(0, 10_000);
    let wait = net.hosts[0].info().wait;
    net.pass(SECOND);
    assert_eq!(again(&net), [8_000, 9_000]);
    let (at, _) = net.hosts[0].sent[10];
    // The last answer came after two milliseconds, and set the timer anew.
    assert_eq!(at, start + 2 * MS + wait);
    // One segment, and when that is acknowledged the next.
    assert!(net.hosts[0].sent[11].0 > at);
}

#[test]
fn short_segments_tell_of_a_loss_too() {
    let mut net = wide(20);
    net.wires[0].doomed = vec![0];
    for _ in 0..6 {
        net.write(0, 10);
    }
    net.pass(20 * MS);
    assert_eq!(again(&net), [0]);
    assert_eq!(net.hosts[0].info().queued, 0);
}

#[test]
fn a_timeout_leaves_one_segment() {
    let mut net = wide(40);
    net.lose_all(0, true);
    net.write(0, 20_000);
    let info = net.hosts[0].info();
    net.pass(info.wait);
    let after = net.hosts[0].info();
    assert_eq!(
        (after.congestion, after.threshold),
        (1_000, info.flight / 2)
    );
    // A second one halves nothing: it says nothing new.
    net.pass(2 * info.wait);
    let after = net.hosts[0].info();
    assert_eq!(
        (after.congestion, after.threshold),
        (1_000, info.flight / 2)
    );
    net.lose_all(0, false);
    net.pass(10 * SECOND);
    let after = net.hosts[0].info();
    assert_eq!(after.queued, 0);
    assert!(after.congestion > info.flight / 2);
}

#[test]
fn after_a_pause_the_window_is_not_trusted() {
    let mut net = wide(40);
    net.write(0, 30_000);
    assert_eq!(net.hosts[0].info().flight, 10_000);
}

proptest! {
    /// However many of a window are lost: halved once, and none is sent again that has come.
    #[test]
    fn a_window_is_halved_once(lost in btree_set(0..36_usize, 1..12)) {
        let mut net = pair(CONFIG, Config { room: 10_000_000, ..CONFIG });
        net.write(0, 1_500_000);
        while net.hosts[0].info().congestion < 80_000 {
            net.pass(MS);
        }
        // Once before, so that the window grows slowly from now on.
        net.wires[0].doomed = vec![0];
        net.pass(20 * MS);
        net.hosts[0].sent.clear();
        net.wires[0].doomed = lost.iter().copied().collect();
        let mut halved = Vec::new();
        let mut before = net.hosts[0].info();
        while before.queued > 0 {
            net.pass(MS);
            let after = net.hosts[0].info();
            if after.threshold != before.threshold {
                halved.push((before.congestion, after.threshold));
            }
            prop_assert!(after.congestion >= 10_000, "a timeout");
            before = after;
        }
        prop_assert_eq!(halved.len(), 1);
        let (from, to) = halved[0];
        prop_assert!(to >= from / 2 - 1_000 && to <= from / 2 + 2_500, "{} {}", from, to);
        let lost: Vec<u32> = lost.into_iter().map(|n| n as u32 * 1_000).collect();
        prop_assert_eq!(again(&net), lost);
    }

    #[test]
    fn waits_stay_within_their_bounds(times in vec((any::<u64>(), 0..10_u8), 1..100)) {
        let mut rtt = Rtt::new();
        prop_assert_eq!(rtt.wait(), SECOND);
        for (time, vain) in times {
            rtt.sample(time % (100 * SECOND));
            let wait = rtt.wait();
            prop_assert!((200 * MS..=60 * SECOND).contains(&wait));
            prop_assert!(wait >= (rtt.smoothed() + 200 * MS).min(60 * SECOND));
            for n in 1..=vain {
                rtt.back_off();
                prop_assert_eq!(rtt.wait(), (wait << n).min(60 * SECOND));
            }
            rtt.settle();
            prop_assert_eq!(rtt.wait(), wait);
        }
    }

    /// A steady round trip is learnt, and a longer one does not surprise for long.
    #[test]
    fn a_round_trip_is_learnt(first in MS..10 * SECOND, then in MS..10 * SECOND) {
        let mut rtt = Rtt::new();
        for time in [first, then] {
            for _ in 0..300 {
                rtt.sample(time);
            }
            prop_assert!(rtt.smoothed().abs_diff(time) <= 8);
            prop_assert!(rtt.wait().abs_diff(time + 200 * MS) <= 100);
        }
    }

    #[test]
    fn the_window_doubles_and_then_grows_by_a_segment_a_round_trip(payload in 36..9_000_u32) {
        let mut congestion = Congestion::new(payload);
        let turn = |congestion: &mut Congestion| {
            let flight = congestion.window();
            for _ in 0..flight / payload {
                congestion.acked(payload, flight, payload, false);
            }
        };
        prop_assert_eq!(congestion.window(), 10 * payload);
        turn(&mut congestion);
        prop_assert_eq!(congestion.window(), 20 * payload);
        congestion.halve(congestion.window(), payload);
        prop_assert_eq!(congestion.window(), 10 * payload);
        turn(&mut congestion);
        prop_assert_eq!(congestion.window(), 11 * payload);
        // Who is not held back by it does not make it grow.
        congestion.acked(payload, payload, payload, false);
        congestion.collapse(payload);
        prop_assert_eq!(congestion.window(), payload);
        congestion.acked(payload * 8, payload, payload, true);
        prop_assert_eq!(congestion.window(), 2 * payload);
        congestion.halve(1, payload);
        prop_assert_eq!((congestion.window(), congestion.threshold()), (2 * payload, 2 * payload));
    }
}
