// SPDX-License-Identifier: GPL-2.0

//! What to send next.

use super::{
    ack::Owed,
    connection::Connection,
    rtt,
    seq::Seq,
    state::State,
    wire::{
        Flags,
        Segment, //
    },
};

/// The end of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cut {
    /// Bytes of the segment.
    pub(crate) len: u32,
    /// A record ends with them.
    pub(crate) eor: bool,
}

/// The bytes that were written.
pub(crate) trait WriteQueue {
    /// Where a segment should end that begins at `from` and has no more than `most` bytes, which
    /// are all there: not behind the end of a record. It has one byte at least.
    fn cut(&self, from: Seq, most: u32) -> Cut;
}

impl Connection {
    /// Returns the next segment to send, if there is one. Where it has payload, that is `len` bytes
    /// of `queue` from number `seq` on. Without `data` only what costs nothing is sent:
    /// acknowledgments, and what begins and ends a connection; that is for a sender that has
    /// enough in the queues below it, and calls again when it has less.
    pub(crate) fn transmit(
        &mut self,
        now: u64,
        queue: &impl WriteQueue,
        data: bool,
    ) -> Option<Segment> {
        if let Some(reset) = self.reset.take() {
            return Some(reset);
        }
        if self.state == State::Closed {
            return None;
        }
        if self.syn {
            self.syn = false;
            return Some(self.send_syn(now));
        }
        // Ranges are only reported without payload.
        if self.owed.is_urgent() && self.received.has_holes() {
            return Some(self.build(now, Flags::ACK, self.next, 0));
        }
        if data && self.state.can_send() {
            let segment = self.resend(now, queue);
            if let Some(segment) = segment.or_else(|| self.send_new(now, queue)) {
                return Some(segment);
            }
        }
        if self.probe {
            // A number that has come already makes the peer answer (RFC 9293, 3.8.4).
            self.probe = false;
            return Some(self.build(now, Flags::ACK, self.una - 1, 0));
        }
        if self.owed.is_urgent() {
            return Some(self.build(now, Flags::ACK, self.next, 0));
        }
        if data {
            self.wait_for_window(now);
        }
        None
    }

    /// A segment with all that the peer has to know.
    fn build(&mut self, now: u64, flags: Flags, seq: Seq, len: u32) -> Segment {
        let mut segment = Segment::new(self.config.kind, flags, seq);
        // No more than `payload`.
        segment.len = len as u16;
        segment.stamp = self.stamps.now(now);
        if flags.has(Flags::ACK) {
            let next = self.received.next();
            segment.ack = next;
            segment.window = self.window.advance(next, self.unread, self.payload);
            segment.echo = self.stamps.echo();
            if len == 0 && !flags.has(Flags::SYN) {
                segment.ranges = self.received.report();
            }
            self.acked = next;
            self.owed = Owed::default();
            self.timers.ack = None;
        }
        segment
    }

    fn send_syn(&mut self, now: u64) -> Segment {
        let answers = Flags::ACK.when(self.state == State::SynReceived);
        let mut segment = self.build(now, Flags::SYN.with(answers), self.una, 0);
        segment.payload = self.config.payload;
        self.next = segment.end();
        self.expect_answer(now);
        segment
    }

    /// Something was sent that has to be acknowledged.
    fn expect_answer(&mut self, now: u64) {
        self.sent = now;
        if self.timers.retransmit.is_none() {
            self.timers.retransmit = self.answer_due(now);
        }
    }

    /// What was lost.
    fn resend(&mut self, now: u64, queue: &impl WriteQueue) -> Option<Segment> {
        let hole = self.recovery.hole(self.una)?;
        let start = hole.start();
        let most = hole.end().earlier(self.end).beyond(start);
        let cut = self.cut(queue, start, most);
        if !self.recovery.is_at_once() && !self.has_room_for(cut.len) {
            return None;
        }
        let fin = start + cut.len == self.end && hole.end().after(self.end);
        let segment = self.build_data(now, start, cut, fin);
        self.recovery.resent(segment.end());
        self.expect_answer(now);
        Some(segment)
    }

    /// What was not sent yet.
    fn send_new(&mut self, now: u64, queue: &impl WriteQueue) -> Option<Segment> {
        let queued = self.end.beyond(self.next);
        let idle = self.una == self.next;
        if queued == 0 && !self.fin_due() {
            return None;
        }
        let most = queued.min(self.peer.usable(self.next));
        if most == 0 && queued != 0 {
            return None;
        }
        if idle && now.saturating_sub(self.sent) > self.rtt.wait() {
            self.congestion.restart(self.payload);
        }
        let cut = self.cut(queue, self.next, most);
        if queued != 0 && !self.is_worth_it(cut, most, queued) || !self.has_room_for(cut.len) {
            return None;
        }
        let fin = cut.len == queued && !self.state.can_write();
        let segment = self.build_data(now, self.next, cut, fin);
        self.next = segment.end();
        if idle {
            self.progress = now;
        }
        self.probe = false;
        self.shut = 0;
        self.timers.persist = None;
        self.expect_answer(now);
        Some(segment)
    }

    /// Asks for the end of a segment, and does not depend on the answer.
    fn cut(&self, queue: &impl WriteQueue, from: Seq, most: u32) -> Cut {
        let most = most.min(self.payload);
        if most == 0 {
            return Cut { len: 0, eor: false };
        }
        let cut = queue.cut(from, most);
        Cut {
            len: cut.len.clamp(1, most),
            ..cut
        }
    }

    /// Whether the congestion window allows to send so many bytes.
    fn has_room_for(&self, bytes: u32) -> bool {
        let flight = self.flight();
        flight == 0 || flight.saturating_add(bytes) <= self.congestion.window()
    }

    /// Whether a segment should be sent now, and not later when it could be longer: RFC 9293,
    /// 3.8.6.2.1 and 3.7.4. `most` of the `queued` bytes are allowed by the window.
    fn is_worth_it(&self, cut: Cut, most: u32, queued: u32) -> bool {
        if cut.len == self.payload || cut.len < most || cut.eor {
            return true;
        }
        if most == queued {
            // Nagle: something short, and more may be written.
            self.config.options.nodelay || self.una == self.next || !self.state.can_write()
        } else {
            cut.len >= self.peer.largest() / 2 || self.probe
        }
    }

    fn build_data(&mut self, now: u64, seq: Seq, cut: Cut, fin: bool) -> Segment {
        let some = cut.len != 0;
        let flags = Flags::ACK
            .with(Flags::FIN.when(fin))
            .with(Flags::PUSH.when(some && seq + cut.len == self.end))
            .with(Flags::EOR.when(some && cut.eor));
        self.build(now, flags, seq, cut.len)
    }

    /// Something is queued and cannot be sent, and nothing is on its way whose answer would change
    /// that: ask, in case the peer's word that the window has opened was lost.
    fn wait_for_window(&mut self, now: u64) {
        let waits = self.una == self.next && self.state.can_send() && self.end.after(self.next);
        if waits && self.timers.persist.is_none() {
            self.timers.persist = Some(now.saturating_add(self.persist_wait()));
        }
    }

    /// How long to wait before the next question about the window.
    pub(super) fn persist_wait(&self) -> u64 {
        let doubled = self.rtt.wait().checked_shl(self.shut.into());
        doubled.unwrap_or(rtt::MAX).clamp(rtt::MIN, rtt::MAX)
    }
}
