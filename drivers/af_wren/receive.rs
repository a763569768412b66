// SPDX-License-Identifier: GPL-2.0

//! The way of a datagram up.

use crate::{
    addr::Address,
    group::Group,
    option,
    ports::Ports,
    socket::Wren,
    wire::{
        self,
        Header, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use knet::{
    netdev::{
        NetDevice,
        PacketHandler, //
    },
    rcu::BhDisabled,
    skb::{
        Cloned,
        DropReason,
        EthHdr,
        PktType,
        SkBuff,
        Skb,
        Wsum, //
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
    let header = skb
        .may_pull(wire::SIZE)
        .map_err(|_| DropReason::PKT_TOO_SMALL)
        .and_then(Header::parse)?;
    let end = wire::SIZE + usize::from(header.len);
    if end > skb.len() {
        return Err(DropReason::PKT_TOO_SMALL);
    }
    skb.trim_rcsum(end).map_err(|e| match e {
        e if e == ENOMEM => DropReason::NOMEM,
        _ => DropReason::SKB_CSUM,
    })?;
    if header.check {
        skb.checksum_validate(|_| Wsum::ZERO)
            .map_err(|_| DropReason::SKB_CSUM)?;
    }
    Ok(header)
}

/// The address that a frame came from.
fn source(skb: &Skb, port: u16) -> Address {
    Address {
        port,
        ifindex: skb.iif(),
        mac: skb
            .mac_header::<EthHdr>()
            .map(|eth| eth.h_source)
            .unwrap_or_default(),
    }
}

impl Handler {
    /// Gives a copy to each raw socket.
    #[inline]
    fn deliver_raw(&self, skb: &mut SkBuff<Cloned>, dev: &NetDevice, softirq: &BhDisabled<'_>) {
        self.ports
            .for_each_raw(dev.net(), dev.ifindex(), softirq, |sk| {
                // Without memory the socket misses the frame, as it would with a full buffer.
                let Ok(clone) = skb.try_clone(GFP_ATOMIC) else {
                    return sk.count_drop();
                };
                if let Err((clone, reason)) = sk.queue_rcv_skb(clone, dev, 1) {
                    clone.drop_with(reason);
                }
            });
    }

    /// Finds the socket that a datagram is for, and puts it there.
    fn deliver(
        &self,
        skb: SkBuff<Cloned>,
        header: &Header,
        dev: &NetDevice,
        softirq: &BhDisabled<'_>,
    ) -> Result<(), (SkBuff<Cloned>, DropReason)> {
        let ifindex = dev.ifindex();
        let Some(sk) = self
            .ports
            .lookup(dev.net(), header.dest, ifindex, softirq)
            .filter(|sk| sk.data().peer.wants(|| source(&skb, header.source)))
        else {
            return Err((skb, DropReason::NO_SOCKET));
        };
        if skb.pkt_type() == PktType::Multicast {
            let mac = skb.mac_header::<EthHdr>().map(|eth| eth.h_dest);
            let joined = mac.is_some_and(|mac| sk.data().groups.contains(&Group { ifindex, mac }));
            if !joined {
                return Err((skb, DropReason::NO_SOCKET));
            }
        }
        // The header stays in front of the payload: recvmsg() reads the port from it, so a filter
        // must not cut it off.
        sk.queue_rcv_skb(skb, dev, wire::SIZE)
    }
}

impl PacketHandler for Handler {
    fn receive(&self, mut skb: SkBuff<Cloned>, dev: &NetDevice, softirq: &BhDisabled<'_>) {
        if skb.pkt_type() == PktType::OtherHost {
            return skb.drop_with(DropReason::OTHERHOST);
        }
        self.deliver_raw(&mut skb, dev, softirq);
        let header = match check(&mut skb) {
            Ok(header) => header,
            Err(reason) => return skb.drop_with(reason),
        };
        if let Err((skb, reason)) = self.deliver(skb, &header, dev, softirq) {
            skb.drop_with(reason);
        }
    }
}

/// Receives one datagram, or one frame.
pub(crate) fn recvmsg(sk: &LiveSocket<Wren>, msg: &mut RecvMsg<'_>) -> Result<usize> {
    if msg.flags() & flags::OOB != 0 {
        return Err(EOPNOTSUPP);
    }
    if msg.flags() & flags::ERRQUEUE != 0 {
        let (level, kind) = option::RECVERR;
        return msg.recv_errqueue(sk.live(), level, kind);
    }
    let Some(skb) = sk.live().recv_datagram(msg.flags())? else {
        return Ok(0);
    };
    let data = sk.data();
    let skipped = data.skipped();
    let payload = skb.len().saturating_sub(skipped);
    let copied = payload.min(msg.len());
    if copied < payload {
        msg.set_truncated();
    }
    skb.copy_datagram_iter(skipped, msg.data(), copied)?;

    if msg.wants_name() {
        // What is in the queue of a datagram socket has been checked; a frame has no port.
        let port = if data.is_raw() {
            0
        } else {
            Header::parse(skb.data()).map_or(0, |header| header.source)
        };
        msg.set_name(&source(&skb, port).to_bytes(data.family));
    }
    msg.set_cmsgs(sk, &skb);
    skb.consume();
    if msg.flags() & flags::TRUNC != 0 {
        return Ok(payload);
    }
    Ok(copied)
}
