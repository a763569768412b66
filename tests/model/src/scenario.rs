// SPDX-License-Identifier: GPL-2.0

//! Two programs that write to each other and read, over a bad wire.

use crate::{
    af_wren::flow::{Config, Kind, Options, State},
    host::Host,
    net::{Net, MS, SECOND},
    random::Random,
    wire::Faults,
};
use proptest::{collection::vec, prelude::*};

/// How long the wire is bad.
const BAD: u64 = 20 * SECOND;

/// How long anything may take without an excuse: a wait between two attempts is a minute at most.
const PATIENCE: u64 = 300 * SECOND;

/// What a program does.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) config: Config,
    /// Lengths of what it writes, one after the other, and whether a record ends there.
    pub(crate) writes: Vec<(u16, bool)>,
    /// Most nanoseconds between two writes, and two reads.
    pub(crate) write_pause: u64,
    pub(crate) read_pause: u64,
    /// Most bytes that it reads at a time.
    pub(crate) read_most: usize,
    /// Length of packets in its queue, 0 if the queue is without such.
    pub(crate) packet: usize,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) programs: [Program; 2],
    pub(crate) faults: [Faults; 2],
    /// Both ask for the connection.
    pub(crate) both: bool,
    pub(crate) seed: u64,
    /// Remember what was sent.
    pub(crate) history: bool,
}

pub(crate) fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Stream), Just(Kind::SeqPacket)]
}

/// Sequence numbers: many of them soon wrap.
pub(crate) fn starts() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0..20_000_u32).prop_map(|n| 0_u32.wrapping_sub(n))
    ]
}

pub(crate) fn configs(kind: Kind) -> impl Strategy<Value = Config> {
    let room = prop_oneof![1..100_u32, 100..3_000_u32, 3_000..100_000_u32];
    let rest = (starts(), starts(), any::<bool>());
    (36..1_500_u16, room, rest).prop_map(move |(payload, room, (start, clock, nodelay))| Config {
        kind,
        payload,
        room,
        start,
        clock,
        options: Options {
            nodelay,
            patience: 10_000 * SECOND,
            keepalive: None,
            linger: 60 * SECOND,
        },
    })
}

fn programs(kind: Kind) -> impl Strategy<Value = Program> {
    let pause = || prop_oneof![Just(0), 0..MS, 0..300 * MS];
    let writes = vec((1..3_000_u16, any::<bool>()), 0..30);
    let packet = prop_oneof![Just(0), 1..3_000_usize];
    let rest = (pause(), pause(), 1..10_000_usize, packet);
    (configs(kind), writes, rest).prop_map(move |(config, mut writes, rest)| {
        // A byte at a time takes long enough.
        let most = config.room.saturating_mul(100).min(3_000) as u16;
        for (len, eor) in &mut writes {
            *len = (*len).min(most);
            *eor &= kind == Kind::SeqPacket;
        }
        let (write_pause, read_pause, read_most, packet) = rest;
        Program {
            config,
            writes,
            write_pause,
            read_pause,
            read_most,
            packet,
        }
    })
}

pub(crate) fn faults() -> impl Strategy<Value = Faults> {
    let bad = || prop_oneof![Just(0_u16), 0..50_u16, 0..400_u16];
    let time = || prop_oneof![Just(0), 0..MS, 0..100 * MS];
    let narrow = prop_oneof![Just((0, 0)), (100..50_000_u64, 1_700..50_000_u64)];
    (bad(), bad(), bad(), (time(), time()), narrow).prop_map(
        |(lost, doubled, damaged, (delay, jitter), (byte, room))| Faults {
            lost,
            doubled,
            damaged,
            delay: delay + 1_000,
            jitter,
            byte,
            room,
        },
    )
}

pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    let ends = kinds().prop_flat_map(|kind| [programs(kind), programs(kind)]);
    let rest = (any::<bool>(), any::<u64>());
    (ends, [faults(), faults()], rest).prop_map(|(programs, faults, (both, seed))| Scenario {
        programs,
        faults,
        both,
        seed,
        history: false,
    })
}

/// How far a program is.
struct Running {
    program: Program,
    written: usize,
    write_at: u64,
    read_at: u64,
    shut: bool,
    closed: bool,
}

