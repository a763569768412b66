// SPDX-License-Identifier: GPL-2.0

//! A time has come.

use super::{
    connection::{
        Connection,
        Error,
        News, //
    },
    state::State,
    timers::expired, //
};

/// Questions about the window that are counted: the wait does not grow after them.
const SHUT_MAX: u8 = 8;

impl Connection {
    /// The [`deadline`](Self::deadline) has come. It does no harm to call it too early.
    pub(crate) fn timer(&mut self, now: u64) -> News {
        if expired(&mut self.timers.ack, now) {
            self.owed.urgent();
        }
        if expired(&mut self.timers.end, now) {
            return self.end();
        }
        let in_vain = expired(&mut self.timers.retransmit, now) && !self.retransmit(now)
            || expired(&mut self.timers.persist, now) && !self.ask_for_window(now)
            || expired(&mut self.timers.keepalive, now) && !self.ask_for_peer(now);
        if in_vain {
            News {
                error: Some(Error::TimedOut),
                ..self.abort()
            }
        } else {
            News::default()
        }
    }

    /// TIME-WAIT is over, or the patience with a connection that nobody has a file for. In
    /// FIN-WAIT-2 the peer has all that we had to say, and is only slow: it gets no reset.
    fn end(&mut self) -> News {
        match self.state {
            State::TimeWait | State::FinWait2 => self.finish(None),
            _ => self.abort(),
        }
    }

    /// No answer has come to what was sent. Returns whether to go on.
    fn retransmit(&mut self, now: u64) -> bool {
        if now.saturating_sub(self.progress) >= self.config.options.patience {
            return false;
        }
        self.rtt.back_off();
        if self.state.is_synchronised() {
            if self.recovery.timeout(self.una, self.next) {
                let outstanding = self.next.since(self.una);
                self.congestion.halve(outstanding, self.payload);
            }
            self.congestion.collapse(self.payload);
        } else {
            self.syn = true;
        }
        self.timers.retransmit = self.answer_due(now);
        true
    }

    /// The window is still too small. A peer that answers may keep it so for as long as it likes.
    fn ask_for_window(&mut self, now: u64) -> bool {
        if self.probes == 0 {
            // The last question was answered.
            self.progress = now;
        } else if now.saturating_sub(self.progress) >= self.config.options.patience {
            return false;
        }
        self.probes = self.probes.saturating_add(1);
        self.shut = self.shut.saturating_add(1).min(SHUT_MAX);
        self.probe = true;
        self.timers.persist = Some(now.saturating_add(self.persist_wait()));
        true
    }

    /// Nothing was heard of the peer.
    fn ask_for_peer(&mut self, now: u64) -> bool {
        let probes = self
            .config
            .options
            .keepalive
            .map_or(0, |keepalive| keepalive.probes);
        if self.una != self.next {
            // It was asked already, by what is on its way.
            self.probes = 0;
        } else if self.probes >= probes {
            return false;
        } else {
            if self.probes == 0 {
                self.progress = now;
            }
            self.probes = self.probes.saturating_add(1);
            self.probe = true;
        }
        self.arm_keepalive(now);
        true
    }
}
