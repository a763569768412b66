// SPDX-License-Identifier: GPL-2.0

//! A connection, and what a program does with it.

use super::{
    ack::{
        Limit,
        Owed, //
    },
    congestion::Congestion,
    reassembly::Reassembly,
    recovery::Recovery,
    rtt::Rtt,
    seq::Seq,
    stamp::Stamps,
    state::State,
    timers::Timers,
    window::{
        ReceiveWindow,
        SendWindow, //
    },
    wire::{
        Flags,
        Kind,
        Segment, //
    },
    MAX_WINDOW,
    MIN_PAYLOAD,
    SECOND, //
};

/// What a connection is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) kind: Kind,
    /// The longest payload that the device can send and receive.
    pub(crate) payload: u16,
    /// Bytes that there is room for; see [`Connection::set_room`].
    pub(crate) room: u32,
    /// The first sequence number: one that others cannot guess.
    pub(crate) start: u32,
    /// What the clock of time stamps starts from: likewise.
    pub(crate) clock: u32,
    pub(crate) options: Options,
}

/// What a program may change at any time; see [`Connection::configure`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Send short segments although others are on their way (TCP_NODELAY).
    pub(crate) nodelay: bool,
    /// Give up when the peer has not answered for so long (TCP_USER_TIMEOUT), in nanoseconds.
    pub(crate) patience: u64,
    /// Ask whether the peer is there when nothing was heard of it for so long, in nanoseconds, then
    /// as often and at such intervals (SO_KEEPALIVE).
    pub(crate) keepalive: Option<Keepalive>,
    /// How long a connection that nobody has a file for may go on without progress, in nanoseconds.
    pub(crate) linger: u64,
}

/// When to ask whether the peer is there; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) idle: u64,
    pub(crate) interval: u64,
    pub(crate) probes: u8,
}

/// Why a call fails, or why a connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// ECONNREFUSED: nobody listens there.
    Refused,
    /// ECONNRESET: the peer has no such connection any more.
    Reset,
    /// ETIMEDOUT: the peer does not answer.
    TimedOut,
    /// ENOTCONN: there is no connection yet.
    NotConnected,
    /// EPIPE: after the end of what was to be written.
    Pipe,
}

/// What an event has changed for who called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct News {
    /// The handshake is over: wake who connects, or hand the connection to who accepts.
    pub(crate) connected: bool,
    /// So many bytes at the head of the queue of those that were written have come to the peer.
    /// Free them, and wake the writer.
    pub(crate) acked: u32,
    /// So many bytes more have come in order. Move them to the reader, and wake it.
    pub(crate) readable: u32,
    /// Nothing comes after them: wake the reader.
    pub(crate) finished: bool,
    /// The connection has failed: wake all.
    pub(crate) error: Option<Error>,
    /// There is no connection any more. Call `transmit` until it gives nothing, and let go.
    pub(crate) closed: bool,
}

/// How a connection goes, for who looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Info {
    /// Bytes that are on their way.
    pub(crate) flight: u32,
    /// Bytes that may be, because of congestion.
    pub(crate) congestion: u32,
    /// Above this that grows slowly.
    pub(crate) threshold: u32,
    /// Bytes that the peer can take.
    pub(crate) window: u32,
    /// Bytes that were written, and are not acknowledged.
    pub(crate) queued: u32,
    /// The longest payload of a segment.
    pub(crate) payload: u32,
    /// How long to wait for an answer, in nanoseconds (RTO).
    pub(crate) wait: u64,
    /// A round trip, in nanoseconds; 0 if that is not known.
    pub(crate) rtt: u64,
}

/// How long TIME-WAIT takes: see `Documentation/flow.rst`.
pub(super) const TIME_WAIT: u64 = SECOND;

/// A connection.
///
/// # Invariants
///
/// * Our SYN is number `start`, the bytes of the program follow, then comes our FIN. On their
///   circle `start`, `una`, `next` and `end + 1` come in this order.
/// * `next - una` and `end - una` are at most [`MAX_WINDOW`] and 2.
pub(crate) struct Connection {
    pub(super) config: Config,
    pub(super) state: State,
    /// The longest payload to send: what both ends can take.
    pub(super) payload: u32,

