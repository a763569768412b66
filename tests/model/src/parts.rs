// SPDX-License-Identifier: GPL-2.0

//! The parts, each for itself, against something simpler.

use crate::{
    af_wren::flow::{
        ranges::{Range, Ranges},
        Flags, Header, Kind, Malformed, Segment, Seq, MIN_PAYLOAD,
    },
    host::to_frame,
    scenario::starts,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;

proptest! {
    #[test]
    fn numbers_are_compared_across_the_wrap(start in starts(), steps in 1..1_u32 << 31) {
        let (a, b) = (Seq::new(start), Seq::new(start) + steps);
        prop_assert!(a.before(b) && b.after(a) && !b.before(a) && !a.after(b));
        prop_assert!(!a.before(a) && !a.after(a));
        prop_assert_eq!((b.since(a), b.beyond(a), a.beyond(b)), (steps, steps, 0));
        prop_assert_eq!((a.later(b), a.earlier(b), b.later(a), b.earlier(a)), (b, a, b, a));
        prop_assert_eq!(b - steps, a);
    }

    /// Against a set that has each number by itself.
    #[test]
    fn ranges_are_a_set(
        start in starts(),
        steps in vec((0..200_u32, 1..40_u32, 0..4_u8), 0..60),
    ) {
        let base = Seq::new(start);
        let mut ranges = Ranges::<8>::new();
        let mut set = BTreeSet::new();
        let mut low = 0;
        for (from, len, what) in steps {
            let from = from.max(low);
            let range = Range::new(base + from, base + from + len).expect("it is not empty");
            if what == 0 {
                ranges.trim(base + from);
                low = from;
                set = set.split_off(&from);
            } else {
                let numbers: BTreeSet<u32> = (from..from + len).collect();
                let more: BTreeSet<u32> = &set | &numbers;
                let pieces = |set: &BTreeSet<u32>| {
                    let begins = |n: &u32| n.checked_sub(1).is_none_or(|n| !set.contains(&n));
                    set.iter().filter(|n| begins(n)).count()
                };
                let fits = pieces(&more) <= 8;
                prop_assert_eq!(ranges.insert(range), fits && more.len() > set.len());
                if fits {
                    set = more;
                }
            }
            let held: Vec<u32> = ranges
                .iter()
                .flat_map(|range| range.start().since(base)..range.end().since(base))
                .collect();
            prop_assert_eq!(&held, &set.iter().copied().collect::<Vec<_>>());
            let all: Vec<Range> = ranges.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end().before(pair[1].start())));
            let inside = (from..from + len).filter(|n| set.contains(n)).count();
            prop_assert_eq!(ranges.overlap(range) as usize, inside);
            let missing = (from..from + len).find(|n| !set.contains(n));
            let found = ranges.missing(range).map(|range| range.start().since(base));
            prop_assert_eq!(found, missing);
        }
    }

    #[test]
    fn what_is_written_is_read(segment in segments(), ports in any::<(u16, u16)>()) {
        let header = Header { source: ports.0, dest: ports.1, segment };
        let mut frame = vec![0; segment.size() + usize::from(segment.len)];
        header.write(&mut frame).expect("it fits");
        // The checksum is not the header's affair, but there has to be one.
        prop_assert_eq!(Header::parse(&frame), Err(Malformed::Unchecked));
        frame[8] = 1;
        prop_assert_eq!(Header::parse(&frame), Ok(header));
        frame.pop();
        let short = Header::parse(&frame);
        prop_assert_eq!(short, Err(Malformed::Short));
        let mut small = vec![0; segment.size() - 1];
        prop_assert_eq!(header.write(&mut small), None);
    }

    /// What is read is written again as it was: nothing is ignored.
    #[test]
    fn any_bytes_are_refused_or_understood(
        segment in segments(),
        damage in vec((0..64_usize, any::<u8>()), 0..4),
        cut in 0..100_usize,
    ) {
        let mut frame = to_frame(segment, &vec![0; segment.len.into()]);
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(frame.len().saturating_sub(cut.saturating_sub(50)));
        if let Ok(header) = Header::parse(&frame) {
            let mut again = vec![0; header.segment.size()];
            header.write(&mut again).expect("it fits");
            again[8..10].copy_from_slice(&frame[8..10]);
            prop_assert_eq!(&again, &frame[..again.len()]);
        }
    }

    #[test]
    fn noise_is_refused_or_understood(mut frame in vec(any::<u8>(), 0..80), ours in any::<bool>()) {
        if let (true, Some([version, kind, ..])) = (ours, frame.first_chunk_mut::<2>()) {
            (*version, *kind) = (1, 2 + *kind % 2);
        }
        let _ = Header::parse(&frame);
    }
}

