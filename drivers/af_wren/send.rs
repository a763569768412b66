// SPDX-License-Identifier: GPL-2.0

//! The way of a datagram down.

use crate::{
    addr::Address,
    socket::{
        self,
        Wren, //
    },
    wire::{
        self,
        Header, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};
use knet::{
    netdev::NetDevice,
    skb::{
        SkBuff,
        TxMeta, //
    },
    sock::{
        msg::flags,
        LiveSocket,
        SendMsg,
        Socket, //
    },
};

/// Room that a packet needs around the payload.
struct Room {
    head: usize,
    tail: usize,
}

/// Finds the interface to send through.
///
/// # Errors
///
/// `ENODEV` if it is not there or not Ethernet, `ENETDOWN` if it is down, `EMSGSIZE` if `len` bytes
/// do not fit one frame.
fn device<'a>(
    sk: &Socket<Wren>,
    ifindex: i32,
    len: usize,
    guard: &'a rcu::Guard,
) -> Result<&'a NetDevice> {
    let dev = sk.net().dev_get_by_index(ifindex, guard).ok_or(ENODEV)?;
    if !dev.is_ethernet() {
        return Err(ENODEV);
    }
    if !dev.is_up() {
        return Err(ENETDOWN);
    }
    if len + wire::SIZE > dev.mtu() || u16::try_from(len).is_err() {
        return Err(EMSGSIZE);
    }
    Ok(dev)
}

/// Fills an empty packet.
fn fill(skb: &mut SkBuff, sk: &Socket<Wren>, msg: &mut SendMsg<'_>, header: Header) -> Result {
    let len = msg.len();
    skb.put_iter(msg.data(), len)?;
    skb.push_data(&header.to_bytes())?;
    skb.reset_network_header();
    skb.set_tx_meta(&TxMeta {
        protocol: sk.data().ethertype,
        priority: sk.priority(),
        mark: sk.mark(),
    });
    Ok(())
}

/// Sends one datagram: charged to the socket from the start, until the device has sent it.
pub(crate) fn sendmsg(sk: &LiveSocket<Wren>, msg: &mut SendMsg<'_>) -> Result<usize> {
    let len = msg.len();
    if msg.flags() & flags::OOB != 0 {
        return Err(EOPNOTSUPP);
    }
    // None is understood, and one that is ignored would be worse.
    if msg.has_control() {
        return Err(EINVAL);
    }
    let dest = Address::parse(msg.name().ok_or(EDESTADDRREQ)?, sk.data().family)?;
    if dest.port == 0 {
        return Err(EINVAL);
    }
    let ifindex = match (dest.ifindex, sk.bound_dev_if()) {
        (0, 0) => return Err(EDESTADDRREQ),
        (asked, 0) => asked,
        (0, bound) => bound,
        (asked, bound) if asked == bound => bound,
        _ => return Err(EINVAL),
    };
    let room = {
        let guard = rcu::read_lock();
        let dev = device(sk, ifindex, len, &guard)?;
        Room {
            head: dev.ll_reserved_space() + wire::SIZE,
            tail: len + dev.needed_tailroom(),
        }
    };
    let header = Header {
        source: socket::autobind(sk)?,
        dest: dest.port,
        len: len as u16,
    };

    // This may sleep, so no device is held: one that is to be removed must not wait for a writer
    // who waits for another device.
    let dontwait = msg.flags() & flags::DONTWAIT != 0;
    let mut skb = sk.live().alloc_send_skb(room.head, room.tail, dontwait)?;
    if let Err(e) = fill(&mut skb, sk, msg, header) {
        skb.consume();
        return Err(e);
    }

    // Meanwhile the device may have gone, or have got a smaller MTU.
    let guard = rcu::read_lock();
    let addressed = device(sk, ifindex, len, &guard).and_then(|dev| {
        // Another device of this index may want more room than the one that was asked before.
        skb.dev_hard_header(dev, sk.data().ethertype, &dest.mac, &dev.eth_address())
            .map_err(|_| ENOBUFS)?;
        Ok(dev)
    });
    match addressed {
        Ok(dev) => skb.dev_queue_xmit(dev, &guard).map(|()| len),
        Err(e) => {
            skb.consume();
            Err(e)
        }
    }
}
