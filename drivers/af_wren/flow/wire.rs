// SPDX-License-Identifier: GPL-2.0

//! What a segment is on the wire: `struct wrenhdr`, and what a connection needs besides.
//!
//! `Documentation/flow.rst` has the table, byte by byte.

use super::{
    ranges::Range,
    seq::Seq,
    MAX_WINDOW,
    MIN_PAYLOAD, //
};

/// Bytes of a header without options.
pub(crate) const SIZE: usize = 32;

/// Bytes of the longest header.
pub(crate) const MAX_SIZE: usize = SIZE + MAX_RANGES * RANGE_SIZE;

/// Ranges that a segment may report.
pub(super) const MAX_RANGES: usize = 3;

/// Bytes of a range.
const RANGE_SIZE: usize = 8;

/// Bytes of what a SYN has in the place of ranges.
const SYN_SIZE: usize = 4;

/// `WREN_VERSION`
const VERSION: u8 = 1;

/// What a connection carries; `wrenhdr.type`. Both ends have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// SOCK_STREAM: bytes.
    Stream = 2,
    /// SOCK_SEQPACKET: bytes with the ends of records marked.
    SeqPacket = 3,
}

/// The flags of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// The connection begins; takes one sequence number.
    pub(crate) const SYN: Self = Self(1);
    /// `ack` counts.
    pub(crate) const ACK: Self = Self(2);
    /// Nothing comes after this; takes one sequence number.
    pub(crate) const FIN: Self = Self(4);
    /// There is no such connection, or no more.
    pub(crate) const RST: Self = Self(8);
    /// The sender had no more than this: who collects segments has nothing to wait for.
    pub(crate) const PUSH: Self = Self(16);
    /// A record ends with the last byte.
    pub(crate) const EOR: Self = Self(32);

    const ALL: u8 = 63;

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These if `condition` is true, else none.
    pub(super) const fn when(self, condition: bool) -> Self {
        if condition {
            self
        } else {
            Self(0)
        }
    }
}

/// What one end tells the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// The number of the SYN, or else of the first byte.
    pub(crate) seq: Seq,
    /// Bytes of payload.
    pub(crate) len: u16,
    /// The number that is expected next.
    pub(crate) ack: Seq,
    /// So many from `ack` on can be taken.
    pub(crate) window: u32,
    /// Clock of the sender, in microseconds.
    pub(crate) stamp: Seq,
    /// What the receiver's clock was when it sent what this answers.
    pub(crate) echo: Seq,
    /// With SYN: the longest payload that the sender can take.
    pub(crate) payload: u16,
    /// Without payload: what has come out of order.
    pub(crate) ranges: [Option<Range>; MAX_RANGES],
}

/// A segment with the ports of `struct wrenhdr`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) source: u16,
    pub(crate) dest: u16,
    pub(crate) segment: Segment,
}

/// Why something is not a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    /// Shorter than its header, or than that says.
    Short,
    /// Another version, or not a type of this protocol.
    Kind,
    /// No checksum.
    Unchecked,
    /// Flags that are not known, or do not go together.
    Flags,
    /// A window, payload or acknowledgment that cannot be.
    Value,
    /// Ranges that are none, or too many, or where none may be.
    Ranges,
}

impl Segment {
    /// A segment of which nothing is set but what is given.
    pub(super) fn new(kind: Kind, flags: Flags, seq: Seq) -> Self {
        Self {
            kind,
            flags,
            seq,
            len: 0,
            ack: Seq::new(0),
            window: 0,
            stamp: Seq::new(0),
            echo: Seq::new(0),
            payload: 0,
            ranges: [None; MAX_RANGES],
        }
    }

    /// The number behind the payload: that of the FIN, if there is one.
    pub(super) fn data_end(&self) -> Seq {
        self.seq + u32::from(self.len)
    }

    /// The number behind the segment.
    pub(super) fn end(&self) -> Seq {
        let marks = self.flags.has(Flags::SYN.with(Flags::FIN));
        self.data_end() + u32::from(marks)
    }

    /// Bytes of the header.
    pub(crate) fn size(&self) -> usize {
        if self.flags.has(Flags::SYN) {
            SIZE + SYN_SIZE
        } else {
            SIZE + RANGE_SIZE * self.ranges.iter().flatten().count()
        }
    }

