// SPDX-License-Identifier: GPL-2.0

//! What happens when: to the nanosecond, time is virtual.

use crate::{
    af_wren::flow::{
        Config, Dropped, Error, Fate, Flags, Keepalive, Kind, Options, Segment, State,
    },
    host::Host,
    net::{Net, MS, SECOND},
    wire::Faults,
};

pub(crate) const CONFIG: Config = Config {
    kind: Kind::Stream,
    payload: 1_000,
    room: 100_000,
    start: u32::MAX - 2_000,
    clock: u32::MAX - 1_000_000,
    options: Options {
        nodelay: true,
        patience: 1_000 * SECOND,
        keepalive: None,
        linger: 60 * SECOND,
    },
};

/// Two ends that are not connected; frames take a millisecond.
fn strangers(first: Config, second: Config) -> Net {
    let mut net = Net::new([Host::new(first), Host::new(second)], [Faults::NONE; 2], 1);
    net.hosts.iter_mut().for_each(|host| host.history = true);
    net
}

/// The first of two has asked for a connection, and has it.
pub(crate) fn pair(first: Config, second: Config) -> Net {
    let mut net = strangers(first, second);
    let now = net.now;
    net.hosts[0].connect(now);
    net.hosts[1].listens = true;
    net.pass(10 * MS);
    assert!(net
        .hosts
        .iter()
        .all(|host| host.state() == State::Established));
    net.hosts.iter_mut().for_each(|host| host.sent.clear());
    net
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = CONFIG;
    change(&mut config);
    config
}

impl Net {
    /// Writes so many bytes, and sends what can be sent.
    pub(crate) fn write(&mut self, end: usize, len: usize) {
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        self.hosts[end].write(&bytes, false);
        self.flush();
    }

    pub(crate) fn lose_all(&mut self, from: usize, all: bool) {
        self.wires[from].faults.lost = if all { 1_000 } else { 0 };
    }

    fn close(&mut self, end: usize) {
        let now = self.now;
        let news = self.hosts[end].established().close(now);
        self.hosts[end].note(news);
        self.flush();
    }

    /// Times at which an end has sent something, since `start`.
    fn times(&self, end: usize, start: u64) -> Vec<u64> {
        self.hosts[end]
            .sent
            .iter()
            .map(|(at, _)| at - start)
            .collect()
    }

    pub(crate) fn last(&self, end: usize) -> Segment {
        self.hosts[end]
            .sent
            .last()
            .expect("it has sent something")
            .1
    }
}

#[test]
fn handshake_takes_three_segments() {
    let mut net = strangers(CONFIG, with(|config| config.payload = 500));
    let now = net.now;
    net.hosts[0].connect(now);
    net.hosts[1].listens = true;
    net.pass(100 * SECOND);
    let flags = |end: usize| -> Vec<Flags> {
        net.hosts[end]
            .sent
            .iter()
            .map(|(_, segment)| segment.flags)
            .collect()
    };
    assert_eq!(flags(0), [Flags::SYN, Flags::ACK]);
    assert_eq!(flags(1), [Flags::SYN.with(Flags::ACK)]);
    for host in &mut net.hosts {
        assert_eq!(host.info().payload, 500);
    }
}

#[test]
fn both_may_ask_at_once() {
    let mut net = strangers(CONFIG, CONFIG);
    let now = net.now;
    net.hosts.iter_mut().for_each(|host| host.connect(now));
    net.pass(10 * MS);
    assert!(net.hosts.iter().all(|host| host.connected));
    assert!(net
        .hosts
        .iter()
        .all(|host| host.state() == State::Established));
}

#[test]
fn nobody_there_is_refused() {
    for listens in [false, true] {
        let mut net = strangers(CONFIG, with(|config| config.kind = Kind::SeqPacket));
        let now = net.now;
        net.hosts[0].connect(now);
        net.hosts[1].listens = listens;
        net.pass(10 * MS);
        assert_eq!(net.hosts[0].error, Some(Error::Refused));
        assert!(net.hosts[0].closed && net.hosts[1].connection.is_none());
    }
}