    /// All before this is acknowledged (SND.UNA).
    pub(super) una: Seq,
    /// The number of what is sent next for the first time (SND.NXT).
    pub(super) next: Seq,
    /// The number behind the last byte that was written: that of our FIN.
    pub(super) end: Seq,
    pub(super) peer: SendWindow,
    pub(super) recovery: Recovery,
    pub(super) congestion: Congestion,
    pub(super) rtt: Rtt,
    /// The answer to what has this number, or comes later, tells how long a round trip takes.
    pub(super) timed: Seq,
    /// When something was sent last.
    pub(super) sent: u64,
    /// When the peer has last acknowledged something, or answered, or had nothing to acknowledge.
    pub(super) progress: u64,
    /// Questions that were asked since the peer was heard.
    pub(super) probes: u8,
    /// Questions about the window since something could be sent.
    pub(super) shut: u8,

    pub(super) received: Reassembly,
    pub(super) window: ReceiveWindow,
    /// Bytes that have come in order and were not read.
    pub(super) unread: u32,
    pub(super) owed: Owed,
    /// The last acknowledgment that was sent (Last.ACK.sent).
    pub(super) acked: Seq,
    pub(super) stamps: Stamps,
    /// When something was heard of the peer.
    pub(super) heard: u64,
    pub(super) limit: Limit,

    pub(super) timers: Timers,
    /// A SYN has to be sent, for the first time or again.
    pub(super) syn: bool,
    /// A question has to be sent.
    pub(super) probe: bool,
    /// A reset has to be sent.
    pub(super) reset: Option<Segment>,
    /// There is no file any more: nobody will read.
    pub(super) orphan: bool,
}

impl Connection {
    fn new(config: Config, state: State, now: u64) -> Self {
        let start = Seq::new(config.start);
        let payload = config.payload.max(MIN_PAYLOAD);
        let none = Seq::new(0);
        Self {
            config: Config { payload, ..config },
            state,
            payload: payload.into(),
            una: start,
            next: start,
            end: start + 1,
            peer: SendWindow::new(start),
            recovery: Recovery::new(start),
            congestion: Congestion::new(payload.into()),
            rtt: Rtt::new(),
            timed: start,
            sent: now,
            progress: now,
            probes: 0,
            shut: 0,
            received: Reassembly::new(none),
            window: ReceiveWindow::new(none, config.room),
            unread: 0,
            owed: Owed::default(),
            acked: none,
            stamps: Stamps::new(config.clock),
            heard: now,
            limit: Limit::default(),
            timers: Timers::default(),
            syn: true,
            probe: false,
            reset: None,
            orphan: false,
        }
    }

    /// Asks for a connection.
    pub(crate) fn connect(config: Config, now: u64) -> Self {
        Self::new(config, State::SynSent, now)
    }

    /// Answers the request `syn`, see [`answer`](super::answer).
    pub(crate) fn accept(config: Config, syn: &Segment, now: u64) -> Self {
        let mut this = Self::new(config, State::SynReceived, now);
        this.learn(syn, now);
        this
    }

