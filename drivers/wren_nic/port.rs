// SPDX-License-Identifier: GPL-2.0

//! One device of a pair.

use crate::{
    lane::{
        self,
        Lane,
        Sender, //
    },
    link::{
        Link,
        Side, //
    },
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        rcu,
        Arc, //
    },
};
use knet::{
    netdev::{
        ethtool::{
            self,
            Direction, //
        },
        features,
        link::{
            Kind,
            NewLink,
            UnregisterList, //
        },
        Completion,
        Device,
        LinkStats,
        NetDevice,
        Operations,
        TxQueue,
        Xmit, //
    },
    skb::{
        Cloned,
        SkBuff, //
    },
};

/// `IFLA_WREN_PEER`
const IFLA_WREN_PEER: u16 = 1;

/// The private data of a device.
pub(crate) struct Port {
    side: Side,
    link: Arc<Link>,
    /// The lanes that it transmits into, one for each transmit queue.
    tx: KVec<Arc<Lane>>,
    /// The lanes that it polls, one for each transmit queue of the peer.
    rx: KVec<Arc<Lane>>,
}

/// The lanes of one direction, and their transmitting ends.
fn lanes(link: &Arc<Link>, side: Side, queues: usize) -> Result<(KVec<Arc<Lane>>, KVec<Sender>)> {
    let mut lanes = KVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
    let mut senders = KVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
    for index in 0..queues {
        let (lane, sender) = Lane::new(link, side, u16::try_from(index)?)?;
        lanes.push(lane, GFP_KERNEL_ACCOUNT)?;
        senders.push(sender, GFP_KERNEL_ACCOUNT)?;
    }
    Ok((lanes, senders))
}

fn clone(lanes: &[Arc<Lane>]) -> Result<KVec<Arc<Lane>>> {
    let mut clone = KVec::with_capacity(lanes.len(), GFP_KERNEL_ACCOUNT)?;
    for lane in lanes {
        clone.push(lane.clone(), GFP_KERNEL_ACCOUNT)?;
    }
    Ok(clone)
}

impl Port {
    /// Drops what is in the rings of both directions, and forgets it in the byte queue limits of
    /// the ports that sent it. The link is down.
    fn purge(&self, dev: &Device<Self>) {
        self.tx.iter().for_each(|lane| lane.purge());
        self.rx.iter().for_each(|lane| lane.purge());
        Self::reset_queues(dev);
        self.link.for_each_port(Self::reset_queues);
    }

    fn reset_queues(dev: &Device<Self>) {
        for index in 0..dev.num_tx_queues() as u16 {
            if let Some(mut queue) = Completion::new(dev, index) {
                queue.reset();
            }
        }
    }
}

#[vtable]
impl Operations for Port {
    type TxQueue = Sender;

    fn open(dev: &Device<Self>) -> Result {
        let port = dev.data();
        for (n, lane) in port.rx.iter().enumerate() {
            if let Err(e) = lane.enable(dev) {
                port.rx[..n].iter().for_each(|lane| lane.disable());
                return Err(e);
            }
        }
        port.link.start(port.side);
        Ok(())
    }

    fn stop(dev: &Device<Self>) {
        let port = dev.data();
        port.link.stop(port.side);
        port.purge(dev);
        port.rx.iter().for_each(|lane| lane.disable());
    }

    #[inline(always)]
    fn start_xmit(dev: &Device<Self>, queue: TxQueue<'_, Sender>, skb: SkBuff<Cloned>) -> Xmit {
        lane::transmit(&dev.data().link, queue, skb)
    }

    fn get_stats64(dev: &Device<Self>, out: &mut LinkStats<'_>) {
        for lane in &dev.data().tx {
            let stats = lane.stats();
            out.tx_packets(stats.tx_packets.get());
            out.tx_bytes(stats.tx_bytes.get());
            out.tx_dropped(stats.tx_drops.get() + stats.tx_purged.get());
        }
        for lane in &dev.data().rx {
            let stats = lane.stats();
            out.rx_packets(stats.rx_packets.get());
            out.rx_bytes(stats.rx_bytes.get());
            // The core counts what could not be received.
        }
    }
}