#[test]
fn handshake_is_repeated_and_given_up() {
    let mut net = strangers(with(|config| config.options.patience = 20 * SECOND), CONFIG);
    let start = net.now;
    net.hosts[0].connect(start);
    net.lose_all(0, true);
    net.pass(100 * SECOND);
    assert_eq!(
        net.times(0, start),
        [0, SECOND, 3 * SECOND, 7 * SECOND, 15 * SECOND]
    );
    assert_eq!(net.hosts[0].error, Some(Error::TimedOut));
}

#[test]
fn a_lost_answer_to_the_request_comes_again() {
    for doomed in [vec![0], vec![0, 1], vec![1]] {
        let mut net = strangers(CONFIG, CONFIG);
        let now = net.now;
        net.hosts[0].connect(now);
        net.hosts[1].listens = true;
        // The last one: the acknowledgment of the answer.
        let wire = usize::from(doomed != [1]);
        net.wires[wire].doomed = doomed;
        net.pass(10 * SECOND);
        assert!(net
            .hosts
            .iter()
            .all(|host| host.state() == State::Established));
    }
}

#[test]
fn timeout_doubles_up_to_a_minute_and_recovers() {
    let mut net = pair(CONFIG, CONFIG);
    let wait = net.hosts[0].info().wait;
    assert!((200 * MS..210 * MS).contains(&wait));
    net.lose_all(0, true);
    let start = net.now;
    net.write(0, 100);
    net.pass(300 * SECOND);
    let times = net.times(0, start);
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let doubled = (0..waits.len()).map(|n| (wait << n.min(20)).min(60 * SECOND));
    assert!(
        waits.len() > 9 && waits.iter().copied().eq(doubled),
        "{waits:?}"
    );
    net.lose_all(0, false);
    net.pass(61 * SECOND);
    assert_eq!(net.hosts[0].freed, 100);
    // The echo says that it was the last attempt that came.
    assert!(net.hosts[0].info().wait < 300 * MS);
}

#[test]
fn patience_ends() {
    let mut net = pair(with(|config| config.options.patience = 10 * SECOND), CONFIG);
    net.lose_all(0, true);
    net.write(0, 100);
    net.pass(10 * SECOND - 1);
    assert_eq!(net.hosts[0].error, None);
    net.pass(1);
    assert_eq!(net.hosts[0].error, Some(Error::TimedOut));
    assert!(net.hosts[0].closed && net.last(0).flags.has(Flags::RST));
}

#[test]
fn patience_may_be_changed() {
    let mut net = pair(CONFIG, CONFIG);
    net.lose_all(0, true);
    net.write(0, 100);
    net.pass(5 * SECOND);
    let options = Options {
        patience: 6 * SECOND,
        keepalive: Some(Keepalive {
            idle: SECOND,
            interval: SECOND,
            probes: 100,
        }),
        ..CONFIG.options
    };
    let now = net.now;
    net.hosts[0].established().configure(now, options);
    net.pass(SECOND - 1);
    assert_eq!(net.hosts[0].error, None);
    net.pass(1);
    assert_eq!(net.hosts[0].error, Some(Error::TimedOut));
}

#[test]
fn a_fin_ahead_of_data_is_not_taken_for_the_end() {
    let mut net = pair(CONFIG, CONFIG);
    net.wires[0].doomed = vec![0];
    net.write(0, 10);
    net.pass(MS);
    net.close(0);
    net.pass(10 * MS);
    assert_eq!(
        (net.hosts[1].state(), net.hosts[1].finished),
        (State::Established, false)
    );
    // The data again, without the FIN: that has come.
    let (now, data) = (net.now, net.hosts[0].sent[0].1);
    let host = &mut net.hosts[1];
    let (_, news) = host.established().segment(now, &data);
    assert_eq!((news.readable, news.finished), (10, true));
    assert_eq!(host.state(), State::CloseWait);
    // Acknowledged at once, although no segment with a FIN has come now.
    assert_eq!(host.transmit(now, true).len(), 1);
    assert_eq!(net.last(1).ack, data.seq + 11);
}

