// SPDX-License-Identifier: GPL-2.0

//! What ethtool shows and sets of a device, and what its speed means for segmentation.

use crate::{
    frame::gso_max_size,
    port::Port,
    shape,
    stats::{
        self,
        payload,
        RxSum,
        TxSum, //
    },
};
use kernel::{
    prelude::*,
    str::CStr, //
};
use knet::{
    netdev::{
        ethtool::{
            Channels,
            Coalesce,
            Direction,
            EthMacStats,
            Moderation,
            Operations,
            Rings,
            SPEED_UNKNOWN, //
        },
        link::ExtAck,
        Device,
        NetDevice, //
    },
    rtnl::Rtnl, //
};

/// The highest speed in Mb/s that ethtool knows.
const MAX_SPEED: u32 = i32::MAX as u32;

/// Whether it is a speed to ethtool, as `ethtool_validate_speed` has it.
pub(crate) fn is_speed(speed: u32) -> bool {
    speed <= MAX_SPEED || speed == SPEED_UNKNOWN
}

/// Limits what is left to `dev` to segment, as the speed of its wire changes.
pub(crate) fn limit_segmentation(dev: &NetDevice, old_speed: u32, new_speed: u32) -> Result {
    let (size, ipv4) = (dev.gso_max_size(), dev.gso_ipv4_max_size());
    dev.set_gso_max_size(gso_max_size(size, old_speed, new_speed))?;
    // Last: the other one may have changed it.
    dev.set_gso_ipv4_max_size(gso_max_size(ipv4, old_speed, new_speed))
}

/// The longest time in microseconds that an interrupt can be held back. It is long enough to be
/// taken for a fault.
const MAX_USECS: u32 = 10_000_000;

/// The bit of the flag `netif-rx`.
const NETIF_RX: u32 = 1 << 0;

#[vtable]
impl Operations for Port {
    const DRIVER: &'static CStr = c"wren_nic";

    const TX_STATS: &'static [&'static CStr] = &stats::names(&stats::TX);
    const RX_STATS: &'static [&'static CStr] = &stats::names(&stats::RX);

    fn stats(dev: &Device<Self>, direction: Direction, queue: usize, out: &mut [u64]) {
        let (lanes, table) = match direction {
            Direction::Tx => (&dev.data().tx, &stats::TX[..]),
            Direction::Rx => (&dev.data().rx, &stats::RX[..]),
        };
        let Some(stats) = lanes.get(queue).map(|lane| lane.stats()) else {
            return;
        };
        for (to, (_, counter)) in out.iter_mut().zip(table) {
            *to = counter(stats).get();
        }
    }

    fn eth_mac_stats(dev: &Device<Self>, out: &mut EthMacStats<'_>) {
        let (tx, rx) = (TxSum::of(&dev.data().tx), RxSum::of(&dev.data().rx));
        out.frames_transmitted_ok(tx.packets);
        out.octets_transmitted_ok(payload(tx.packets, tx.bytes));
        out.frames_received_ok(rx.packets);
        out.octets_received_ok(payload(rx.packets, rx.bytes));
        out.frames_lost_due_to_int_mac_rcv_error(rx.drops);
        out.frame_too_long_errors(rx.length_errors);
    }

    fn speed(dev: &Device<Self>) -> u32 {
        let port = dev.data();
        port.link.wire(port.side).pace().speed()
    }

    fn set_speed(dev: &Device<Self>, speed: u32) -> Result {
        if !is_speed(speed) {
            return Err(EINVAL);
        }
        let port = dev.data();
        let wire = port.link.wire(port.side);
        limit_segmentation(dev, wire.pace().speed(), speed)?;
        wire.set_speed(speed);
        port.tx.iter().for_each(|lane| lane.kick());
        Ok(())
    }

    fn rings(dev: &Device<Self>) -> Rings {
        shape::rings(dev)
    }

    fn max_rings(_dev: &Device<Self>) -> Rings {
        shape::MAX_RINGS
    }

    fn set_rings(dev: &Device<Self>, rings: Rings, extack: &mut ExtAck<'_>) -> Result {
        shape::set_rings(dev, rings, extack)
    }

    fn channels(dev: &Device<Self>) -> Channels {
        shape::channels(dev)
    }

    fn max_channels(dev: &Device<Self>) -> Channels {
        shape::max_channels(dev)
    }

    fn set_channels(dev: &Device<Self>, channels: Channels, rtnl: &Rtnl) -> Result {
        shape::set_channels(dev, channels, rtnl)
    }

    const PRIV_FLAGS: &'static [&'static CStr] = &[c"netif-rx"];

    fn priv_flags(dev: &Device<Self>) -> u32 {
        let port = dev.data();
        match port.link.wire(port.side.peer()).is_netif_rx() {
            true => NETIF_RX,
            false => 0,
        }
    }

    fn set_priv_flags(dev: &Device<Self>, flags: u32) -> Result {
        let port = dev.data();
        let wire = port.link.wire(port.side.peer());
        wire.set_netif_rx(flags & NETIF_RX != 0);
        Ok(())
    }

    fn coalesce(dev: &Device<Self>) -> Coalesce {
        let port = dev.data();
        Coalesce {
            rx: port.link.wire(port.side.peer()).rx(),
            tx: port.link.wire(port.side).tx(),
        }
    }

    fn set_coalesce(dev: &Device<Self>, coalesce: Coalesce, extack: &mut ExtAck<'_>) -> Result {
        let Coalesce { rx, tx } = coalesce;
        for Moderation { usecs, frames } in [rx, tx] {
            if usecs > MAX_USECS {
                extack.set_msg(c"An interrupt comes after 10 seconds at the latest");
                return Err(ERANGE);
            }
            if usecs == 0 && frames > 1 {
                extack.set_msg(
                    c"With a number of frames a time is needed, or few would wait for ever",
                );
                return Err(EINVAL);
            }
        }
        let port = dev.data();
        port.link.wire(port.side).set_tx(tx);
        port.link.wire(port.side.peer()).set_rx(rx);
        let lanes = Iterator::chain(port.tx.iter(), port.rx.iter());
        lanes.for_each(|lane| lane.kick());
        Ok(())
    }
}