#[vtable]
impl ethtool::Operations for Port {
    const DRIVER: &'static CStr = c"wren_nic";

    const TX_STATS: &'static [&'static CStr] = &[
        c"packets",
        c"bytes",
        c"drops",
        c"purged",
        c"busy",
        c"stops",
        c"wakes",
        c"doorbells",
    ];

    const RX_STATS: &'static [&'static CStr] = &[c"packets", c"bytes", c"drops"];

    fn stats(dev: &Device<Self>, direction: Direction, queue: usize, out: &mut [u64]) {
        let lanes = match direction {
            Direction::Tx => &dev.data().tx,
            Direction::Rx => &dev.data().rx,
        };
        let Some(stats) = lanes.get(queue).map(|lane| lane.stats()) else {
            return;
        };
        let tx = [
            &stats.tx_packets,
            &stats.tx_bytes,
            &stats.tx_drops,
            &stats.tx_purged,
            &stats.tx_busy,
            &stats.tx_stops,
            &stats.tx_wakes,
            &stats.tx_doorbells,
        ];
        let rx = [&stats.rx_packets, &stats.rx_bytes, &stats.rx_drops];
        let counters = match direction {
            Direction::Tx => &tx[..],
            Direction::Rx => &rx[..],
        };
        for (to, from) in out.iter_mut().zip(counters) {
            *to = from.get();
        }
    }

    fn speed(dev: &Device<Self>) -> u32 {
        let port = dev.data();
        port.link.pace(port.side).speed()
    }

    fn set_speed(dev: &Device<Self>, speed: u32) -> Result {
        let port = dev.data();
        port.link.pace(port.side).set_speed(speed);
        port.tx.iter().for_each(|lane| lane.kick());
        Ok(())
    }
}

#[vtable]
impl Kind for Port {
    const KIND: &'static CStr = c"wren";
    const FEATURES: u64 = features::SG
        | features::FRAGLIST
        | features::HIGHDMA
        | features::HW_CSUM
        | features::RXCSUM
        | features::SCTP_CRC
        | features::GSO_SOFTWARE;
    const PEER_ATTR: u16 = IFLA_WREN_PEER;

    fn newlink(mut request: NewLink<'_, Self>) -> Result {
        let peer = request.create_peer()?;
        let dev = request.dev;

        let link = Arc::new(Link::new(), GFP_KERNEL_ACCOUNT)?;
        let (a_to_b, a_senders) = lanes(&link, Side::A, dev.num_tx_queues())?;
        let (b_to_a, b_senders) = lanes(&link, Side::B, peer.num_tx_queues())?;
        let rx_lanes = (b_to_a.len(), a_to_b.len());
        let b = Port {
            side: Side::B,
            link: link.clone(),
            tx: clone(&b_to_a)?,
            rx: clone(&a_to_b)?,
        };
        let a = Port {
            side: Side::A,
            link: link.clone(),
            tx: a_to_b,
            rx: b_to_a,
        };

        // The name that was asked for comes first: the peer's default name could be the same.
        let dev = dev.init(a, a_senders, rx_lanes.0)?.register()?;
        let peer = peer.init(b, b_senders, rx_lanes.1)?.register()?;
        link.join(dev.device(), peer.device())?;
        peer.keep();
        dev.keep();
        Ok(())
    }

    fn dellink(dev: &Device<Self>, list: &mut UnregisterList) {
        for port in dev.data().link.part().into_iter().flatten() {
            list.queue(&port);
        }
    }

    fn peer<'a>(dev: &'a Device<Self>, guard: &'a rcu::Guard) -> Option<&'a NetDevice> {
        let port = dev.data();
        Some(port.link.port(port.side.peer(), guard)?)
    }
}