#[test]
fn one_segment_is_acknowledged_late_and_two_at_once() {
    let mut net = pair(CONFIG, CONFIG);
    let start = net.now;
    net.write(0, 10);
    net.pass(100 * MS);
    assert_eq!(net.times(1, start), [41 * MS]);
    net.hosts[1].sent.clear();
    let start = net.now;
    net.write(0, 1_000);
    net.pass(10 * MS);
    net.write(0, 1_000);
    net.pass(100 * MS);
    assert_eq!(net.times(1, start), [11 * MS]);
    // How long it takes is counted from the first.
    assert_eq!(net.last(1).echo, net.hosts[0].sent[1].1.stamp);
}

#[test]
fn what_comes_out_of_order_is_reported_at_once() {
    let mut net = pair(CONFIG, CONFIG);
    let start = net.now;
    net.wires[0].doomed = vec![0];
    net.write(0, 2_000);
    net.pass(2 * MS);
    let report = net.last(1);
    assert_eq!(net.times(1, start), [MS]);
    assert_eq!(report.ack, net.hosts[0].established().first_unacked());
    assert_eq!(report.ranges.iter().flatten().count(), 1);
    assert_eq!(
        report.ranges[0].map(|range| range.start()),
        Some(report.ack + 1_000)
    );
    assert_eq!(report.ranges[0].map(|range| range.len()), Some(1_000));
    // What fills the hole is acknowledged at once, too.
    net.pass(SECOND);
    let sent = net.times(0, start)[2];
    assert_eq!(net.times(1, start)[1..], [sent + MS]);
}

#[test]
fn a_shut_window_is_asked_for_and_its_opening_told() {
    for lost in [false, true] {
        let mut net = pair(CONFIG, with(|config| config.room = 5_000));
        net.write(0, 8_000);
        net.pass(20 * SECOND);
        assert_eq!((net.hosts[0].freed, net.hosts[1].unread()), (5_000, 5_000));
        assert_eq!(net.last(1).window, 0);
        let questions: Vec<u64> = net.times(0, 0)[5..].to_vec();
        let waits: Vec<u64> = questions.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.len() > 4 && waits.windows(2).all(|pair| pair[1] == 2 * pair[0]));
        // Less than is worth it, and then the rest.
        let told = net.hosts[1].sent.len();
        net.hosts[1].read(500);
        net.flush();
        assert_eq!(net.hosts[1].sent.len(), told);
        net.wires[1].faults.lost = if lost { 1_000 } else { 0 };
        net.hosts[1].read(5_000);
        net.flush();
        assert_eq!(net.hosts[1].sent.len(), told + 1);
        assert_eq!(net.last(1).window, 5_000);
        net.lose_all(1, false);
        net.pass(10 * MS);
        assert_eq!(net.hosts[1].unread(), if lost { 0 } else { 3_000 });
        net.pass(60 * SECOND);
        assert_eq!(net.hosts[1].unread(), 3_000);
    }
}

#[test]
fn a_peer_with_a_shut_window_is_given_up_only_if_it_is_silent() {
    let patience = |config: &mut Config| config.options.patience = 10 * SECOND;
    let mut net = pair(with(patience), with(|config| config.room = 1_000));
    net.write(0, 2_000);
    net.pass(1_000 * SECOND);
    assert_eq!(net.hosts[0].error, None);
    net.lose_all(1, true);
    net.pass(200 * SECOND);
    assert_eq!(net.hosts[0].error, Some(Error::TimedOut));
}

#[test]
fn keepalive_asks_and_gives_up() {
    let keepalive = Some(Keepalive {
        idle: 100 * SECOND,
        interval: 5 * SECOND,
        probes: 3,
    });
    let mut net = pair(with(|config| config.options.keepalive = keepalive), CONFIG);
    net.pass(1_000 * SECOND);
    // Each question takes two milliseconds to be answered.
    assert_eq!((net.hosts[0].sent.len(), net.hosts[1].sent.len()), (9, 9));
    net.lose_all(1, true);
    net.hosts[0].sent.clear();
    net.pass(100 * SECOND);
    let times = net.times(0, 0);
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Three questions, and a reset.
    assert_eq!(waits, [5 * SECOND; 3]);
    assert_eq!(net.hosts[0].error, Some(Error::TimedOut));
    net.pass(MS);
    assert_eq!(net.hosts[1].error, Some(Error::Reset));
}

