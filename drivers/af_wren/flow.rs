// SPDX-License-Identifier: GPL-2.0

//! The protocol of connected sockets, as logic alone: it knows numbers, and no packet, clock or
//! lock. `Documentation/flow.rst` has the format of a segment and the differences from TCP.
//!
//! A [`Connection`] is told what happens: [`segment`](Connection::segment),
//! [`write`](Connection::write), [`read`](Connection::read), [`timer`](Connection::timer),
//! [`close`](Connection::close). It says what to do in three ways:
//!
//! * each of these returns [`News`]: what has become free, what can be read, whom to wake;
//! * [`transmit`](Connection::transmit) gives the next segment to send, until there is none. Call
//!   it after each event, and when there is room below the socket again;
//! * [`deadline`](Connection::deadline) is when `timer` has to be called.
//!
//! The bytes are in the queues of who calls: those that were written and are not yet acknowledged,
//! and those that have come. A segment that could not be made, for want of memory, is as good as
//! lost on the wire, and nothing has to be told. The same is true for one that came and cannot be
//! kept: do not mention it.
//!
//! Times are nanoseconds of a monotonic clock. Calls have to be serialised, as by the lock of a
//! socket. Nothing here panics, whatever a peer sends.

mod ack;
pub(crate) mod congestion;
mod connection;
mod expiry;
mod input;
mod listen;
mod output;
pub(crate) mod ranges;
mod reassembly;
mod recovery;
pub(crate) mod rtt;
mod seq;
mod stamp;
mod state;
mod timers;
mod window;
mod wire;

pub(crate) use self::{
    connection::{
        Config,
        Connection,
        Error,
        Info,
        Keepalive,
        News,
        Options, //
    },
    input::{
        Dropped,
        Fate, //
    },
    listen::{
        answer,
        Answer, //
    },
    output::{
        Cut,
        WriteQueue, //
    },
    seq::Seq,
    state::State,
    wire::{
        Flags,
        Header,
        Kind,
        Malformed,
        Segment,
        MAX_SIZE, //
    },
};

/// A millisecond, in nanoseconds.
const MS: u64 = 1_000_000;

/// A second, in nanoseconds.
const SECOND: u64 = 1_000 * MS;

/// The largest window, and the most bytes that may wait to be acknowledged: so sequence numbers
/// that are in use at a time lie within half of their circle, with room to spare.
const MAX_WINDOW: u32 = 1 << 30;

/// The least payload that a peer may ask for: what is left of the smallest MTU of an Ethernet
/// device (68) behind the header of a segment.
pub(crate) const MIN_PAYLOAD: u16 = 36;
