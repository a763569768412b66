// SPDX-License-Identifier: GPL-2.0

//! One end of a connection: what a driver does around it, with the packets as plain bytes. It
//! asserts what has to hold for each segment.

use crate::af_wren::flow::{
    answer, Answer, Config, Connection, Cut, Error, Fate, Flags, Header, Info, News, Segment, Seq,
    State, WriteQueue, MAX_SIZE,
};
use std::collections::{BTreeMap, BTreeSet};

/// All that was written, with the ends of records. It is kept whole, for comparison.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: BTreeSet<usize>,
    /// A segment does not go across a multiple of this, as if packets had been made at write().
    pub(crate) packet: usize,
    start: u32,
}

impl Written {
    fn offset(&self, seq: Seq) -> usize {
        seq.since(Seq::new(self.start) + 1) as usize
    }
}

impl WriteQueue for Written {
    fn cut(&self, from: Seq, most: u32) -> Cut {
        let from = self.offset(from);
        assert!(most > 0 && from + most as usize <= self.bytes.len());
        let mut end = from + most as usize;
        if let Some(packet) = from.checked_div(self.packet) {
            end = end.min((packet + 1) * self.packet);
        }
        if let Some(record) = self.ends.range(from + 1..).next() {
            end = end.min(*record);
        }
        Cut {
            len: (end - from) as u32,
            eor: self.ends.contains(&end),
        }
    }
}

/// One end.
pub(crate) struct Host {
    pub(crate) config: Config,
    pub(crate) connection: Option<Connection>,
    pub(crate) listens: bool,
    pub(crate) written: Written,
    /// Bytes that the peer has acknowledged.
    pub(crate) freed: usize,
    /// What was read, with the ends of records.
    pub(crate) read: Vec<u8>,
    pub(crate) ends: BTreeSet<usize>,
    /// What has come in order and was not read.
    ready: Vec<u8>,
    /// What has come, by number.
    kept: BTreeMap<usize, (Vec<u8>, bool)>,
    taken: usize,
    peer_start: Option<Seq>,
    /// The number behind what the peer may send, as it was told.
    pub(crate) promised: Option<Seq>,
    pub(crate) connected: bool,
    pub(crate) finished: bool,
    pub(crate) closed: bool,
    /// A reset has ended it.
    pub(crate) was_reset: bool,
    pub(crate) error: Option<Error>,
    /// What was sent, for those who want to look.
    pub(crate) sent: Vec<(u64, Segment)>,
    pub(crate) history: bool,
    /// Somebody else takes part: what comes is not looked at.
    pub(crate) disturbed: bool,
}