#[test]
fn short_segments_wait_for_each_other_without_nodelay() {
    for nodelay in [false, true] {
        let mut net = pair(with(|config| config.options.nodelay = nodelay), CONFIG);
        for _ in 0..5 {
            net.write(0, 10);
        }
        let lengths: Vec<u16> = net.hosts[0]
            .sent
            .iter()
            .map(|(_, segment)| segment.len)
            .collect();
        assert_eq!(lengths, vec![10; if nodelay { 5 } else { 1 }]);
        net.pass(SECOND);
        assert_eq!(net.last(0).len, if nodelay { 10 } else { 40 });
        assert_eq!(net.hosts[1].unread(), 50);
    }
}

#[test]
fn without_room_below_only_acknowledgments_go_out() {
    let mut net = pair(CONFIG, CONFIG);
    net.throttled[0] = true;
    net.write(0, 5_000);
    net.write(1, 5_000);
    net.pass(SECOND);
    assert_eq!((net.hosts[0].unread(), net.hosts[1].unread()), (5_000, 0));
    net.throttled[0] = false;
    net.pass(SECOND);
    assert_eq!(net.hosts[1].unread(), 5_000);
}

#[test]
fn a_lost_last_acknowledgment_is_given_again() {
    let mut net = pair(CONFIG, CONFIG);
    net.close(0);
    net.pass(10 * MS);
    assert_eq!(
        (net.hosts[0].state(), net.hosts[1].state()),
        (State::FinWait2, State::CloseWait)
    );
    net.wires[0].doomed = vec![0];
    net.close(1);
    net.pass(10 * MS);
    assert_eq!(
        (net.hosts[0].state(), net.hosts[1].state()),
        (State::TimeWait, State::LastAck)
    );
    net.pass(SECOND);
    // The second FIN came after 200 ms, and TIME-WAIT began anew.
    assert_eq!(
        (net.hosts[0].state(), net.hosts[1].state()),
        (State::TimeWait, State::Closed)
    );
    net.pass(SECOND);
    assert_eq!(net.hosts[0].state(), State::Closed);
    assert!(net
        .hosts
        .iter()
        .all(|host| host.error.is_none() && !host.was_reset));
}

#[test]
fn both_may_close_at_once() {
    let mut net = pair(CONFIG, CONFIG);
    let now = net.now;
    for host in &mut net.hosts {
        let news = host.established().close(now);
        host.note(news);
    }
    net.pass(MS);
    assert!(net.hosts.iter().all(|host| host.state() == State::Closing));
    net.pass(MS);
    assert!(net.hosts.iter().all(|host| host.state() == State::TimeWait));
    net.pass(SECOND);
    assert!(net.hosts.iter().all(|host| host.state() == State::Closed));
}

#[test]
fn what_nobody_will_read_is_answered_with_a_reset() {
    // It had come when the program went away.
    let mut net = pair(CONFIG, CONFIG);
    net.write(0, 10);
    net.pass(10 * MS);
    net.close(1);
    net.pass(MS);
    assert_eq!(net.hosts[0].error, Some(Error::Reset));
    // It comes later.
    let mut net = pair(CONFIG, CONFIG);
    net.close(1);
    net.pass(10 * MS);
    assert_eq!(net.hosts[0].state(), State::CloseWait);
    net.write(0, 10);
    net.pass(10 * MS);
    assert_eq!(net.hosts[0].error, Some(Error::Reset));
    assert!(net.hosts[1].closed && net.hosts[1].error.is_none());
}

#[test]
fn a_connection_without_file_does_not_stay() {
    // The peer does not close.
    let mut net = pair(CONFIG, CONFIG);
    net.close(0);
    net.pass(59 * SECOND);
    assert_eq!(net.hosts[0].state(), State::FinWait2);
    net.pass(2 * SECOND);
    assert!(net.hosts[0].closed && !net.last(0).flags.has(Flags::RST));
    // The peer does not answer.
    let mut net = pair(CONFIG, CONFIG);
    net.lose_all(1, true);
    net.close(0);
    net.pass(60 * SECOND - 1);
    assert_eq!(net.hosts[0].state(), State::FinWait1);
    net.pass(1);
    assert!(net.hosts[0].closed);
    // The peer does not read.
    let mut net = pair(CONFIG, with(|config| config.room = 1_000));
    net.write(0, 5_000);
    net.close(0);
    net.pass(59 * SECOND);
    assert_eq!(net.hosts[0].state(), State::FinWait1);
    net.pass(2 * SECOND);
    assert!(net.hosts[0].closed);
    assert_eq!(net.hosts[1].error, Some(Error::Reset));
}

