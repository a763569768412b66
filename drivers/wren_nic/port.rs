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
    pace::gso_max_size,
    shape,
    sum::{
        payload,
        RxSum,
        TxSum, //
    },
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        atomic::Atomic,
        rcu,
        Arc, //
    },
};
use knet::{
    netdev::{
        ethtool::{
            self,
            Channels,
            Coalesce,
            Direction,
            EthMacStats,
            Moderation,
            Rings, //
        },
        features,
        link::{
            Attrs,
            ExtAck,
            Kind,
            NewDevice,
            NewLink,
            Policy,
            UnregisterList, //
        },
        num_possible_cpus,
        Completion,
        Device,
        LinkStats,
        NapiRef,
        NetDevice,
        Operations,
        QueueStatsRx,
        QueueStatsTx,
        TxQueue,
        Xmit, //
    },
    ring,
    rtnl::Rtnl,
    skb::{
        Cloned,
        SkBuff, //
    },
    time::ktime_get_ns, //
};

/// The highest speed in Mb/s that ethtool knows.
const MAX_SPEED: u32 = i32::MAX as u32;

/// Whether it is a speed to ethtool, as `ethtool_validate_speed` has it.
fn is_speed(speed: u32) -> bool {
    speed <= MAX_SPEED || speed == ethtool::SPEED_UNKNOWN
}

