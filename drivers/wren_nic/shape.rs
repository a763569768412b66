// SPDX-License-Identifier: GPL-2.0

//! The shape of a pair: the sizes of its rings and the number of its channels, and how they change
//! while packets are under way.
//!
//! A channel is a transmit queue in use, with its lane. Those of one end are the receive channels
//! of the other: an end shows both directions, and changes both.

use crate::{
    lane::Ring,
    port::Port, //
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        aref::ARef,
        atomic::Relaxed, //
    },
};
use knet::{
    netdev::{
        ethtool::{
            Channels,
            Rings, //
        },
        link::ExtAck,
        Device, //
    },
    ring,
    rtnl::Rtnl, //
};

/// Sizes of rings, in entries.
pub(crate) const MIN_RING: u32 = 8;
pub(crate) const DEFAULT_RING: u32 = 256;
pub(crate) const MAX_RING: u32 = 4096;

pub(crate) const MAX_RINGS: Rings = Rings {
    rx: MAX_RING,
    tx: MAX_RING,
};

pub(crate) const NO_POWER_OF_TWO: &CStr = c"The size of a ring must be a power of two";

type WrenDevice = Device<Port>;

/// The other end. It is gone only while the pair is being deleted.
fn peer(dev: &WrenDevice) -> Result<ARef<WrenDevice>> {
    let port = dev.data();
    port.link.device(port.side.peer()).ok_or(ENODEV)
}

fn ring_size(dev: &WrenDevice) -> u32 {
    dev.data().ring_size.load(Relaxed)
}

/// Rings for `count` lanes.
fn new_rings(size: u32, count: usize) -> Result<KVec<Ring>> {
    let mut rings = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..count {
        rings.push(ring::channel(size as usize)?, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(rings)
}

/// Puts rings into the lanes from `dev`, from lane `first` on.
fn install(dev: &WrenDevice, first: usize, rings: KVec<Ring>) -> Result {
    let lanes = dev.data().tx.iter().enumerate().skip(first);
    for ((index, lane), ring) in lanes.zip(rings) {
        lane.set_ring(dev, u16::try_from(index)?, ring)?;
    }
    Ok(())
}

pub(crate) fn rings(dev: &WrenDevice) -> Rings {
    Rings {
        rx: peer(dev).map_or(0, |peer| ring_size(&peer)),
        tx: ring_size(dev),
    }
}

/// Changes the sizes of the rings in both directions. A failure comes before any of them changes.
pub(crate) fn set_rings(dev: &WrenDevice, want: Rings, extack: &mut ExtAck<'_>) -> Result {
    let peer = peer(dev).inspect_err(|_| extack.set_msg(c"The pair is being deleted"))?;
    for size in [want.rx, want.tx] {
        if !size.is_power_of_two() {
            extack.set_msg(NO_POWER_OF_TWO);
            return Err(EINVAL);
        }
        if size < MIN_RING {
            extack.set_msg(c"A ring has at least 8 entries");
            return Err(EINVAL);
        }
    }
    let mut prepare = |dev: &WrenDevice, size| {
        let count = if size == ring_size(dev) {
            0
        } else {
            dev.real_num_tx_queues()
        };
        new_rings(size, count).inspect_err(|_| extack.set_msg(c"No memory for the rings"))
    };
    let (tx, rx) = (prepare(dev, want.tx)?, prepare(&peer, want.rx)?);
    for (dev, size, rings) in [(dev, want.tx, tx), (&*peer, want.rx, rx)] {
        install(dev, 0, rings)?;
        dev.data().ring_size.store(size, Relaxed);
    }
    Ok(())
}

pub(crate) fn channels(dev: &WrenDevice) -> Channels {
    Channels {
        rx: dev.real_num_rx_queues(),
        tx: dev.real_num_tx_queues(),
    }
}

/// A receive channel needs a transmit queue of the peer.
pub(crate) fn max_channels(dev: &WrenDevice) -> Channels {
    let lanes = dev.data().rx.len();
    Channels {
        rx: lanes.min(dev.num_rx_queues()),
        tx: dev.num_tx_queues(),
    }
}

/// The receive queue of lane `index`, of so many that are in use.
pub(crate) fn rx_queue(index: usize, rx_queues: usize) -> u16 {
    index.checked_rem(rx_queues).unwrap_or(0) as u16
}

/// Changes the number of channels in both directions.
pub(crate) fn set_channels(dev: &WrenDevice, want: Channels, rtnl: &Rtnl) -> Result {
    let (peer, now) = (peer(dev)?, channels(dev));
    let mut directions = [
        (dev, &*peer, want.tx, want.tx != now.tx),
        (&*peer, dev, want.rx, want.rx != now.rx),
    ];
    // What gets more comes first. Then only it, or what gets more as well, can fail, and taking
    // channels away again cannot.
    if want.tx < now.tx {
        directions.reverse();
    }
    let mut undo = None;
    for (from, to, count, change) in directions {
        if !change {
            continue;
        }
        let before = from.real_num_tx_queues();
        if let Err(e) = set_direction(from, to, count, rtnl) {
            if let Some((from, to, count)) = undo {
                set_direction(from, to, count, rtnl)?;
            }
            return Err(e);
        }
        undo = Some((from, to, before));
    }
    Ok(())
}

/// Changes the number of channels from one end to the other. Fewer cannot fail: packets in the
/// lanes that go out of use are delivered, because those keep their rings and are polled on.
fn set_direction(from: &WrenDevice, to: &WrenDevice, count: usize, rtnl: &Rtnl) -> Result {
    let lanes = &from.data().tx;
    let before = from.real_num_tx_queues();
    if count > before {
        install(from, before, new_rings(ring_size(from), count - before)?)?;
        if from.data().link.is_running(to.data().side) {
            for (index, lane) in lanes.iter().enumerate().take(count).skip(before) {
                lane.enable(to, index as u16)?;
            }
        }
    }

    let assign = |rx_queues: usize| {
        for (index, lane) in lanes.iter().enumerate() {
            lane.set_rx_queue(rx_queue(index, rx_queues));
        }
    };
    let set_rx = |count| to.set_real_num_queues(to.real_num_tx_queues(), count, rtnl);
    let (rx_before, rx_queues) = (to.real_num_rx_queues(), count.min(to.num_rx_queues()));
    // No packet may say that it came by a queue that is out of use: a lower number the lanes learn
    // first, a higher one last.
    if rx_queues < rx_before {
        assign(rx_queues);
    }
    set_rx(rx_queues)?;
    if let Err(e) = from.set_real_num_queues(count, from.real_num_rx_queues(), rtnl) {
        set_rx(rx_before)?;
        return Err(e);
    }
    if rx_queues > rx_before {
        assign(rx_queues);
    }
    Ok(())
}
