// SPDX-License-Identifier: GPL-2.0

//! How a pair is made, changed and removed by rtnetlink.

use crate::{
    ethtool::{
        is_speed,
        limit_segmentation, //
    },
    lane::{
        Lane,
        Sender, //
    },
    link::{
        Link,
        Side, //
    },
    port::Port,
    shape, //
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
        Device,
        NetDevice, //
    },
    ring, //
};

/// Attributes in `IFLA_INFO_DATA`, see `include/uapi/linux/wren.h`
const IFLA_WREN_PEER: u16 = 1;
const IFLA_WREN_RING_SIZE: u16 = 2;
const IFLA_WREN_SPEED: u16 = 3;

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
