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
    stats::{
        RxSum,
        TxSum, //
    },
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        atomic::Atomic,
        Arc, //
    },
};
use knet::{
    netdev::{
        features,
        Completion,
        Device,
        LinkStats,
        NapiRef,
        Operations,
        QueueStatsRx,
        QueueStatsTx,
        TxQueue,
        Xmit, //
    },
    rtnl::Rtnl,
    skb::{
        Cloned,
        SkBuff, //
    },
    time::ktime_get_ns, //
};

/// The private data of a device.
pub(crate) struct Port {
    pub(crate) side: Side,
    pub(crate) link: Arc<Link>,
    /// The lanes that it transmits into, one for each transmit queue.
    pub(crate) tx: KVec<Arc<Lane>>,
    /// The lanes that it polls, one for each transmit queue of the peer.
    pub(crate) rx: KVec<Arc<Lane>>,
    /// Entries of the ring of each transmit queue in use. Changed under RTNL.
    pub(crate) ring_size: Atomic<u32>,
}

impl Port {
    /// The features with which a packet may be sent before its checksums are filled in.
    const UNCHECKED: u64 =
        features::HW_CSUM | features::SCTP_CRC | features::GSO_SOFTWARE | features::GSO_ENCAP_ALL;

    /// Drops what is in the rings of both directions, and forgets it in the byte queue limits of
    /// the ports that sent it. The link is down.
    fn purge(&self, dev: &Device<Self>) {
        self.tx.iter().for_each(|lane| lane.purge());
        self.rx.iter().for_each(|lane| lane.purge());
        // What was on the wire is gone, too.
        for side in [Side::A, Side::B] {
            self.link.wire(side).pace().reset(ktime_get_ns());
        }
        Self::reset_queues(dev);
        self.link.for_each_port(Self::reset_queues);
    }

    fn reset_queues(dev: &Device<Self>) {
        for (index, lane) in dev.data().tx.iter().enumerate() {
            if let Ok(mut queue) = Completion::new(dev, index as u16) {
                if queue.reset() {
                    lane.stats().tx_wakes.add(1);
                }
            }
        }
    }
}

#[vtable]
impl Operations for Port {
    type TxQueue = Sender;

    fn open(dev: &Device<Self>) -> Result {
        let port = dev.data();
        // Not only those of channels: a sender that does not look at their number may still put a
        // packet into a ring that has lost its channel. Nor is the peer asked, which a device that
        // is made up does not know yet.
        for (n, lane) in port
            .rx
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.has_ring())
        {
            if let Err(e) = lane.enable(dev, n as u16) {
                port.rx.iter().for_each(|lane| lane.disable());
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
        let (tx, rx) = (TxSum::of(&dev.data().tx), RxSum::of(&dev.data().rx));
        out.tx_packets(tx.packets);
        out.tx_bytes(tx.bytes);
        out.tx_dropped(tx.drops);
        out.rx_packets(rx.packets);
        out.rx_bytes(rx.bytes);
        out.rx_dropped(rx.drops);
        out.rx_errors(rx.length_errors);
        out.rx_length_errors(rx.length_errors);
    }

    fn queue_stats_rx(dev: &Device<Self>, queue: usize, out: &mut QueueStatsRx<'_>) {
        // A lane that has no receive queue of its own shares one.
        let lanes = dev.data().rx.iter().skip(queue);
        RxSum::of(lanes.step_by(dev.real_num_rx_queues().max(1))).report(out);
    }

    fn queue_stats_tx(dev: &Device<Self>, queue: usize, out: &mut QueueStatsTx<'_>) {
        TxSum::of(dev.data().tx.get(queue)).report(out);
    }

    fn base_stats(dev: &Device<Self>, rx: &mut QueueStatsRx<'_>, tx: &mut QueueStatsTx<'_>) {
        RxSum::default().report(rx);
        TxSum::of(dev.data().tx.iter().skip(dev.real_num_tx_queues())).report(tx);
    }

    fn rx_napi(dev: &Device<Self>, queue: usize) -> Option<NapiRef<'_>> {
        Some(dev.data().rx.get(queue)?.napi())
    }

    fn fix_features(dev: &Device<Self>, features: u64) -> u64 {
        let port = dev.data();
        if port.link.rx_csum(port.side.peer()) {
            features
        } else {
            // The peer wants to check checksums, so they have to be there when a packet leaves.
            features & !Self::UNCHECKED
        }
    }

    fn set_features(dev: &Device<Self>, features: u64, rtnl: &Rtnl) -> Result {
        let port = dev.data();
        if let Some(peer) = port
            .link
            .set_rx_csum(port.side, features & features::RXCSUM != 0)
        {
            peer.update_features(rtnl);
        }
        Ok(())
    }

    fn change_carrier(dev: &Device<Self>, carrier: bool) -> Result {
        let port = dev.data();
        port.link.set_plugged(port.side, carrier);
        if !carrier {
            port.purge(dev);
        }
        Ok(())
    }

    // Nothing to do: a wire has two ends, and the stack looks at the address.
    fn set_rx_mode(_dev: &Device<Self>) {}

    fn phys_port_name(dev: &Device<Self>) -> &'static CStr {
        match dev.data().side {
            Side::A => c"p0",
            Side::B => c"p1",
        }
    }

    fn tx_timeout(dev: &Device<Self>, queue: usize) {
        if let Some(lane) = dev.data().tx.get(queue) {
            lane.timed_out();
        }
    }
}
