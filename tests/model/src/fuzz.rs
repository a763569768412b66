// SPDX-License-Identifier: GPL-2.0

//! Whatever comes, in whatever state: nothing panics, and what has to hold holds.

use crate::{
    af_wren::flow::{Config, Error, Fate, Flags, Segment, State},
    host::Host,
    net::{Net, MS, SECOND},
    parts::segments,
    scenario::{configs, kinds, starts},
    wire::Faults,
};
use proptest::{collection::vec, prelude::*};

/// What somebody does.
#[derive(Clone, Debug)]
enum Step {
    /// A segment from nowhere. The numbers count from what this end expects if it says so.
    Segment(Segment, bool, i32, i32),
    /// From the peer, after what it has to say was lost or not.
    Peer(bool),
    Write(u16),
    Read(u16),
    Room(u32),
    Shutdown,
    Close,
    Abort,
    Time(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    // Close to what is expected, or anything.
    let near = || prop_oneof![-3..3_i32, -5_000..5_000_i32, any::<i32>()];
    prop_oneof![
        10 => (segments(), prop::bool::weighted(0.9), near(), near())
            .prop_map(|(segment, near, seq, ack)| Step::Segment(segment, near, seq, ack)),
        3 => any::<bool>().prop_map(Step::Peer),
        3 => (1..3_000_u16).prop_map(Step::Write),
        3 => any::<u16>().prop_map(Step::Read),
        1 => (0..200_000_u32).prop_map(Step::Room),
        1 => Just(Step::Shutdown),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
        3 => prop_oneof![0..MS, 0..SECOND, 0..5_000 * SECOND].prop_map(Step::Time),
    ]
}

/// What the state has to do with the rest.
fn check(host: &Host) {
    let Some(connection) = &host.connection else {
        return;
    };
    let info = connection.info();
    let state = connection.state();
    assert!(info.payload >= 36);
    assert!(info.congestion >= info.payload && info.flight <= info.queued + 2);
    assert!(info.wait <= 60 * SECOND);
    match state {
        State::Closed => assert!(host.closed && connection.deadline().is_none()),
        // Somebody waits for an answer, or for time to pass.
        State::SynSent
        | State::SynReceived
        | State::FinWait1
        | State::Closing
        | State::LastAck
        | State::TimeWait => {
            assert!(connection.deadline().is_some(), "{state:?} for ever");
        }
        _ => assert!(
            info.queued == 0 || connection.deadline().is_some(),
            "{state:?} for ever"
        ),
    }
}

proptest! {
    #[test]
    fn no_segment_and_no_program_breaks_anything(
        config in kinds().prop_flat_map(configs),
        other in starts(),
        both in any::<bool>(),
        established in prop::bool::weighted(0.8),
        steps in vec(steps(), 0..120),
        seed in any::<u64>(),
    ) {
        let peer = Config { start: other, ..config };
        let mut net = Net::new([Host::new(config), Host::new(peer)], [Faults::NONE; 2], seed);
        net.hosts.iter_mut().for_each(|host| host.disturbed = true);
        let now = net.now;
        net.hosts[0].connect(now);
        if both {
            net.hosts[1].connect(now);
        } else {
            net.hosts[1].listens = true;
        }
        if established {
            net.pass(SECOND);
            prop_assert!(net.hosts.iter().all(|host| host.connected));
        }
        for (number, step) in steps.into_iter().enumerate() {
            let end = number % 2;
            let now = net.now;
            let host = &mut net.hosts[end];
            if host.connection.is_none() || host.closed {
                continue;
            }
            match step {
                Step::Segment(mut segment, near, seq, ack) => {
                    let connection = host.established();
                    if near {
                        segment.kind = config.kind;
                        segment.seq = connection.received() + seq as u32;
                        segment.ack = connection.first_unacked() + ack as u32;
                    }
                    forge(host, now, &segment);
                }
                Step::Peer(lost) => {
                    if lost {
                        net.wires[1 - end].faults.lost = 1_000;
                    }
                    net.flush();
                    net.wires[1 - end].faults.lost = 0;
                    net.pass(10 * MS);
                }
                Step::Write(len) => {
                    let may = matches!(host.state(), State::Established | State::CloseWait);
                    let result = host.established().write(len.into());
                    if may {
                        prop_assert_eq!(result, Ok(len.into()));
                        let len = host.written.bytes.len() + usize::from(len);
                        host.written.bytes.resize(len, 1);
                    } else {
                        let early = [State::SynSent, State::SynReceived].contains(&host.state());
                        let error = if early { Error::NotConnected } else { Error::Pipe };
                        prop_assert_eq!(result, Err(error));
                    }
                }
                Step::Read(len) => {
                    let len = host.established().unread().min(len.into());
                    host.established().read(len);
                }
                Step::Room(room) => host.established().set_room(room),
                Step::Shutdown => {
                    let _ = host.established().shutdown_write();
                }
                Step::Close => {
                    let news = host.established().close(now);
                    host.note(news);
                }
                Step::Abort => {
                    let news = host.established().abort();
                    prop_assert!(news.closed);
                    host.note(news);
                }
                Step::Time(time) => {
                    net.now += time;
                    let host = &mut net.hosts[end];
                    if host.deadline().is_some_and(|due| due <= net.now) {
                        host.timer(net.now);
                    }
                }
            }
            let now = net.now;
            let host = &mut net.hosts[end];
            // What it says goes nowhere; the payload of others is not in step any more.
            let frames = host.transmit(now, true);
            prop_assert!(frames.len() < 10_000);
            check(host);
        }
    }

    /// RFC 5961: without knowing the numbers exactly nobody ends a connection or puts something in.
    #[test]
    fn a_blind_attacker_changes_nothing(
        config in kinds().prop_flat_map(configs),
        forged in vec((segments(), any::<u32>(), any::<u32>()), 1..200),
        seed in any::<u64>(),
    ) {
        let config = Config { room: config.room.max(100), ..config };
        let peer = Config { start: !config.start, clock: !config.clock, ..config };
        let mut net = Net::new([Host::new(config), Host::new(peer)], [Faults::NONE; 2], seed);
        let now = net.now;
        net.hosts[0].connect(now);
        net.hosts[1].listens = true;
        net.pass(SECOND);
        let now = net.now;
        for (mut segment, seq, ack) in forged {
            let host = &mut net.hosts[0];
            // Everything but the one number that is expected.
            segment.kind = config.kind;
            segment.seq = host.established().received() + (1 + seq % (u32::MAX - 1));
            if !segment.flags.has(Flags::RST.with(Flags::SYN)) {
                // An acknowledgment of what was never sent.
                segment.ack = host.established().first_unacked() + (1 + ack % (1 << 30));
            }
            let before = host.info();
            let (fate, news) = host.established().segment(now, &segment);
            prop_assert!(matches!(fate, Fate::Drop(_)), "{fate:?} {segment:?}");
            prop_assert_eq!(news, Default::default());
            prop_assert_eq!(host.info(), before);
            prop_assert!(net.hosts[0].transmit(now, true).len() <= 1);
        }
        net.hosts[1].write(b"hello", false);
        net.pass(10 * SECOND);
        prop_assert_eq!(net.hosts[0].unread(), 5);
    }
}

/// A segment that no peer has sent: what is kept of it is forgotten.
fn forge(host: &mut Host, now: u64, segment: &Segment) {
    let early = host.state() == State::SynSent;
    let next = host.established().received();
    let unread = host.established().unread();
    let (fate, news) = host.established().segment(now, segment);
    if let Fate::Keep { seq, skip, len } = fate {
        assert!(len > 0 && skip + len <= segment.len);
        assert_eq!(seq, segment.seq + u32::from(skip));
        assert!(!seq.before(next), "what was there is kept again");
        if let Some(promised) = host.promised {
            assert!(!(seq + len.into()).after(promised), "beyond the window");
        }
    }
    if !news.closed && !early {
        let came = host.established().received().since(next);
        assert_eq!(came, news.readable + u32::from(news.finished));
        assert_eq!(host.established().unread(), unread + news.readable);
    }
    host.note(news);
    assert!(news.error.is_none() || news.closed);
}
