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
    netdev::{
        features,
        NetDevice, //
    },
    skb::{
        PagedLayout,
        SkBuff,
        Wsum, //
    },
    sock::{
        msg::flags,
        LiveSocket,
        SendMsg,
        Socket,
        TxControl, //
    },
};

/// What is longer is not put into one piece of memory, if the device can send it in pieces: with
/// its headers and what the stack keeps behind it, this much fits a page.
const LINEAR_MAX: usize = 3072;

/// Order of the largest pages that are tried: 32 KiB, which the kernel still finds without effort.
const PAGE_ORDER: u32 = 3;

/// Room that a packet needs around the payload, and how the device takes it.
struct Room {
    head: usize,
    tail: usize,
    pages: bool,
}

/// Finds the interface to send through.
///
/// # Errors
///
/// `ENODEV` if it is not there or not Ethernet, `ENETDOWN` if it is down, `EMSGSIZE` if `len` bytes
/// behind the Ethernet header do not fit one frame.
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
    // Who is woken because the device drops what it has must not send into one that is closing.
    if !dev.is_running() {
        return Err(ENETDOWN);
    }
    if len > dev.mtu() {
        return Err(EMSGSIZE);
    }
    Ok(dev)
}

/// Finds out where a message is to go: where it says, or to the peer of the socket.
fn destination(sk: &LiveSocket<Wren>, msg: &SendMsg<'_>) -> Result<Address> {
    let data = sk.data();
    let mut dest = match msg.name() {
        Some(name) => Address::parse(name, data.family)?,
        None => data.peer.get().ok_or(EDESTADDRREQ)?,
    };
    if (dest.port == 0) != data.is_raw() {
        return Err(EINVAL);
    }
    if dest.is_broadcast() && !sk.broadcast() {
        return Err(EACCES);
    }
    dest.ifindex = socket::interface(sk, dest.ifindex)?;
    Ok(dest)
}

/// Makes a packet of `len` bytes of a message, charged to the socket from the start. Returns it
/// with the sum of its bytes if that is asked for.
///
/// This may sleep, so no device is held: one that is to be removed must not wait for a writer who
/// waits for another device.
#[inline]
fn packet(
    sk: &LiveSocket<Wren>,
    msg: &mut SendMsg<'_>,
    len: usize,
    room: &Room,
    summed: bool,
) -> Result<(SkBuff, Wsum)> {
    let dontwait = msg.flags() & flags::DONTWAIT != 0;
    if room.pages && len > LINEAR_MAX {
        let layout = PagedLayout {
            headroom: room.head,
            linear: 0,
            paged: len,
            order: PAGE_ORDER,
        };
        let mut skb = sk.live().alloc_send_pskb(&layout, dontwait)?;
        if let Err(e) = skb.put_iter(msg.data(), len) {
            skb.consume();
            return Err(e);
        }
        let skb = skb.finish().map_err(|skb| {
            skb.consume();
            EFAULT
        })?;
        return match skb.checksum(0, if summed { len } else { 0 }) {
            Ok(sum) => Ok((skb, sum)),
            Err(e) => {
                skb.consume();
                Err(e)
            }
        };
    }
    let mut skb = sk
        .live()
        .alloc_send_skb(room.head, len + room.tail, dontwait)?;
    let put = if summed {
        skb.put_iter_csum(msg.data(), len)
    } else {
        skb.put_iter(msg.data(), len).map(|()| Wsum::ZERO)
    };
    match put {
        Ok(sum) => Ok((skb, sum)),
        Err(e) => {
            skb.consume();
            Err(e)
        }
    }
}

/// Puts the header of a datagram in front of the payload, whose sum is `payload`.
///
/// The checksum is not left to the device: of those that say they sum up anything (NETIF_F_HW_CSUM)
/// several know TCP and UDP only. Such a frame would leave with none, and nobody would notice.
#[inline]
fn push_header(skb: &mut SkBuff, header: Header, payload: Wsum) -> Result {
    if header.check {
        skb.push_data(&header.to_bytes_with(payload))
    } else {
        skb.push_data(&header.to_bytes())
    }
}

/// Gives the packet to the device: of this index, which may be another one by now.
#[inline]
fn transmit(mut skb: SkBuff, sk: &LiveSocket<Wren>, dest: &Address, control: &TxControl) -> Result {
    let ethertype = sk.data().ethertype;
    skb.reset_network_header();
    skb.set_protocol(ethertype);
    skb.set_hash_from_sk(sk);
    skb.set_tx_control(control);
    // Meanwhile the device may have gone, or have got a smaller MTU.
    let guard = rcu::read_lock();
    let addressed = device(sk, dest.ifindex, skb.len(), &guard).and_then(|dev| {
        // Another device of this index may want more room than the one that was asked before.
        skb.dev_hard_header(dev, ethertype, &dest.mac, &dev.eth_address())
            .map_err(|_| ENOBUFS)?;
        Ok(dev)
    });
    match addressed {
        Ok(dev) => {
            skb.set_tx_time(control, sk.live());
            skb.dev_queue_xmit(dev, &guard)
        }
        Err(e) => {
            skb.consume();
            Err(e)
        }
    }
}

/// Sends one datagram, or one frame: charged to the socket from the start, until the device has
/// sent it.
pub(crate) fn sendmsg(sk: &LiveSocket<Wren>, msg: &mut SendMsg<'_>) -> Result<usize> {
    let len = msg.len();
    if msg.flags() & flags::OOB != 0 {
        return Err(EOPNOTSUPP);
    }
    let dest = destination(sk, msg)?;
    // The program brings the header, or leaves it to us.
    let header = sk.data().skipped();
    let total = len.checked_add(header).ok_or(EMSGSIZE)?;
    if total < wire::SIZE {
        return Err(EINVAL);
    }
    let room = {
        let guard = rcu::read_lock();
        let dev = device(sk, dest.ifindex, total, &guard)?;
        Room {
            head: dev.ll_reserved_space() + header,
            tail: dev.needed_tailroom(),
            pages: dev.features() & features::SG != 0,
        }
    };
    let control = msg.control(sk.live())?;
    let header = if sk.data().is_raw() {
        None
    } else {
        Some(Header {
            source: socket::autobind(sk)?,
            dest: dest.port,
            len: u16::try_from(len).map_err(|_| EMSGSIZE)?,
            check: sk.data().checksum(),
        })
    };
    let summed = header.is_some_and(|header| header.check);
    let (mut skb, payload) = packet(sk, msg, len, &room, summed)?;
    if let Some(header) = header {
        if let Err(e) = push_header(&mut skb, header, payload) {
            skb.consume();
            return Err(e);
        }
    }
    transmit(skb, sk, &dest, &control)?;
    Ok(len)
}