impl Host {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            connection: None,
            listens: false,
            written: Written {
                start: config.start,
                ..Written::default()
            },
            freed: 0,
            read: Vec::new(),
            ends: BTreeSet::new(),
            ready: Vec::new(),
            kept: BTreeMap::new(),
            taken: 0,
            peer_start: None,
            promised: None,
            connected: false,
            finished: false,
            closed: false,
            was_reset: false,
            error: None,
            sent: Vec::new(),
            history: false,
            disturbed: false,
        }
    }

    pub(crate) fn connect(&mut self, now: u64) {
        self.connection = Some(Connection::connect(self.config, now));
    }

    pub(crate) fn state(&self) -> State {
        self.connection
            .as_ref()
            .map_or(State::Closed, Connection::state)
    }

    pub(crate) fn established(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("there is a connection")
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.connection.as_ref()?.deadline()
    }

    pub(crate) fn write(&mut self, bytes: &[u8], eor: bool) {
        self.written.bytes.extend_from_slice(bytes);
        if eor {
            self.written.ends.insert(self.written.bytes.len());
        }
        assert_eq!(
            self.established().write(bytes.len() as u32),
            Ok(bytes.len() as u32)
        );
    }

    pub(crate) fn read(&mut self, most: usize) -> usize {
        let len = most.min(self.ready.len());
        self.read.extend(self.ready.drain(..len));
        if let Some(connection) = &mut self.connection {
            connection.read(len as u32);
            assert_eq!(connection.unread() as usize, self.ready.len());
        }
        len
    }

    pub(crate) fn info(&mut self) -> Info {
        self.established().info()
    }

    pub(crate) fn unread(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn note(&mut self, news: News) {
        self.connected |= news.connected;
        self.error = self.error.or(news.error);
        assert!(!(self.closed && news.closed), "closed twice");
        self.closed |= news.closed;
        self.freed += news.acked as usize;
        assert!(self.freed <= self.written.bytes.len());
        if self.disturbed {
            return;
        }
        let until = self.taken + news.readable as usize;
        while self.taken < until {
            let (bytes, eor) = self
                .kept
                .remove(&self.taken)
                .expect("what is readable has come");
            self.taken += bytes.len();
            self.ready.extend(bytes);
            if eor {
                self.ends.insert(self.taken);
            }
        }
        assert_eq!(self.taken, until);
        assert!(!(self.finished && news.readable > 0), "data behind the end");
        self.finished |= news.finished;
        let connection = self.connection.as_ref();
        assert_eq!(
            connection.is_some_and(Connection::is_finished),
            self.finished
        );
    }

    /// A frame has come. Returns what is sent back by who has no connection.
    pub(crate) fn frame(&mut self, now: u64, frame: &[u8]) -> Option<Vec<u8>> {
        if sum(frame) != 0xffff {
            return None;
        }
        let header = Header::parse(frame).ok()?;
        let segment = header.segment;
        if self.connection.is_none() || self.closed {
            let listener = (self.listens && !self.closed).then_some(self.config.kind);
            match answer(listener, &segment) {
                Answer::Accept => {
                    let connection = Connection::accept(self.config, &segment, now);
                    self.connection = Some(connection);
                    self.peer_start = Some(segment.seq + 1);
                    return None;
                }
                Answer::Reset(reset) => return Some(to_frame(reset, &[])),
                Answer::Ignore => return None,
            }
        }
        if segment.flags.has(Flags::SYN) && self.state() == State::SynSent {
            self.peer_start = Some(segment.seq + 1);
        }
        let payload = &frame[segment.size()..][..segment.len.into()];
        let (fate, news) = self.established().segment(now, &segment);
        if let (Fate::Keep { seq, skip, len }, false) = (fate, self.disturbed) {
            self.keep(&segment, seq, &payload[skip.into()..][..len.into()]);
        }
        self.note(news);
        self.was_reset |= news.closed && segment.flags.has(Flags::RST);
        None
    }

    fn keep(&mut self, segment: &Segment, seq: Seq, bytes: &[u8]) {
        let start = self.peer_start.expect("the handshake is over");
        let offset = seq.since(start) as usize;
        let end = offset + bytes.len();
        assert!(!bytes.is_empty() && offset >= self.taken);
        let room = self.promised.expect("a window was given").since(start) as usize;
        assert!(end <= room, "beyond the window");
        let before = self.kept.range(..end).next_back();
        assert!(
            before.is_none_or(|(at, (bytes, _))| at + bytes.len() <= offset),
            "kept twice"
        );
        let last = seq + bytes.len() as u32 == segment.seq + segment.len.into();
        let eor = last && segment.flags.has(Flags::EOR);
        self.kept.insert(offset, (bytes.to_vec(), eor));
    }

    pub(crate) fn timer(&mut self, now: u64) {
        let news = self.established().timer(now);
        self.note(news);
    }

    /// All that can be sent now.
    pub(crate) fn transmit(&mut self, now: u64, data: bool) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let Some(connection) = &mut self.connection else {
            return frames;
        };
        loop {
            let before = connection.info();
            let Some(segment) = connection.transmit(now, &self.written, data) else {
                break;
            };
            let after = connection.info();
            assert!(frames.len() < 100_000, "no end of segments");
            let mut payload: &[u8] = &[];
            if segment.len > 0 {
                assert!(u32::from(segment.len) <= after.payload);
                let offset = self.written.offset(segment.seq);
                payload = &self.written.bytes[offset..][..segment.len.into()];
                // A lost segment that is sent again at once may go beyond, but not far.
                // A FIN is not counted.
                let flight = after.flight - u32::from(segment.flags.has(Flags::FIN));
                let beyond = flight > after.congestion && before.flight != 0;
                assert!(
                    !beyond || segment.seq == connection.first_unacked(),
                    "beyond the congestion window: {before:?} {after:?}"
                );
            }
            if segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST) {
                let edge = segment.ack + segment.window;
                self.promised = Some(self.promised.map_or(edge, |promised| promised.later(edge)));
            }
            if self.history {
                self.sent.push((now, segment));
            }
            frames.push(to_frame(segment, payload));
        }
        assert!(connection.transmit(now, &self.written, data).is_none());
        frames
    }
}

/// Sum of words, RFC 1071: 0xffff for a frame whose checksum is right.
fn sum(frame: &[u8]) -> u16 {
    let words = frame.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

pub(crate) fn to_frame(segment: Segment, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; segment.size()];
    assert!(frame.len() <= MAX_SIZE);
    let header = Header {
        source: 1,
        dest: 2,
        segment,
    };
    header
        .write(&mut frame)
        .expect("the frame has the size of the header");
    frame.extend_from_slice(payload);
    let check = match !sum(&frame) {
        0 => 0xffff,
        check => check,
    };
    frame[8..10].copy_from_slice(&check.to_be_bytes());
    assert_eq!(
        Header::parse(&frame),
        Ok(header),
        "what is sent can be read"
    );
    frame
}