impl Running {
    fn act(&mut self, net: &mut Net, end: usize, random: &mut Random) {
        let now = net.now;
        let host = &mut net.hosts[end];
        if !host.connected || self.closed {
            return;
        }
        if now >= self.write_at && !self.shut {
            match self.program.writes.get(self.written) {
                Some((len, eor)) => {
                    let bytes: Vec<u8> = (0..*len).map(|_| random.next() as u8).collect();
                    host.write(&bytes, *eor);
                    self.written += 1;
                }
                None => {
                    host.established()
                        .shutdown_write()
                        .expect("it is connected");
                    self.shut = true;
                }
            }
            self.write_at = now + 1 + random.up_to(self.program.write_pause);
        }
        if now >= self.read_at {
            host.read(1 + random.up_to(self.program.read_most as u64) as usize);
            self.read_at = now + 1 + random.up_to(self.program.read_pause);
        }
        if self.shut && host.finished && host.unread() == 0 {
            if !host.closed {
                let news = host.established().close(now);
                host.note(news);
            }
            self.closed = true;
        }
    }

    fn next(&self, host: &Host) -> Option<u64> {
        if !host.connected || self.closed {
            return None;
        }
        let write = (!self.shut).then_some(self.write_at);
        let read = (host.unread() > 0 || self.shut && host.finished).then_some(self.read_at);
        write.into_iter().chain(read).min()
    }
}

impl Scenario {
    /// Makes the two ends, of which one or both ask for the connection.
    pub(crate) fn start(&self) -> Net {
        let hosts = self.programs.clone().map(|program| {
            let mut host = Host::new(program.config);
            host.written.packet = program.packet;
            host.history = self.history;
            host
        });
        let mut net = Net::new(hosts, self.faults, self.seed);
        let now = net.now;
        net.hosts[0].connect(now);
        if self.both {
            net.hosts[1].connect(now);
        } else {
            net.hosts[1].listens = true;
        }
        net
    }

    /// Runs it to its end, with what has to hold for any.
    pub(crate) fn run(self) -> Net {
        let mut net = self.start();
        let mut random = Random::new(self.seed ^ 1);
        let now = net.now;
        let mut running = self.programs.clone().map(|program| Running {
            program,
            written: 0,
            write_at: 0,
            read_at: 0,
            shut: false,
            closed: false,
        });
        let bytes: u64 = self
            .programs
            .iter()
            .flat_map(|program| &program.writes)
            .map(|(len, _)| u64::from(*len))
            .sum();
        let calm = now + BAD;
        let end = calm + PATIENCE + self.excuse(bytes);
        let mut bad = true;
        let is_over = |host: &Host, program: &Running| host.closed && program.closed;
        while !net
            .hosts
            .iter()
            .zip(&running)
            .all(|(host, program)| is_over(host, program))
        {
            assert!(
                net.now < end,
                "no end: {:?}",
                net.hosts
                    .each_ref()
                    .map(|host| (host.state(), host.freed, host.read.len()))
            );
            let programs = running.iter().zip(&net.hosts);
            let next = programs
                .filter_map(|(program, host)| program.next(host))
                .min();
            let until = next.unwrap_or(u64::MAX).max(net.now).min(net.now + 50 * MS);
            net.run(until);
            for (end, program) in running.iter_mut().enumerate() {
                program.act(&mut net, end, &mut random);
            }
            if bad && net.now >= calm {
                bad = false;
                net.wires.iter_mut().for_each(|wire| wire.calm());
            }
        }
        net
    }

    /// What slow programs and narrow windows take, besides the wire.
    fn excuse(&self, bytes: u64) -> u64 {
        let programs = self.programs.iter();
        let slowest = programs
            .map(|program| {
                // A window of a few bytes is opened by a question, and then by the reader.
                let step = u64::from((program.config.room / 2).clamp(1, 36));
                let read = (program.read_most as u64).min(step);
                let steps = bytes / step + bytes / read + 1;
                let writes = program.writes.len() as u64 * program.write_pause;
                steps * (program.read_pause + SECOND) + writes
            })
            .sum::<u64>();
        let wires = self.faults.iter();
        let wire = wires.map(|wire| (wire.delay + wire.jitter + 100 * wire.byte) * (bytes + 100));
        slowest + wire.sum::<u64>()
    }
}

/// All that was written has come, once and in order, and both ends know that it is over.
pub(crate) fn assert_whole(net: &Net) {
    for end in 0..2 {
        let (host, peer) = (&net.hosts[end], &net.hosts[1 - end]);
        assert_eq!(host.state(), State::Closed);
        assert_eq!((host.error, host.finished), (None, true));
        // The peer may have left TIME-WAIT before it could say so.
        assert!(host.freed == host.written.bytes.len() || host.was_reset);
        let same = peer
            .read
            .iter()
            .zip(&host.written.bytes)
            .take_while(|(a, b)| a == b);
        assert_eq!(
            (same.count(), peer.read.len()),
            (host.written.bytes.len(), host.written.bytes.len()),
            "other bytes than were written"
        );
        assert_eq!(peer.ends, host.written.ends);
    }
}
