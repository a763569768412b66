// SPDX-License-Identifier: GPL-2.0

//! Two ends, a wire each way, and virtual time.

use crate::{
    host::Host,
    wire::{Faults, Wire},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap, //
};

/// A millisecond, in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// A second, in nanoseconds.
pub(crate) const SECOND: u64 = 1_000 * MS;

/// When a frame arrives, which in the order of sending it is, at which end, and the frame.
type Arrival = (u64, u64, usize, Vec<u8>);

/// Two ends and what is between them.
pub(crate) struct Net {
    pub(crate) now: u64,
    pub(crate) hosts: [Host; 2],
    pub(crate) wires: [Wire; 2],
    arrivals: BinaryHeap<Reverse<Arrival>>,
    count: u64,
    /// Frames that an end sends while it has room below it; else as many as it likes.
    pub(crate) throttled: [bool; 2],
}

impl Net {
    pub(crate) fn new(hosts: [Host; 2], faults: [Faults; 2], seed: u64) -> Self {
        Self {
            now: SECOND,
            hosts,
            wires: [Wire::new(faults[0], seed), Wire::new(faults[1], !seed)],
            arrivals: BinaryHeap::new(),
            count: 0,
            throttled: [false; 2],
        }
    }

    /// Frames from an end go onto its wire.
    pub(crate) fn send(&mut self, from: usize, frames: Vec<Vec<u8>>) {
        for frame in frames {
            for (at, frame) in self.wires[from].carry(self.now, frame) {
                self.count += 1;
                self.arrivals
                    .push(Reverse((at, self.count, 1 - from, frame)));
            }
        }
    }

    /// Both ends send what they have to send.
    pub(crate) fn flush(&mut self) {
        for end in 0..2 {
            let frames = self.hosts[end].transmit(self.now, !self.throttled[end]);
            self.send(end, frames);
        }
    }

    fn arrival(&self) -> Option<u64> {
        self.arrivals.peek().map(|Reverse((at, ..))| *at)
    }

    /// When something happens next.
    fn next(&self) -> Option<u64> {
        let timers = self.hosts.iter().filter_map(Host::deadline);
        timers.chain(self.arrival()).min()
    }

    /// Lets time pass until `until`, or until nothing can happen.
    pub(crate) fn run(&mut self, until: u64) {
        self.flush();
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            if self.arrival() == Some(at) {
                let Some(Reverse((_, _, to, frame))) = self.arrivals.pop() else {
                    break;
                };
                let back = self.hosts[to].frame(self.now, &frame);
                self.send(to, back.into_iter().collect());
            } else {
                for host in &mut self.hosts {
                    if host.deadline().is_some_and(|due| due <= self.now) {
                        host.timer(self.now);
                        let later = host.deadline().is_none_or(|due| due > self.now);
                        assert!(later, "a timer that does not advance");
                    }
                }
            }
            self.flush();
        }
        self.now = self.now.max(until);
    }

    /// Lets so many nanoseconds pass.
    pub(crate) fn pass(&mut self, time: u64) {
        self.run(self.now + time);
    }
}