/// Any segment that is well-formed.
pub(crate) fn segments() -> impl Strategy<Value = Segment> {
    let numbers = (
        any::<u32>(),
        any::<u32>(),
        0..=1_u32 << 30,
        any::<u32>(),
        any::<u32>(),
    );
    let kind = prop_oneof![Just(Kind::Stream), Just(Kind::SeqPacket)];
    let ranges = vec((1..1_u32 << 29, 1..1_u32 << 29), 0..4);
    (0..64_u8, kind, numbers, 0..1_500_u16, MIN_PAYLOAD.., ranges).prop_map(
        |(bits, kind, (seq, ack, window, stamp, echo), len, payload, ranges)| {
            let all = [
                Flags::SYN,
                Flags::ACK,
                Flags::FIN,
                Flags::RST,
                Flags::PUSH,
                Flags::EOR,
            ];
            let has = |flag: Flags| {
                let bit = all
                    .iter()
                    .position(|one| *one == flag)
                    .expect("it is one of them");
                bits & (1 << bit) != 0
            };
            let alone = has(Flags::SYN) || has(Flags::RST);
            let mut flags = Flags::default();
            for flag in all {
                let fits = match flag {
                    Flags::SYN => true,
                    Flags::RST | Flags::FIN if has(Flags::SYN) => false,
                    Flags::FIN => !has(Flags::RST),
                    Flags::PUSH => !alone && len > 0,
                    Flags::EOR => !alone && len > 0 && kind == Kind::SeqPacket,
                    _ => true,
                };
                if fits && has(flag) || flag == Flags::ACK && !alone {
                    flags = flags.with(flag);
                }
            }
            let mut segment = Segment {
                kind,
                flags,
                seq: Seq::new(seq),
                len: if alone { 0 } else { len },
                ack: Seq::new(0),
                window: 0,
                stamp: Seq::new(stamp),
                echo: Seq::new(0),
                payload: if flags.has(Flags::SYN) { payload } else { 0 },
                ranges: [None; 3],
            };
            if flags.has(Flags::ACK) {
                segment.ack = Seq::new(ack);
                segment.window = window;
                segment.echo = Seq::new(echo);
            }
            if segment.len == 0 && !alone {
                for (slot, (from, len)) in segment.ranges.iter_mut().zip(ranges) {
                    *slot = Range::new(segment.ack + from, segment.ack + from + len);
                }
            }
            segment
        },
    )
}

/// Each rule of the table in Documentation/flow.rst.
#[test]
fn what_does_not_go_together_is_refused() {
    let ack = Segment {
        kind: Kind::SeqPacket,
        flags: Flags::ACK,
        seq: Seq::new(1),
        len: 0,
        ack: Seq::new(7),
        window: 9,
        stamp: Seq::new(3),
        echo: Seq::new(4),
        payload: 0,
        ranges: [None; 3],
    };
    let range = |start, end| Range::new(Seq::new(start), Seq::new(end));
    let syn = Segment {
        flags: Flags::SYN.with(Flags::ACK),
        payload: 36,
        ..ack
    };
    let data = Segment { len: 1, ..ack };
    let parse = |segment: Segment| {
        let header = Header {
            source: 1,
            dest: 2,
            segment,
        };
        let mut frame = vec![0; 100];
        header.write(&mut frame).expect("it fits");
        frame[8] = 1;
        Header::parse(&frame).map(|header| header.segment)
    };
    for good in [ack, syn, data] {
        assert_eq!(parse(good), Ok(good));
    }
    let flags = |flags: &[Flags]| {
        flags
            .iter()
            .fold(Flags::default(), |all, one| all.with(*one))
    };
    for (bad, why) in [
        (
            Segment {
                flags: flags(&[]),
                ..ack
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: Flags::FIN,
                ..ack
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: flags(&[Flags::SYN, Flags::FIN, Flags::ACK]),
                ..syn
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: flags(&[Flags::SYN, Flags::RST, Flags::ACK]),
                ..syn
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: flags(&[Flags::RST, Flags::FIN, Flags::ACK]),
                ..ack
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: flags(&[Flags::ACK, Flags::PUSH]),
                ..ack
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: flags(&[Flags::ACK, Flags::EOR]),
                ..ack
            },
            Malformed::Flags,
        ),
        (
            Segment {
                kind: Kind::Stream,
                flags: flags(&[Flags::ACK, Flags::EOR]),
                ..data
            },
            Malformed::Flags,
        ),
        (
            Segment {
                flags: Flags::SYN,
                ..syn
            },
            Malformed::Value,
        ),
        (Segment { len: 1, ..syn }, Malformed::Value),
        (Segment { payload: 35, ..syn }, Malformed::Value),
        (
            Segment {
                flags: flags(&[Flags::RST, Flags::ACK]),
                len: 1,
                ..ack
            },
            Malformed::Value,
        ),
        (
            Segment {
                window: (1 << 30) + 1,
                ..ack
            },
            Malformed::Value,
        ),
        (
            Segment {
                ranges: [range(8, 9), None, None],
                ..data
            },
            Malformed::Ranges,
        ),
        (
            Segment {
                ranges: [range(7, 9), None, None],
                ..ack
            },
            Malformed::Ranges,
        ),
        (
            Segment {
                ranges: [range(9, 10), range(3, 9), None],
                ..ack
            },
            Malformed::Ranges,
        ),
    ] {
        assert_eq!(parse(bad), Err(why), "{bad:?}");
    }
    // What cannot be said with a `Segment`.
    let frame = to_frame(
        Segment {
            ranges: [range(8, 9), None, None],
            ..ack
        },
        &[],
    );
    for (at, value, why) in [
        (0, 2, Malformed::Kind),
        (1, 1, Malformed::Kind),
        (1, 4, Malformed::Kind),
        (10, 0x42, Malformed::Flags),
        (10, 0x82, Malformed::Flags),
        (11, 4, Malformed::Ranges),
        (11, 2, Malformed::Short),
        // It begins with 8: an empty one.
        (39, 8, Malformed::Ranges),
    ] {
        let mut frame = frame.clone();
        frame[at] = value;
        assert_eq!(Header::parse(&frame), Err(why), "byte {at}");
    }
    let mut frame = to_frame(syn, &[]);
    frame[35] = 1;
    assert_eq!(Header::parse(&frame), Err(Malformed::Value));
}