#[test]
fn a_reset_in_the_window_is_questioned() {
    let mut net = pair(CONFIG, CONFIG);
    let mut reset = Segment {
        flags: Flags::RST,
        window: 0,
        ..net.last_of_peer()
    };
    let next = net.hosts[0].established().received();
    let now = net.now;
    reset.seq = next + 1;
    let (_, news) = net.hosts[0].established().segment(now, &reset);
    assert!(!news.closed);
    assert_eq!(net.hosts[0].transmit(now, true).len(), 1);
    // Outside of it there is no answer.
    reset.seq = next - 1;
    let (_, news) = net.hosts[0].established().segment(now, &reset);
    assert!(!news.closed && net.hosts[0].transmit(now, true).is_empty());
    reset.seq = next;
    let (_, news) = net.hosts[0].established().segment(now, &reset);
    assert_eq!((news.closed, news.error), (true, Some(Error::Reset)));
}

#[test]
fn answers_to_what_does_not_fit_are_limited() {
    let mut net = pair(CONFIG, CONFIG);
    let segment = net.last_of_peer();
    let next = net.hosts[0].established().received();
    let una = net.hosts[0].established().first_unacked();
    let misfits = [
        Segment {
            seq: next - 9,
            len: 0,
            flags: Flags::ACK,
            ..segment
        },
        Segment {
            seq: next + 500_000,
            len: 0,
            flags: Flags::ACK,
            ..segment
        },
        Segment {
            seq: next,
            ack: una + 1,
            ..segment
        },
        Segment {
            seq: next + 1,
            len: 0,
            flags: Flags::RST,
            ..segment
        },
        Segment {
            seq: next,
            len: 0,
            flags: Flags::SYN,
            ..segment
        },
    ];
    for _ in 0..2 {
        let mut answers = 0;
        for _ in 0..100 {
            for misfit in &misfits {
                let now = net.now;
                let host = &mut net.hosts[0];
                let (fate, _) = host.established().segment(now, misfit);
                assert!(matches!(fate, Fate::Drop(_)));
                answers += host.transmit(now, true).len();
            }
        }
        assert_eq!(answers, 10);
        net.pass(SECOND);
    }
    // But what has come again is always answered: its acknowledgment was lost.
    let again = Segment {
        seq: next - segment.len.into(),
        ..segment
    };
    for _ in 0..100 {
        let now = net.now;
        let host = &mut net.hosts[0];
        let (fate, _) = host.established().segment(now, &again);
        assert_eq!(fate, Fate::Drop(Dropped::Duplicate));
        assert_eq!(host.transmit(now, true).len(), 1);
    }
}

#[test]
fn an_old_segment_is_not_taken_for_a_new_one() {
    let mut net = pair(CONFIG, CONFIG);
    net.write(1, 10);
    net.pass(10 * SECOND);
    let old = net.last_of_peer();
    net.write(1, 10);
    net.pass(10 * SECOND);
    // As if sequence numbers had wrapped: the number is right, the time is not.
    let now = net.now;
    let next = net.hosts[0].established().received();
    let (fate, _) = net.hosts[0]
        .established()
        .segment(now, &Segment { seq: next, ..old });
    assert_eq!(fate, Fate::Drop(Dropped::Old));
    assert_eq!(net.hosts[0].transmit(now, true).len(), 1);
    // After so long a time the clock says nothing any more.
    let now = now + 2_000 * SECOND;
    let (fate, _) = net.hosts[0]
        .established()
        .segment(now, &Segment { seq: next, ..old });
    assert!(matches!(fate, Fate::Keep { .. }));
}

impl Net {
    /// A segment of the second end, whatever it is.
    fn last_of_peer(&mut self) -> Segment {
        if self.hosts[1].sent.is_empty() {
            self.write(1, 1);
            self.pass(SECOND);
        }
        let data = self.hosts[1]
            .sent
            .iter()
            .rev()
            .find(|(_, segment)| segment.len > 0);
        data.map_or_else(|| self.last(1), |(_, segment)| *segment)
    }
}
