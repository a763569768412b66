// SPDX-License-Identifier: GPL-2.0

//! How much the receiver can take. The right edge of a window never moves to the left: what was
//! once promised can be sent. Both ends avoid the silly window: RFC 9293, 3.8.6.2.

use super::{
    seq::Seq,
    MAX_WINDOW, //
};

/// The window that we give to the peer.
pub(super) struct ReceiveWindow {
    edge: Seq,
    capacity: u32,
}

impl ReceiveWindow {
    /// For a peer that begins at `next`; there is room for `capacity` bytes.
    pub(super) fn new(next: Seq, capacity: u32) -> Self {
        let capacity = capacity.min(MAX_WINDOW);
        Self {
            edge: next + capacity,
            capacity,
        }
    }

    /// The number behind the last that may come.
    pub(super) fn edge(&self) -> Seq {
        self.edge
    }

    pub(super) fn set_capacity(&mut self, capacity: u32) {
        self.capacity = capacity.min(MAX_WINDOW);
    }

    /// The least step of the edge that is worth to be told.
    fn step(&self, payload: u32) -> u32 {
        (self.capacity / 2).min(payload).max(1)
    }

    /// How far the edge could move, with `unread` bytes up to `next`.
    fn gain(&self, next: Seq, unread: u32) -> u32 {
        (next + self.capacity.saturating_sub(unread)).beyond(self.edge)
    }

    /// Moves the edge if it is worth it, and returns the window from `next` on.
    pub(super) fn advance(&mut self, next: Seq, unread: u32, payload: u32) -> u32 {
        let gain = self.gain(next, unread);
        if gain >= self.step(payload) {
            self.edge = self.edge + gain;
        }
        self.edge.beyond(next)
    }

    /// Whether the peer should be told at once: the window was as good as shut, or has opened by
    /// two segments.
    pub(super) fn is_news(&self, next: Seq, unread: u32, payload: u32) -> bool {
        let (gain, step) = (self.gain(next, unread), self.step(payload));
        let shut = self.edge.beyond(next) < step;
        gain >= step && (shut || gain / 2 >= step)
    }
}

/// The window that the peer gives to us.
pub(super) struct SendWindow {
    edge: Seq,
    largest: u32,
}

impl SendWindow {
    pub(super) fn new(start: Seq) -> Self {
        Self {
            edge: start,
            largest: 0,
        }
    }

    /// The peer has sent `ack` and `window`. It does not matter when: an edge that was promised
    /// stays.
    pub(super) fn update(&mut self, ack: Seq, window: u32) {
        let window = window.min(MAX_WINDOW);
        self.edge = self.edge.later(ack + window);
        self.largest = self.largest.max(window);
    }

    /// What may be sent from `next` on.
    pub(super) fn usable(&self, next: Seq) -> u32 {
        self.edge.beyond(next)
    }

    /// The largest window that ever was.
    pub(super) fn largest(&self) -> u32 {
        self.largest
    }
}
