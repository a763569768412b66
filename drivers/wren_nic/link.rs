// SPDX-License-Identifier: GPL-2.0

//! The wire and its two ends.

use crate::{
    port::Port,
    wire::Wire, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            AtomicFlag,
            Relaxed, //
        },
        rcu, //
    },
};
use knet::{
    atomic::AtomicInline,
    netdev::Device,
    rcu::{
        synchronize_net,
        RcuRef,
        ReadSide, //
    },
};

/// One end of the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    /// The other end.
    pub(crate) fn peer(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

struct End {
    /// The device at this end, until the pair is removed.
    port: RcuRef<Device<Port>>,
    /// The interface is up. Changed under RTNL.
    running: AtomicFlag,
    /// The user lets it have a carrier. Changed under RTNL.
    plugged: AtomicFlag,
    /// It takes checksums on trust. Changed under RTNL.
    rx_csum: AtomicFlag,
    /// The wire away from this end.
    wire: Wire,
}

impl End {
    fn new() -> Self {
        Self {
            port: RcuRef::new(),
            running: AtomicFlag::new(false),
            plugged: AtomicFlag::new(true),
            rx_csum: AtomicFlag::new(true),
            wire: Wire::new(),
        }
    }

    fn is_ready(&self) -> bool {
        self.running.load(Relaxed) && self.plugged.load(Relaxed)
    }
}

/// A wire.
pub(crate) struct Link {
    a: End,
    b: End,
    /// Both ends are running and plugged in. Only then packets go into the rings, and only then
    /// they are taken out by polling; so who has cleared it and waited for RCU has the rings for
    /// himself.
    up: Atomic<bool>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            a: End::new(),
            b: End::new(),
            up: Atomic::new(false),
        }
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The device at an end, if the pair is whole.
    #[inline(always)]
    pub(crate) fn port<'a>(
        &'a self,
        side: Side,
        guard: &'a impl ReadSide,
    ) -> Option<&'a Device<Port>> {
        self.end(side).port.get(guard)
    }

    /// The direction of the wire away from `side`.
    #[inline(always)]
    pub(crate) fn wire(&self, side: Side) -> &Wire {
        &self.end(side).wire
    }

    /// Whether packets may go into the rings.
    #[inline(always)]
    pub(crate) fn is_up(&self) -> bool {
        self.up.load_acquire()
    }

    /// Joins two devices.
    pub(crate) fn join(&self, a: &Device<Port>, b: &Device<Port>) -> Result {
        self.a.port.set(ARef::from(a)).map_err(|_| EBUSY)?;
        self.b.port.set(ARef::from(b)).map_err(|_| EBUSY)
    }

    /// The device at an end, to be kept for longer, if the pair is whole.
    pub(crate) fn device(&self, side: Side) -> Option<ARef<Device<Port>>> {
        self.port(side, &rcu::read_lock()).map(ARef::from)
    }

    /// Whether the interface at `side` is up. RTNL is held.
    pub(crate) fn is_running(&self, side: Side) -> bool {
        self.end(side).running.load(Relaxed)
    }

    /// Parts them, and returns those that were there.
    pub(crate) fn part(&self) -> [Option<ARef<Device<Port>>>; 2] {
        RcuRef::take([&self.a.port, &self.b.port])
    }

    /// The interface at `side` has come up and its lanes can be polled.
    pub(crate) fn start(&self, side: Side) {
        self.end(side).running.store(true, Relaxed);
        self.update();
    }

    /// The interface at `side` goes down. When this returns nobody transmits or polls.
    pub(crate) fn stop(&self, side: Side) {
        self.end(side).running.store(false, Relaxed);
        self.update();
    }

    /// The user plugs the wire in at `side`, or pulls it out. In the latter case nobody transmits
    /// or polls when this returns.
    pub(crate) fn set_plugged(&self, side: Side, plugged: bool) {
        self.end(side).plugged.store(plugged, Relaxed);
        self.update();
    }

    /// Lets the wire go up or down after one of its ends has changed.
    fn update(&self) {
        let up = self.a.is_ready() && self.b.is_ready();
        if up == self.is_up() {
            return;
        }
        self.up.store_release(up);
        if up {
            self.for_each_port(|port| port.carrier_on());
        } else {
            self.for_each_port(|port| port.carrier_off());
            synchronize_net();
        }
    }

    /// Whether the device at `side` takes checksums on trust.
    pub(crate) fn rx_csum(&self, side: Side) -> bool {
        self.end(side).rx_csum.load(Relaxed)
    }

    /// Says whether it does, and returns the device at the other end if that has to know.
    pub(crate) fn set_rx_csum(&self, side: Side, rx_csum: bool) -> Option<ARef<Device<Port>>> {
        if rx_csum == self.rx_csum(side) {
            return None;
        }
        self.end(side).rx_csum.store(rx_csum, Relaxed);
        self.port(side.peer(), &rcu::read_lock()).map(ARef::from)
    }

    /// Calls `f` for the devices that are there. RTNL is held.
    pub(crate) fn for_each_port(&self, f: impl Fn(&Device<Port>)) {
        let guard = rcu::read_lock();
        for end in [&self.a, &self.b] {
            if let Some(port) = end.port.get(&guard) {
                f(port);
            }
        }
    }
}
