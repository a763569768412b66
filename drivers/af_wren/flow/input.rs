// SPDX-License-Identifier: GPL-2.0

//! A segment has come: RFC 9293, 3.10.7, with the checks of RFC 5961.

use super::{
    ack,
    connection::{
        Connection,
        Error,
        News, //
    },
    listen::reset,
    ranges::Range,
    reassembly::Refused,
    recovery::Phase,
    seq::Seq,
    state::State,
    wire::{
        Flags,
        Segment, //
    },
    MAX_WINDOW, //
};

/// What to do with the packet of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Keep `len` bytes of the payload, from `skip` on: they begin at number `seq`. A record ends
    /// with them if all that follows was kept and the segment says so.
    Keep { seq: Seq, skip: u16, len: u16 },
    /// It has served its purpose: free it, without a reason.
    Consume,
    /// Drop it, with a reason.
    Drop(Dropped),
}

/// Why a segment is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    /// Of the other kind of socket, or for no state that the connection is in.
    Unexpected,
    /// Older than one that was answered.
    Old,
    /// Outside of the window.
    OutOfWindow,
    /// It acknowledges what was not sent.
    BadAck,
    /// All of it had come.
    Duplicate,
    /// Too much has come out of order.
    TooManyHoles,
    /// A reset or a SYN with a number that is not the expected one.
    BadReset,
}

impl Connection {
    /// A segment of this connection has come. Its payload belongs to who called, as [`Fate`] says;
    /// what has come in order is counted in [`News::readable`].
    pub(crate) fn segment(&mut self, now: u64, segment: &Segment) -> (Fate, News) {
        let mut news = News::default();
        let fate = if segment.kind != self.config.kind {
            Err(Dropped::Unexpected)
        } else {
            match self.state {
                State::Closed => Err(Dropped::Unexpected),
                State::SynSent => self.syn_sent(now, segment, &mut news),
                _ => self.other(now, segment, &mut news),
            }
        };
        (fate.unwrap_or_else(Fate::Drop), news)
    }

    fn syn_sent(&mut self, now: u64, segment: &Segment, news: &mut News) -> Result<Fate, Dropped> {
        let flags = segment.flags;
        let acks = flags.has(Flags::ACK);
        if acks && (segment.ack != self.next || self.next == self.una) {
            if !flags.has(Flags::RST) && self.limit.admit(now) {
                self.reset = Some(reset(segment));
            }
            return Err(Dropped::BadAck);
        }
        if flags.has(Flags::RST) {
            if !acks {
                return Err(Dropped::BadReset);
            }
            *news = self.finish(Some(Error::Refused));
            return Ok(Fate::Consume);
        }
        if !flags.has(Flags::SYN) {
            return Err(Dropped::Unexpected);
        }
        self.learn(segment, now);
        if acks {
            self.established(now, segment, news);
            self.owed.urgent();
        } else {
            // Both have asked at the same time.
            self.state = State::SynReceived;
            self.syn = true;
        }
        Ok(Fate::Consume)
    }

    fn established(&mut self, now: u64, segment: &Segment, news: &mut News) {
        self.state = State::Established;
        self.syn = false;
        news.connected = true;
        self.acknowledge(now, segment, news);
        self.arm_keepalive(now);
    }

    /// A segment that does not fit is answered with what is expected, so that a peer that is only
    /// out of step can find back.
    fn challenge(&mut self, now: u64) {
        if self.limit.admit(now) {
            self.owed.urgent();
        }
    }

    fn other(&mut self, now: u64, segment: &Segment, news: &mut News) -> Result<Fate, Dropped> {
        let flags = segment.flags;
        let (next, edge) = (self.received.next(), self.window.edge());

        if flags.has(Flags::RST) {
            return self.reset_came(now, segment, news);
        }
        if flags.has(Flags::SYN) {
            // The first one again: our answer was lost. Another one: RFC 5961, 4.
            let again = self.state == State::SynReceived && segment.end() == next;
            if again && !flags.has(Flags::ACK) {
                self.syn |= self.limit.admit(now);
                return Err(Dropped::Duplicate);
            }
            self.challenge(now);
            return Err(Dropped::BadReset);
        }
        if self.stamps.is_old(now, segment.stamp) {
            self.answer_misfit(now, segment);
            return Err(Dropped::Old);
        }
        // A segment that ends where the next one begins is a duplicate, and one that begins at the
        // edge of the window does not fit in; but both tell what the peer has received.
        if segment.end().before(next) || segment.seq.after(edge.later(next)) {
            self.answer_misfit(now, segment);
            return Err(if segment.end().before(next) && segment.len > 0 {
                Dropped::Duplicate
            } else {
                Dropped::OutOfWindow
            });
        }
        if segment.ack.after(self.next) || segment.ack.before(self.una - MAX_WINDOW) {
            if self.state == State::SynReceived {
                if self.limit.admit(now) {
                    self.reset = Some(reset(segment));
                }
            } else {
                self.challenge(now);
            }
            return Err(Dropped::BadAck);
        }
        if self.state == State::SynReceived && !segment.ack.after(self.una) {
            return Err(Dropped::BadAck);
        }

        self.heard = now;
        self.probes = 0;
        self.arm_keepalive(now);
        if !segment.seq.after(self.acked) {
            self.stamps.keep(now, segment.stamp);
        }
        if self.state == State::SynReceived {
            self.established(now, segment, news);
        } else {
            self.acknowledge(now, segment, news);
        }
        if self.state == State::Closed {
            return Ok(Fate::Consume);
        }
        self.receive(now, segment, news)
    }

    /// The answer to a segment that is outside of the window: at once, if it has something in it
    /// that has to be acknowledged. The others, and there may be many, only so often.
    fn answer_misfit(&mut self, now: u64, segment: &Segment) {
        if segment.end() != segment.seq {
            self.owed.urgent();
        } else {
            self.challenge(now);
        }
    }

