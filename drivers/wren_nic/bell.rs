// SPDX-License-Identifier: GPL-2.0

//! Who has to be told that a packet is in a ring, and who not.

use kernel::sync::{
    atomic::{
        Atomic,
        AtomicFlag,
        Full,
        Relaxed, //
    },
    barrier::smp_mb, //
};
use knet::atomic::AtomicInline;

/// What the transmit function rings when it has put a packet into the ring.
///
/// While the poll function waits for a time it does not listen, unless as many packets wait as it
/// has named. It listens again before it looks at the ring, and its timer makes it look, so a
/// packet that was not announced is not left lying:
///
/// ```text
/// transmit()                        poll()
/// put the packet into the ring      listen
/// full barrier                      full barrier
/// does it listen?                   look at the ring
/// ```
///
/// Either the transmit function sees that it is listened to, or the poll function sees the packet.
/// The barriers are needed only where somebody has stopped to listen, so a lane that is not held up
/// has none.
pub(crate) struct Bell {
    /// The poll function wants to hear of so many packets, not of fewer.
    wanted: Atomic<u32>,
    /// What has arrived is to be taken at once.
    hurry: AtomicFlag,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            wanted: Atomic::new(0),
            hurry: AtomicFlag::new(false),
        }
    }

    /// Whether the poll function has to be called now that `waiting` packets are in the ring.
    #[inline(always)]
    pub(crate) fn is_heard(&self, waiting: impl FnOnce() -> u32) -> bool {
        self.wanted.read_once() == 0 || self.is_loud_enough(waiting)
    }

    #[cold]
    fn is_loud_enough(&self, waiting: impl FnOnce() -> u32) -> bool {
        smp_mb(Full);
        waiting() >= self.wanted.read_once()
    }

    /// From now on the poll function does not listen. A timer will call it.
    pub(crate) fn ignore(&self, wanted: u32) {
        self.wanted.write_once(wanted);
    }

    /// From now on it listens.
    pub(crate) fn listen(&self) {
        self.wanted.write_once(0);
        smp_mb(Full);
    }

    /// Has what has arrived taken in the next round, without an interrupt.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Relaxed);
    }

    /// Whether somebody is in a hurry.
    pub(crate) fn take_hurry(&self) -> bool {
        self.hurry.load(Relaxed) && self.hurry.xchg(false, Relaxed)
    }
}
