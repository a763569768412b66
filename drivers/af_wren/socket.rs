// SPDX-License-Identifier: GPL-2.0

//! The calls of a program.

use crate::{
    addr::{
        self,
        Address, //
    },
    receive,
    send,
    wire,
    Context, //
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        rcu,
        Arc, //
    },
};
use knet::{
    net::Namespace,
    sock::{
        Create,
        Family,
        Ioctl,
        LiveSocket,
        Protocol,
        RecvMsg,
        SendMsg, //
    },
};

/// `SOCK_DGRAM`
const SOCK_DGRAM: i32 = 2;

/// The family.
pub(crate) struct Wren;

static PROTOCOL: Protocol<Wren> = Protocol::new();

/// What each socket keeps.
pub(crate) struct WrenSock {
    /// 0 until it is bound.
    port: Atomic<u32>,
    pub(crate) family: u16,
    pub(crate) ethertype: u16,
    ports: Arc<crate::Ports>,
}

impl WrenSock {
    /// The port, or 0.
    #[inline]
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Acquire) as u16
    }

    pub(crate) fn set_port(&self, port: u16) {
        self.port.store(port.into(), Release);
    }
}

/// Checks that sockets may be bound to an interface, with this address.
fn check_device(net: &Namespace, addr: &Address) -> Result {
    let guard = rcu::read_lock();
    let dev = net.dev_get_by_index(addr.ifindex, &guard).ok_or(ENODEV)?;
    if !dev.is_ethernet() {
        return Err(ENODEV);
    }
    if addr.mac != [0; 6] && addr.mac != dev.eth_address() {
        return Err(EADDRNOTAVAIL);
    }
    Ok(())
}

/// Gives a socket a port if it has none.
pub(crate) fn autobind(sk: &LiveSocket<Wren>) -> Result<u16> {
    let data = sk.data();
    if data.port() == 0 {
        let mut lock = sk.live().lock();
        // Another thread may have been faster.
        if data.port() == 0 {
            data.ports.bind(sk, &mut lock, 0, sk.bound_dev_if())?;
        }
    }
    Ok(data.port())
}

impl Family for Wren {
    type Data = WrenSock;
    type Context = Context;

    const NAME: &'static CStr = c"WREN";

    fn protocol() -> &'static Protocol<Self> {
        &PROTOCOL
    }

    fn create(context: &Context, args: &Create<'_>) -> Result<WrenSock> {
        if args.kind != SOCK_DGRAM {
            return Err(ESOCKTNOSUPPORT);
        }
        if args.protocol != 0 {
            return Err(EPROTONOSUPPORT);
        }
        Ok(WrenSock {
            port: Atomic::new(0),
            family: context.family,
            ethertype: context.ethertype,
            ports: context.ports.clone(),
        })
    }

    fn release(sk: &LiveSocket<Self>) {
        sk.data().ports.release(sk);
    }

    fn bind(sk: &LiveSocket<Self>, addr: &[u8]) -> Result {
        let data = sk.data();
        let addr = Address::parse(addr, data.family)?;
        let mut lock = sk.live().lock();
        let bound = sk.bound_dev_if();
        if data.port() != 0 {
            return Err(EINVAL);
        }
        let ifindex = match (addr.ifindex, bound) {
            (asked, 0) => asked,
            (0, bound) => bound,
            (asked, bound) if asked == bound => bound,
            // SO_BINDTODEVICE has said otherwise.
            _ => return Err(EINVAL),
        };
        if ifindex != 0 {
            check_device(sk.net(), &Address { ifindex, ..addr })?;
        } else if addr.mac != [0; 6] {
            return Err(EADDRNOTAVAIL);
        }
        data.ports.bind(sk, &mut lock, addr.port, ifindex)?;
        // The device may have gone before the socket was in the table, where those are told that
        // are bound to it.
        if ifindex != 0 && check_device(sk.net(), &Address { ifindex, ..addr }).is_err() {
            data.ports.release(sk);
            data.set_port(0);
            lock.bind_to_device(bound);
            return Err(ENODEV);
        }
        Ok(())
    }

    fn getname(sk: &LiveSocket<Self>, out: &mut [u8], peer: bool) -> Result<usize> {
        if peer {
            return Err(ENOTCONN);
        }
        let data = sk.data();
        let ifindex = sk.bound_dev_if();
        let guard = rcu::read_lock();
        let mac = sk
            .net()
            .dev_get_by_index(ifindex, &guard)
            .map_or([0; 6], |dev| dev.eth_address());
        let addr = Address {
            port: data.port(),
            ifindex,
            mac,
        };
        out[..addr::SIZE].copy_from_slice(&addr.to_bytes(data.family));
        Ok(addr::SIZE)
    }

    fn sendmsg(sk: &LiveSocket<Self>, msg: &mut SendMsg<'_>) -> Result<usize> {
        send::sendmsg(sk, msg)
    }

    fn recvmsg(sk: &LiveSocket<Self>, msg: &mut RecvMsg<'_>) -> Result<usize> {
        receive::recvmsg(sk, msg)
    }

    fn ioctl(sk: &LiveSocket<Self>, cmd: Ioctl) -> Result<u32> {
        Ok(match cmd {
            Ioctl::OutQ => sk.wmem_alloc(),
            Ioctl::InQ => sk.first_packet_len().saturating_sub(wire::SIZE) as u32,
        })
    }
}