    /// Whether the parts go together, whatever the connection.
    fn check(&self) -> Result<(), Malformed> {
        let flags = self.flags;
        let alone = flags.has(Flags::SYN.with(Flags::RST));
        let sender = flags.has(Flags::SYN) && flags.has(Flags::RST.with(Flags::FIN))
            || flags.has(Flags::RST) && flags.has(Flags::FIN);
        let marks = flags.has(Flags::PUSH.with(Flags::EOR)) && self.len == 0
            || flags.has(Flags::EOR) && self.kind == Kind::Stream;
        if sender || marks || !alone && !flags.has(Flags::ACK) {
            return Err(Malformed::Flags);
        }
        let acks =
            flags.has(Flags::ACK) || (self.ack, self.window, self.echo) == Default::default();
        let syn = !flags.has(Flags::SYN) || self.payload >= MIN_PAYLOAD;
        if !acks || !syn || self.window > MAX_WINDOW || alone && self.len != 0 {
            return Err(Malformed::Value);
        }
        let mut ranges = self.ranges.iter().flatten();
        if ranges.clone().next().is_some() && (alone || self.len != 0)
            || !ranges.all(|range| range.start().after(self.ack))
        {
            return Err(Malformed::Ranges);
        }
        Ok(())
    }
}

/// Takes numbers from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    fn seq(&mut self) -> Result<Seq, Malformed> {
        self.u32().map(Seq::new)
    }
}

/// Puts numbers in front of what is left of a buffer.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let (place, rest) = core::mem::take(&mut self.0).split_first_chunk_mut()?;
        *place = bytes;
        self.0 = rest;
        Some(())
    }
}

impl Header {
    /// Reads the header at the start of `frame`, which begins behind the Ethernet header. The
    /// checksum has to be there, but whether it is right is the caller's to find out.
    ///
    /// # Errors
    ///
    /// Why it is not one.
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let reader = &mut Reader(frame);
        let [version, kind] = reader.take()?;
        let kind = match (version, kind) {
            (VERSION, 2) => Kind::Stream,
            (VERSION, 3) => Kind::SeqPacket,
            _ => return Err(Malformed::Kind),
        };
        let (source, dest, len) = (reader.u16()?, reader.u16()?, reader.u16()?);
        if reader.u16()? == 0 {
            return Err(Malformed::Unchecked);
        }
        let [flags, count] = reader.take()?;
        if flags & !Flags::ALL != 0 {
            return Err(Malformed::Flags);
        }
        let mut segment = Segment {
            len,
            ..Segment::new(kind, Flags(flags), reader.seq()?)
        };
        segment.ack = reader.seq()?;
        segment.window = reader.u32()?;
        segment.stamp = reader.seq()?;
        segment.echo = reader.seq()?;
        let count = usize::from(count);
        if count > MAX_RANGES || count > 0 && segment.flags.has(Flags::SYN) {
            return Err(Malformed::Ranges);
        }
        if segment.flags.has(Flags::SYN) {
            segment.payload = reader.u16()?;
            if reader.u16()? != 0 {
                return Err(Malformed::Value);
            }
        }
        for slot in segment.ranges.iter_mut().take(count) {
            let range = Range::new(reader.seq()?, reader.seq()?);
            *slot = Some(range.ok_or(Malformed::Ranges)?);
        }
        if reader.0.len() < usize::from(len) {
            return Err(Malformed::Short);
        }
        segment.check()?;
        Ok(Self {
            source,
            dest,
            segment,
        })
    }

    /// Writes the header, [`Segment::size`] bytes, to the start of `frame`; the checksum is zero.
    /// Returns `None` if they do not fit.
    pub(crate) fn write(&self, frame: &mut [u8]) -> Option<()> {
        let segment = &self.segment;
        let syn = segment.flags.has(Flags::SYN);
        let ranges = segment.ranges.iter().flatten().filter(|_| !syn);
        let count = ranges
            .clone()
            .fold(0, |count: u8, _| count.saturating_add(1));
        let writer = &mut Writer(frame);
        writer.put([VERSION, segment.kind as u8])?;
        writer.put(self.source.to_be_bytes())?;
        writer.put(self.dest.to_be_bytes())?;
        writer.put(segment.len.to_be_bytes())?;
        writer.put([0; 2])?;
        writer.put([segment.flags.0, count])?;
        writer.put(segment.seq.get().to_be_bytes())?;
        writer.put(segment.ack.get().to_be_bytes())?;
        writer.put(segment.window.to_be_bytes())?;
        writer.put(segment.stamp.get().to_be_bytes())?;
        writer.put(segment.echo.get().to_be_bytes())?;
        if syn {
            writer.put(segment.payload.to_be_bytes())?;
            writer.put([0; 2])?;
        }
        for range in ranges {
            writer.put(range.start().get().to_be_bytes())?;
            writer.put(range.end().get().to_be_bytes())?;
        }
        Some(())
    }
}
