// SPDX-License-Identifier: GPL-2.0

//! How much may be on its way at a time: RFC 5681, counting bytes.

use super::MAX_WINDOW;

/// Segments that may be sent before anything is known (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;

/// The congestion window.
pub(crate) struct Congestion {
    window: u32,
    threshold: u32,
    /// Bytes that were acknowledged since the window has grown by a segment.
    credit: u32,
}

impl Congestion {
    pub(crate) fn new(payload: u32) -> Self {
        Self {
            window: INITIAL_SEGMENTS.saturating_mul(payload),
            threshold: MAX_WINDOW,
            credit: 0,
        }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// Above this the window grows by one segment a round trip.
    pub(crate) fn threshold(&self) -> u32 {
        self.threshold
    }

    /// `acked` bytes have come to the peer, of `flight` that were on their way. The window grows if
    /// it is what holds the sender back. `slow` is one segment of credit at most, for after a
    /// timeout, when one acknowledgment may stand for many bytes that came long ago.
    pub(crate) fn acked(&mut self, acked: u32, flight: u32, payload: u32, slow: bool) {
        if self.window < self.threshold {
            if self.window / 2 < flight {
                let most = payload.saturating_mul(if slow { 1 } else { 2 });
                self.grow(acked.min(most));
            }
        } else if self.window < flight.saturating_add(payload) {
            self.credit = self.credit.saturating_add(acked);
            if self.credit >= self.window {
                self.credit -= self.window;
                self.grow(payload);
            }
        }
    }

    fn grow(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes).min(MAX_WINDOW);
    }

    /// Something was lost of the `outstanding` bytes that were not acknowledged, reported or not:
    /// half of them was too much.
    pub(crate) fn halve(&mut self, outstanding: u32, payload: u32) {
        self.threshold = (outstanding / 2).max(payload.saturating_mul(2));
        self.window = self.threshold;
        self.credit = 0;
    }

    /// Nothing comes back any more: begin with one segment.
    pub(crate) fn collapse(&mut self, payload: u32) {
        self.window = payload;
        self.credit = 0;
    }

    /// Nothing was sent for so long that the window says nothing about now (RFC 5681, 4.1).
    pub(crate) fn restart(&mut self, payload: u32) {
        self.window = self.window.min(INITIAL_SEGMENTS.saturating_mul(payload));
    }
}
