// SPDX-License-Identifier: GPL-2.0

//! One direction of the wire, and what its two ends have set for it.

use crate::pace::Pace;
use kernel::sync::atomic::Atomic;
use knet::{
    atomic::AtomicInline,
    netdev::ethtool::{
        Moderation,
        SPEED_UNKNOWN, //
    }, //
};

/// A [`Moderation`] that is read without a lock. A reader may see half of a change, which is as
/// good as either setting for the one round in which it does.
struct Setting {
    usecs: Atomic<u32>,
    frames: Atomic<u32>,
}

impl Setting {
    fn new() -> Self {
        Self {
            usecs: Atomic::new(0),
            frames: Atomic::new(0),
        }
    }

    fn get(&self) -> Moderation {
        Moderation {
            usecs: self.usecs.read_once(),
            frames: self.frames.read_once(),
        }
    }

    fn set(&self, to: Moderation) {
        self.usecs.write_once(to.usecs);
        self.frames.write_once(to.frames);
    }
}

/// What holds packets up in one direction, as a round of polling finds it.
pub(crate) struct Rules {
    /// In Mb/s.
    pub(crate) speed: u32,
    /// When the sender wants to hear that its packets were sent.
    pub(crate) tx: Moderation,
    /// When the receiver wants to hear that there are packets.
    pub(crate) rx: Moderation,
    /// What has arrived is wanted now, whatever was agreed on interrupts.
    pub(crate) at_once: bool,
}

/// One direction of a wire, shared by its lanes. It is changed under RTNL.
pub(crate) struct Wire {
    pace: Pace,
    tx: Setting,
    rx: Setting,
    /// There are rules: something of the above is not as at first. All that a round of polling
    /// looks at where nothing was set.
    ruled: Atomic<bool>,
    /// The receiver takes its packets through the backlog.
    netif_rx: Atomic<bool>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            pace: Pace::new(),
            tx: Setting::new(),
            rx: Setting::new(),
            ruled: Atomic::new(false),
            netif_rx: Atomic::new(false),
        }
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Returns the rules, if there are any.
    #[inline(always)]
    pub(crate) fn rules(&self, at_once: impl FnOnce() -> bool) -> Option<Rules> {
        self.ruled.read_once().then(|| Rules {
            speed: self.pace.speed(),
            tx: self.tx.get(),
            rx: self.rx.get(),
            at_once: at_once(),
        })
    }

    /// Whether packets go to the backlog of the receiver's CPU instead of GRO.
    #[inline(always)]
    pub(crate) fn is_netif_rx(&self) -> bool {
        self.netif_rx.read_once()
    }

    pub(crate) fn set_netif_rx(&self, on: bool) {
        self.netif_rx.write_once(on);
    }

    pub(crate) fn tx(&self) -> Moderation {
        self.tx.get()
    }

    pub(crate) fn rx(&self) -> Moderation {
        self.rx.get()
    }

    pub(crate) fn set_tx(&self, to: Moderation) {
        self.tx.set(to);
        self.changed();
    }

    pub(crate) fn set_rx(&self, to: Moderation) {
        self.rx.set(to);
        self.changed();
    }

    pub(crate) fn set_speed(&self, speed: u32) {
        self.pace.set_speed(speed);
        self.changed();
    }

    fn changed(&self) {
        let paced = self.pace.speed() != SPEED_UNKNOWN;
        let moderated = self.tx.get().usecs != 0 || self.rx.get().usecs != 0;
        self.ruled.write_once(paced || moderated);
    }
}