/// Limits what is left to `dev` to segment, as the speed of its wire changes.
fn limit_segmentation(dev: &NetDevice, old_speed: u32, new_speed: u32) -> Result {
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

/// Attributes in `IFLA_INFO_DATA`, see `include/uapi/linux/wren.h`
const IFLA_WREN_PEER: u16 = 1;
const IFLA_WREN_RING_SIZE: u16 = 2;
const IFLA_WREN_SPEED: u16 = 3;

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

/// The lanes from `from`, which is at `side`, to `to`, and their transmitting ends. Those of the
/// queues in use have rings.
fn lanes(
    link: &Arc<Link>,
    side: Side,
    from: &NewDevice<'_, Port>,
    to: &NewDevice<'_, Port>,
) -> Result<(KVec<Arc<Lane>>, KVec<Sender>)> {
    let (queues, in_use) = (from.num_tx_queues(), from.first_tx_queues());
    let rx_queues = in_use.min(to.num_rx_queues());
    let mut lanes = KVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
    let mut senders = KVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
    for index in 0..queues {
        let ring = if index < in_use {
            ring::channel(ring_size(from) as usize)?
        } else {
            ring::closed()?
        };
        let rx_queue = shape::rx_queue(index, rx_queues);
        let (lane, sender) = Lane::new(link, side, u16::try_from(index)?, rx_queue, ring)?;
        lanes.push(lane, GFP_KERNEL_ACCOUNT)?;
        senders.push(sender, GFP_KERNEL_ACCOUNT)?;
    }
    Ok((lanes, senders))
}

/// Entries of the rings that were asked for.
fn ring_size(dev: &NewDevice<'_, Port>) -> u32 {
    dev.attrs
        .u32(IFLA_WREN_RING_SIZE)
        .unwrap_or(shape::DEFAULT_RING)
}

fn clone(lanes: &[Arc<Lane>]) -> Result<KVec<Arc<Lane>>> {
    let mut clone = KVec::with_capacity(lanes.len(), GFP_KERNEL_ACCOUNT)?;
    for lane in lanes {
        clone.push(lane.clone(), GFP_KERNEL_ACCOUNT)?;
    }
    Ok(clone)
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
            if let Some(mut queue) = Completion::new(dev, index as u16) {
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
        for (n, lane) in port.rx.iter().enumerate().filter(|(_, lane)| lane.has_ring()) {
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
        c"timeouts",
    ];

    const RX_STATS: &'static [&'static CStr] = &[
        c"packets",
        c"bytes",
        c"length_errors",
        c"backlog_drops",
        c"drops",
    ];

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
            &stats.tx_timeouts,
        ];
        let rx = [
            &stats.rx_packets,
            &stats.rx_bytes,
            &stats.rx_length_errors,
            &stats.rx_backlog,
            &stats.rx_drops,
        ];
        let counters = match direction {
            Direction::Tx => &tx[..],
            Direction::Rx => &rx[..],
        };
        for (to, from) in out.iter_mut().zip(counters) {
            *to = from.get();
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

#[vtable]
impl Kind for Port {
    const KIND: &'static CStr = c"wren";
    const FEATURES: u64 = features::SG
        | features::FRAGLIST
        | features::HIGHDMA
        | features::HW_CSUM
        | features::RXCSUM
        | features::SCTP_CRC
        | features::GSO_SOFTWARE
        | features::GSO_ENCAP_ALL
        | features::VLAN;
    const PEER_ATTR: u16 = IFLA_WREN_PEER;
    const POLICY: &'static [Policy] = &{
        let mut policy = [Policy::NONE; IFLA_WREN_SPEED as usize + 1];
        policy[0] = Policy::strict_from(IFLA_WREN_RING_SIZE);
        policy[IFLA_WREN_PEER as usize] = Policy::PEER;
        policy[IFLA_WREN_RING_SIZE as usize] =
            Policy::u32_range(shape::MIN_RING as i16, shape::MAX_RING as i16);
        policy[IFLA_WREN_SPEED as usize] = Policy::U32;
        policy
    };

    fn num_queues() -> usize {
        num_possible_cpus()
    }

    fn validate<'a>(attrs: &Attrs<'a>, extack: &mut ExtAck<'a>) -> Result {
        if let (Some(size), Some(attr)) = (
            attrs.u32(IFLA_WREN_RING_SIZE),
            attrs.get(IFLA_WREN_RING_SIZE),
        ) {
            if !size.is_power_of_two() {
                extack.set_msg_attr(shape::NO_POWER_OF_TWO, attr);
                return Err(EINVAL);
            }
        }
        if let (Some(speed), Some(attr)) = (attrs.u32(IFLA_WREN_SPEED), attrs.get(IFLA_WREN_SPEED))
        {
            if !is_speed(speed) {
                extack.set_msg_attr(c"A speed is at most 2147483647 Mb/s", attr);
                return Err(EINVAL);
            }
        }
        Ok(())
    }

    fn newlink(mut request: NewLink<'_, Self>) -> Result {
        let mut peer = request.create_peer()?;
        let (mut dev, mut extack) = (request.dev, request.extack);

        // As many receive queues as the other end has transmit queues in use, if there are.
        let (tx, peer_tx) = (dev.first_tx_queues(), peer.first_tx_queues());
        dev.set_real_num_queues(tx, peer_tx.min(dev.num_rx_queues()))?;
        peer.set_real_num_queues(peer_tx, tx.min(peer.num_rx_queues()))?;

        let link = Arc::new(Link::new(), GFP_KERNEL_ACCOUNT)?;
        let speed_of = |end: &NewDevice<'_, Self>| {
            let speed = end.attrs.u32(IFLA_WREN_SPEED);
            speed.unwrap_or(ethtool::SPEED_UNKNOWN)
        };
        let (speed, peer_speed) = (speed_of(&dev), speed_of(&peer));
        link.wire(Side::A).set_speed(speed);
        link.wire(Side::B).set_speed(peer_speed);
        let (a_to_b, a_senders) = lanes(&link, Side::A, &dev, &peer)?;
        let (b_to_a, b_senders) = lanes(&link, Side::B, &peer, &dev)?;
        let rx_lanes = (b_to_a.len(), a_to_b.len());
        let b = Port {
            side: Side::B,
            link: link.clone(),
            tx: clone(&b_to_a)?,
            rx: clone(&a_to_b)?,
            ring_size: Atomic::new(ring_size(&peer)),
        };
        let a = Port {
            side: Side::A,
            link: link.clone(),
            tx: a_to_b,
            rx: b_to_a,
            ring_size: Atomic::new(ring_size(&dev)),
        };

        // The name that was asked for comes first: the peer's default name could be the same.
        let dev = dev.init(a, a_senders, rx_lanes.0)?.register()?;
        let peer = peer
            .init(b, b_senders, rx_lanes.1)?
            .register()
            .inspect_err(|&e| {
                if e == EEXIST {
                    extack.set_msg(c"There is a device of the peer's name or index already");
                }
            })?;
        // What the request says of segmentation is in the devices already.
        limit_segmentation(dev.device(), ethtool::SPEED_UNKNOWN, speed)?;
        limit_segmentation(peer.device(), ethtool::SPEED_UNKNOWN, peer_speed)?;
        link.join(dev.device(), peer.device())?;
        peer.keep();
        dev.keep();
        Ok(())
    }

    fn changelink<'a>(dev: &Device<Self>, attrs: &Attrs<'a>, extack: &mut ExtAck<'a>) -> Result {
        if let Some(attr) = attrs.get(IFLA_WREN_PEER) {
            extack.set_msg_attr(c"The peer stays; it can be changed as a device", attr);
            return Err(EOPNOTSUPP);
        }
        if let Some(tx) = attrs.u32(IFLA_WREN_RING_SIZE) {
            let rings = Rings {
                tx,
                ..shape::rings(dev)
            };
            shape::set_rings(dev, rings, extack)?;
        }
        if let Some(speed) = attrs.u32(IFLA_WREN_SPEED) {
            <Self as ethtool::Operations>::set_speed(dev, speed)?;
        }
        Ok(())
    }

    fn info(dev: &Device<Self>, attr: u16) -> Option<u32> {
        match attr {
            IFLA_WREN_RING_SIZE => Some(shape::rings(dev).tx),
            IFLA_WREN_SPEED => Some(<Self as ethtool::Operations>::speed(dev)),
            _ => None,
        }
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
