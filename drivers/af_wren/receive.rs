// SPDX-License-Identifier: GPL-2.0

//! The way of a datagram up.

use crate::{
    addr::Address,
    ports::Ports,
    socket::Wren,
    wire::{
        self,
        Header, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    },
};
use knet::{
    netdev::{
        NetDevice,
        PacketHandler, //
    },
    skb::{
        Cloned,
        DropReason,
        EthHdr,
        PktType,
        SkBuff, //
    },
    sock::{
        msg::flags,
        LiveSocket,
        RecvMsg, //
    },
};

/// Takes the frames of our EtherType.
pub(crate) struct Handler {
    ports: Arc<Ports>,
}

impl Handler {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        Self { ports }
    }
}

/// Checks a frame and cuts off what is behind the payload. Returns its header.
#[inline]
fn check(skb: &mut SkBuff<Cloned>) -> Result<Header, DropReason> {
    if skb.pkt_type() == PktType::OtherHost {
        return Err(DropReason::OTHERHOST);
    }
    let header = skb
        .may_pull(wire::SIZE)
        .map_err(|_| DropReason::PKT_TOO_SMALL)
        .and_then(Header::parse)?;
    let end = wire::SIZE + usize::from(header.len);
    if end > skb.len() {
        return Err(DropReason::PKT_TOO_SMALL);
    }
    skb.trim(end).map_err(|_| DropReason::NOMEM)?;
    Ok(header)
}

impl PacketHandler for Handler {
    fn receive(&self, mut skb: SkBuff<Cloned>, dev: &NetDevice) {
        let header = match check(&mut skb) {
            Ok(header) => header,
            Err(reason) => return skb.drop_with(reason),
        };
        let guard = rcu::read_lock();
        let Some(sk) = self
            .ports
            .lookup(dev.net(), header.dest, dev.ifindex(), &guard)
        else {
            return skb.drop_with(DropReason::NO_SOCKET);
        };
        // The header stays in front of the payload: recvmsg() reads the port from it.
        if let Err((skb, reason)) = sk.queue_rcv_skb(skb, dev) {
            skb.drop_with(reason);
        }
    }
}

/// Receives one datagram.
pub(crate) fn recvmsg(sk: &LiveSocket<Wren>, msg: &mut RecvMsg<'_>) -> Result<usize> {
    if msg.flags() & (flags::OOB | flags::ERRQUEUE) != 0 {
        return Err(EOPNOTSUPP);
    }
    let Some(skb) = sk.live().recv_datagram(msg.flags())? else {
        return Ok(0);
    };
    let payload = skb.len().saturating_sub(wire::SIZE);
    let copied = payload.min(msg.len());
    if copied < payload {
        msg.set_truncated();
    }
    skb.copy_datagram_iter(wire::SIZE, msg.data(), copied)?;

    // What is in the queue has been checked.
    let source = Header::parse(skb.data()).map_or(0, |header| header.source);
    let from = Address {
        port: source,
        ifindex: skb.iif(),
        mac: skb
            .mac_header::<EthHdr>()
            .map(|eth| eth.h_source)
            .unwrap_or_default(),
    };
    msg.set_name(&from.to_bytes(sk.data().family));
    msg.set_cmsgs(sk, &skb);
    skb.consume();
    if msg.flags() & flags::TRUNC != 0 {
        return Ok(payload);
    }
    Ok(copied)
}