    /// RFC 5961, 3: who does not know exactly what is expected cannot end a connection.
    fn reset_came(
        &mut self,
        now: u64,
        segment: &Segment,
        news: &mut News,
    ) -> Result<Fate, Dropped> {
        let next = self.received.next();
        if segment.seq != next {
            if segment.seq.after(next) && segment.seq.before(self.window.edge()) {
                self.challenge(now);
            }
            return Err(Dropped::BadReset);
        }
        let error = (!self.state.is_over()).then_some(Error::Reset);
        *news = self.finish(error);
        Ok(Fate::Consume)
    }

    /// What the peer says about what we have sent.
    fn acknowledge(&mut self, now: u64, segment: &Segment, news: &mut News) {
        let (una, ack) = (self.una, segment.ack);
        let (flight, outstanding) = (self.flight(), self.next.since(una));
        let advance = ack.beyond(una);
        if !ack.before(una) {
            self.peer.update(ack, segment.window);
        }
        let reported = self.recovery.report(una, self.next, &segment.ranges);
        if advance > 0 {
            news.acked = ack.earlier(self.end).beyond(self.first_unacked());
            self.una = ack;
            self.progress = now;
            if ack.after(self.timed) {
                self.rtt.sample(self.stamps.elapsed(now, segment.echo));
                self.timed = self.next;
            }
            self.rtt.settle();
            self.recovery.advance(ack);
            let slow = self.recovery.phase() == Phase::Timeout;
            if self.recovery.phase() != Phase::Fast {
                self.congestion.acked(advance, flight, self.payload, slow);
            }
            self.timers.retransmit = self.answer_due(now);
        } else if reported && segment.len == 0 {
            self.recovery.duplicate();
        }
        if reported && self.recovery.detect(self.una, self.next, self.payload) {
            self.congestion.halve(outstanding, self.payload);
        }
        if self.peer.usable(self.next) > 0 {
            self.timers.persist = None;
        }
        if self.fin_sent() && self.una == self.next && advance > 0 {
            match self.state.after_ack_of_fin() {
                State::TimeWait => self.time_wait(now),
                State::Closed => {
                    *news = News {
                        acked: news.acked,
                        ..self.finish(None)
                    }
                }
                state => self.state = state,
            }
        }
        if self.orphan && advance > 0 && self.state.is_synchronised() {
            self.linger(now);
        }
    }

    /// When an answer to what is on its way is late.
    pub(super) fn answer_due(&self, now: u64) -> Option<u64> {
        let due = now.saturating_add(self.rtt.wait());
        (self.una != self.next).then(|| due.min(self.give_up(now)))
    }

    /// Nobody has a file for it, but it goes on.
    fn linger(&mut self, now: u64) {
        if self.state != State::TimeWait {
            self.timers.end = Some(now.saturating_add(self.config.options.linger));
        }
    }

    /// The payload and the FIN.
    fn receive(&mut self, now: u64, segment: &Segment, news: &mut News) -> Result<Fate, Dropped> {
        let fin = segment.flags.has(Flags::FIN);
        if segment.len == 0 && !fin {
            return Ok(Fate::Consume);
        }
        let next = self.received.next();
        if !self.state.can_receive() {
            // It was answered, but the answer was lost.
            self.owed.urgent();
            if self.state == State::TimeWait {
                self.time_wait(now);
            }
            return Err(Dropped::Duplicate);
        }
        if self.orphan && segment.data_end().after(next) {
            // Nobody will read it.
            *news = News {
                acked: news.acked,
                ..self.abort()
            };
            return Ok(Fate::Consume);
        }
        // What follows the end of the window does not come in, nor does a FIN behind that.
        let edge = self.window.edge().later(next);
        if fin && !segment.data_end().after(edge) {
            self.received.fin(segment.data_end());
        }
        let holes = self.received.has_holes();
        let kept = match Range::new(segment.seq, segment.data_end()) {
            Some(range) => self.received.accept(range, edge).map(Some),
            None => Ok(None),
        };
        let came = self.received.next().since(next);
        self.unread = self.unread.saturating_add(came);
        news.readable = came;
        if self.received.pass_fin() {
            news.finished = true;
            self.owed.urgent();
            match self.state.after_fin() {
                State::TimeWait => self.time_wait(now),
                state => self.state = state,
            }
        }
        // At once if it leaves a hole, or fills one, or is of no use: RFC 5681, 4.2.
        if holes || came == 0 || segment.data_end().after(edge) || fin {
            self.owed.urgent();
        } else if self.owed.segment() {
            self.timers
                .ack
                .get_or_insert(now.saturating_add(ack::DELAY));
        }
        match kept {
            Ok(Some(part)) => Ok(Fate::Keep {
                seq: part.start(),
                // Both are parts of a payload.
                skip: part.start().since(segment.seq) as u16,
                len: part.len() as u16,
            }),
            Ok(None) => Ok(Fate::Consume),
            Err(Refused::Duplicate) => Err(Dropped::Duplicate),
            Err(Refused::Beyond) => Err(Dropped::OutOfWindow),
            Err(Refused::TooMany) => Err(Dropped::TooManyHoles),
        }
    }

    /// The peer was heard, or asked.
    pub(super) fn arm_keepalive(&mut self, now: u64) {
        if let Some(keepalive) = self.config.options.keepalive {
            let wait = if self.probes == 0 {
                keepalive.idle
            } else {
                keepalive.interval
            };
            if self.state.is_synchronised() && self.state != State::TimeWait {
                self.timers.keepalive = Some(now.saturating_add(wait));
            }
        }
    }
}
