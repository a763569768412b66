// SPDX-License-Identifier: GPL-2.0

//! Segments that belong to no connection.

use super::wire::{
    Flags,
    Kind,
    Segment, //
};

/// What to do with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It asks for a connection: [`Connection::accept`](super::Connection::accept), if there is
    /// room for one more; else drop it, it will come again.
    Accept,
    /// Send this back.
    Reset(Segment),
    /// Drop it.
    Ignore,
}

/// Decides about a segment that belongs to no connection; `listener` is the kind of the socket that
/// listens on its port, if there is one. Who calls limits how many resets are sent.
pub(crate) fn answer(listener: Option<Kind>, segment: &Segment) -> Answer {
    let flags = segment.flags;
    if flags.has(Flags::RST) {
        return Answer::Ignore;
    }
    if flags.has(Flags::SYN) && !flags.has(Flags::ACK) && listener == Some(segment.kind) {
        return Answer::Accept;
    }
    Answer::Reset(reset(segment))
}

/// The reset that answers a segment: one that the peer will believe.
pub(super) fn reset(segment: &Segment) -> Segment {
    if segment.flags.has(Flags::ACK) {
        return Segment::new(segment.kind, Flags::RST, segment.ack);
    }
    let mut reset = Segment::new(
        segment.kind,
        Flags::RST.with(Flags::ACK),
        super::Seq::new(0),
    );
    reset.ack = segment.end();
    reset
}
