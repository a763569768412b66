// SPDX-License-Identifier: GPL-2.0

//! A wire for frames: it loses, doubles, delays, damages and reorders them.

use crate::random::Random;

/// What a wire does to frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Of 1000 frames, so many are lost, come twice, have a bit wrong.
    pub(crate) lost: u16,
    pub(crate) doubled: u16,
    pub(crate) damaged: u16,
    /// Nanoseconds that a frame takes, and that it may take more. Frames overtake each other if
    /// the second is not 0.
    pub(crate) delay: u64,
    pub(crate) jitter: u64,
    /// Nanoseconds for a byte, and bytes that may wait; what does not fit is lost. 0: no limit.
    pub(crate) byte: u64,
    pub(crate) room: u64,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        lost: 0,
        doubled: 0,
        damaged: 0,
        delay: 1_000_000,
        jitter: 0,
        byte: 0,
        room: 0,
    };
}

/// One direction.
pub(crate) struct Wire {
    pub(crate) faults: Faults,
    /// The frames that are lost, counted from now: the first is 0.
    pub(crate) doomed: Vec<usize>,
    random: Random,
    free: u64,
}

impl Wire {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            doomed: Vec::new(),
            random: Random::new(seed),
            free: 0,
        }
    }

    /// The damage is over: only delays are left.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults {
            lost: 0,
            doubled: 0,
            damaged: 0,
            ..self.faults
        };
    }

    /// When a frame that is sent now arrives, as often as it does, and what it is then.
    pub(crate) fn carry(&mut self, now: u64, frame: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let faults = self.faults;
        let mut arrivals = Vec::new();
        let doomed = self.doomed.contains(&0);
        self.doomed = self
            .doomed
            .iter()
            .filter_map(|n| n.checked_sub(1))
            .collect();
        if doomed {
            return arrivals;
        }
        let waiting = self.free.saturating_sub(now);
        if let Some(waiting) = waiting.checked_div(faults.byte) {
            if waiting + frame.len() as u64 > faults.room {
                return arrivals;
            }
            self.free = self.free.max(now) + faults.byte * frame.len() as u64;
        }
        let sent = self.free.max(now);
        let copies = 1 + usize::from(self.random.permille(faults.doubled));
        for _ in 0..copies {
            if self.random.permille(faults.lost) {
                continue;
            }
            let mut frame = frame.clone();
            if self.random.permille(faults.damaged) {
                let bit = self.random.up_to(frame.len() as u64 * 8 - 1) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            let delay = faults.delay + self.random.up_to(faults.jitter);
            arrivals.push((sent + delay, frame));
        }
        arrivals
    }
}