    /// The peer's SYN has come.
    pub(super) fn learn(&mut self, syn: &Segment, now: u64) {
        let next = syn.end();
        self.received = Reassembly::new(next);
        self.window = ReceiveWindow::new(next, self.config.room);
        self.acked = next;
        self.stamps.keep(now, syn.stamp);
        self.heard = now;
        self.payload = self.payload.min(syn.payload.max(MIN_PAYLOAD).into());
        self.congestion = Congestion::new(self.payload);
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// When [`timer`](Self::timer) has to be called.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    /// The number of the first byte in the queue of those that were written.
    pub(crate) fn first_unacked(&self) -> Seq {
        self.una
            .later(Seq::new(self.config.start) + 1)
            .earlier(self.end)
    }

    /// Bytes that have come in order and were not read.
    pub(crate) fn unread(&self) -> u32 {
        self.unread
    }

    /// The number behind the last byte, or the FIN, that has come in order.
    pub(crate) fn received(&self) -> Seq {
        self.received.next()
    }

    /// The peer has nothing more to write, and all that it has written has come.
    pub(crate) fn is_finished(&self) -> bool {
        self.received.is_complete()
    }

    pub(crate) fn info(&self) -> Info {
        Info {
            flight: self.flight(),
            congestion: self.congestion.window(),
            threshold: self.congestion.threshold(),
            window: self.peer.usable(self.una),
            queued: self.end.beyond(self.una),
            payload: self.payload,
            wait: self.rtt.wait(),
            rtt: self.rtt.smoothed(),
        }
    }

    /// `bytes` were added to the queue of those that are to be sent. Returns how many of them the
    /// connection takes, all unless the queue is absurdly long; take the rest away again.
    ///
    /// # Errors
    ///
    /// `NotConnected` or `Pipe`.
    pub(crate) fn write(&mut self, bytes: u32) -> Result<u32, Error> {
        match self.state {
            State::SynSent | State::SynReceived => return Err(Error::NotConnected),
            state if !state.can_write() => return Err(Error::Pipe),
            _ => {}
        }
        let taken = bytes.min(MAX_WINDOW.saturating_sub(self.end.since(self.una)));
        self.end = self.end + taken;
        Ok(taken)
    }

    /// `bytes` of those that have come in order were read: there is room again.
    pub(crate) fn read(&mut self, bytes: u32) {
        self.unread = self.unread.saturating_sub(bytes);
        self.tell_window();
    }

    /// There is room for so many bytes, those that were not read included. What the peer was
    /// promised before it may still send.
    pub(crate) fn set_room(&mut self, bytes: u32) {
        self.config.room = bytes;
        self.window.set_capacity(bytes);
        self.tell_window();
    }

    /// The program has changed its mind.
    pub(crate) fn configure(&mut self, now: u64, options: Options) {
        self.config.options = options;
        let give_up = self.give_up(now);
        self.timers.retransmit = self.timers.retransmit.map(|at| at.min(give_up));
        self.timers.keepalive = None;
        self.arm_keepalive(now);
    }

    /// When patience ends with a peer that does not answer.
    pub(super) fn give_up(&self, now: u64) -> u64 {
        let patience = self.config.options.patience;
        self.progress.saturating_add(patience).max(now)
    }

    fn tell_window(&mut self) {
        let next = self.received.next();
        if self.state.can_receive() && self.window.is_news(next, self.unread, self.payload) {
            self.owed.urgent();
        }
    }

    /// Nothing will be written after this: shutdown(SHUT_WR).
    ///
    /// # Errors
    ///
    /// `NotConnected`.
    pub(crate) fn shutdown_write(&mut self) -> Result<(), Error> {
        if matches!(
            self.state,
            State::SynSent | State::SynReceived | State::Closed
        ) {
            return Err(Error::NotConnected);
        }
        self.state = self.state.after_shutdown();
        Ok(())
    }

    /// There is no file any more. What was written is still sent, but if there is something that
    /// nobody will read, the peer is told so with a reset (RFC 2525, 2.17).
    pub(crate) fn close(&mut self, now: u64) -> News {
        self.orphan = true;
        if self.unread > 0 || !self.state.is_synchronised() {
            return self.abort();
        }
        self.state = self.state.after_shutdown();
        if self.state != State::TimeWait {
            self.timers.end = Some(now.saturating_add(self.config.options.linger));
        }
        News::default()
    }

    /// Ends it at once: close() with SO_LINGER and no time. The peer gets a reset.
    pub(crate) fn abort(&mut self) -> News {
        if self.state.is_synchronised() && self.state != State::TimeWait
            || self.state == State::SynReceived
        {
            let mut reset = Segment::new(self.config.kind, Flags::RST.with(Flags::ACK), self.next);
            reset.ack = self.received.next();
            self.reset = Some(reset);
        }
        self.finish(None)
    }

    /// There is no connection any more.
    pub(super) fn finish(&mut self, error: Option<Error>) -> News {
        self.state = State::Closed;
        self.timers = Timers::default();
        self.syn = false;
        self.probe = false;
        News {
            error,
            closed: true,
            ..News::default()
        }
    }

    /// Nothing is left to be said.
    pub(super) fn time_wait(&mut self, now: u64) {
        self.state = State::TimeWait;
        self.timers = Timers {
            end: Some(now.saturating_add(TIME_WAIT)),
            ..Timers::default()
        };
    }

    /// Our FIN was sent.
    pub(super) fn fin_sent(&self) -> bool {
        self.next.after(self.end)
    }

    /// Our FIN has to be sent.
    pub(super) fn fin_due(&self) -> bool {
        self.next == self.end && self.state.can_send() && !self.state.can_write()
    }

    /// Bytes that are on their way.
    pub(super) fn flight(&self) -> u32 {
        self.recovery.flight(self.una, self.next)
    }
}
