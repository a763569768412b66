// SPDX-License-Identifier: GPL-2.0

//! The calls of a program.

use crate::{
    addr::{
        self,
        Address, //
    },
    group::Groups,
    option,
    peer::Peer,
    receive,
    send,
    wire,
    Context, //
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
    atomic::AtomicInline,
    net::Namespace,
    netdev::NetDevice,
    sock::{
        Create,
        Family,
        Ioctl,
        LiveSocket,
        OptOut,
        OptVal,
        Protocol,
        RecvMsg,
        SendMsg,
        Shutdown,
        Socket, //
    },
};

/// `SOCK_DGRAM`
const SOCK_DGRAM: i32 = 2;
/// `SOCK_RAW`
const SOCK_RAW: i32 = 3;

/// `AF_UNSPEC`: in connect(), to be connected no more.
const AF_UNSPEC: [u8; 2] = [0; 2];

/// The family.
pub(crate) struct Wren;

static PROTOCOL: Protocol<Wren> = Protocol::new();

/// What a socket sends and receives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Datagrams: `SOCK_DGRAM`.
    Datagram,
    /// Frames, with our header but without that of Ethernet: `SOCK_RAW`.
    Raw,
}

/// What each socket keeps.
#[pin_data]
pub(crate) struct WrenSock {
    kind: Kind,
    /// 0 until it is bound.
    port: Atomic<u32>,
    pub(crate) peer: Peer,
    /// Send with a checksum: 1, or without: 0.
    checksum: Atomic<u32>,
    #[pin]
    pub(crate) groups: Groups,
    pub(crate) family: u16,
    pub(crate) ethertype: u16,
    ports: Arc<crate::Ports>,
}

impl WrenSock {
    #[inline]
    pub(crate) fn is_raw(&self) -> bool {
        self.kind == Kind::Raw
    }

    /// Bytes in front of what a program receives.
    #[inline]
    pub(crate) fn skipped(&self) -> usize {
        match self.kind {
            Kind::Datagram => wire::SIZE,
            Kind::Raw => 0,
        }
    }

    #[inline]
    pub(crate) fn checksum(&self) -> bool {
        self.checksum.read_once() != 0
    }

    pub(crate) fn set_checksum(&self, on: bool) {
        self.checksum.write_once(on.into());
    }

    /// The port, or 0.
    #[inline]
    pub(crate) fn port(&self) -> u16 {
        self.port.load_acquire() as u16
    }

    pub(crate) fn set_port(&self, port: u16) {
        self.port.store_release(port.into());
    }
}

/// The interface to send through: the one that was asked for, or else the one that the socket is
/// bound to.
///
/// # Errors
///
/// `EDESTADDRREQ` if there is neither, `EINVAL` if they differ.
pub(crate) fn interface(sk: &Socket<Wren>, asked: i32) -> Result<i32> {
    match (asked, sk.bound_dev_if()) {
        (0, 0) => Err(EDESTADDRREQ),
        (asked, 0) => Ok(asked),
        (0, bound) => Ok(bound),
        (asked, bound) if asked == bound => Ok(bound),
        _ => Err(EINVAL),
    }
}

/// Finds an interface that sockets may be bound to.
fn ethernet<'a>(net: &Namespace, ifindex: i32, guard: &'a rcu::Guard) -> Result<&'a NetDevice> {
    net.dev_get_by_index(ifindex, guard)
        .filter(|dev| dev.is_ethernet())
        .ok_or(ENODEV)
}

/// Checks that sockets may be bound to an interface, with this address.
fn check_device(net: &Namespace, addr: &Address) -> Result {
    let guard = rcu::read_lock();
    let dev = ethernet(net, addr.ifindex, &guard)?;
    if addr.mac != [0; 6] && addr.mac != dev.eth_address() {
        return Err(EADDRNOTAVAIL);
    }
    Ok(())
}

/// Tells a socket that has just been bound or connected to an interface if that has gone meanwhile.
///
/// Whoever is told of devices that go may not have found the socket, or may have found it without
/// the interface. The call has succeeded nevertheless, and the device has gone after it: to take
/// back what others have seen by now would be worse.
fn check_still_there(sk: &Socket<Wren>, ifindex: i32) {
    let guard = rcu::read_lock();
    if ifindex != 0 && ethernet(sk.net(), ifindex, &guard).is_err() {
        sk.report_error(ENODEV);
    }
}

/// Gives a socket a port if it has none. It keeps it until it is closed.
#[inline]
pub(crate) fn autobind(sk: &LiveSocket<Wren>) -> Result<u16> {
    match sk.data().port() {
        0 => bind_any(sk),
        port => Ok(port),
    }
}

#[cold]
fn bind_any(sk: &LiveSocket<Wren>) -> Result<u16> {
    let data = sk.data();
    let mut lock = sk.live().lock();
    // Another thread may have been faster.
    if data.port() == 0 {
        data.ports.bind(sk, &mut lock, 0, sk.bound_dev_if())?;
    }
    Ok(data.port())
}

#[vtable]
impl Family for Wren {
    type Data = WrenSock;
    type Context = Context;

    const NAME: &'static CStr = c"WREN";

    fn protocol() -> &'static Protocol<Self> {
        &PROTOCOL
    }

    fn create(context: &Context, args: &Create<'_>) -> impl PinInit<WrenSock, Error> {
        let kind = match args.kind {
            SOCK_DGRAM => Ok(Kind::Datagram),
            // It sees what is for others, and may say that it is somebody else.
            SOCK_RAW if !args.net.may_net_raw() => Err(EPERM),
            SOCK_RAW => Ok(Kind::Raw),
            _ => Err(ESOCKTNOSUPPORT),
        };
        let kind = kind.and_then(|kind| match args.protocol {
            0 => Ok(kind),
            _ => Err(EPROTONOSUPPORT),
        });
        try_pin_init!(WrenSock {
            kind: kind?,
            port: Atomic::new(0),
            peer: Peer::none(),
            checksum: Atomic::new(1),
            groups <- Groups::new(),
            family: context.family,
            ethertype: context.ethertype,
            ports: context.ports.clone(),
        }? Error)
    }

    fn opened(sk: &LiveSocket<Self>) {
        if sk.data().is_raw() {
            sk.data().ports.add_raw(sk);
        }
    }

    fn release(sk: &LiveSocket<Self>) {
        let data = sk.data();
        data.groups.leave_all(sk);
        data.ports.release(sk);
    }

    fn bind(sk: &LiveSocket<Self>, addr: &[u8]) -> Result {
        let data = sk.data();
        let addr = Address::parse(addr, data.family)?;
        let mut lock = sk.live().lock();
        let bound = sk.bound_dev_if();
        // A raw socket has no port, only an interface.
        if data.port() != 0 || (data.is_raw() && addr.port != 0) {
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
        if data.is_raw() {
            lock.bind_to_device(ifindex);
            data.ports.rehash(sk);
        } else {
            data.ports.bind(sk, &mut lock, addr.port, ifindex)?;
        }
        check_still_there(sk, ifindex);
        Ok(())
    }

    fn rehash(sk: &LiveSocket<Self>) {
        sk.data().ports.rehash(sk);
    }

    fn connect(sk: &LiveSocket<Self>, addr: &[u8]) -> Result {
        let data = sk.data();
        if data.is_raw() {
            return Err(EOPNOTSUPP);
        }
        if addr.starts_with(&AF_UNSPEC) {
            let _lock = sk.live().lock();
            data.peer.set(None);
            return Ok(());
        }
        let mut peer = Address::parse(addr, data.family)?;
        if peer.mac == [0; 6] || peer.port == 0 {
            return Err(EINVAL);
        }
        if peer.is_broadcast() && !sk.broadcast() {
            return Err(EACCES);
        }
        peer.ifindex = interface(sk, peer.ifindex)?;
        ethernet(sk.net(), peer.ifindex, &rcu::read_lock())?;
        autobind(sk)?;
        let _lock = sk.live().lock();
        data.peer.set(Some(&peer));
        check_still_there(sk, peer.ifindex);
        Ok(())
    }

    fn shutdown(sk: &LiveSocket<Self>, how: Shutdown) -> Result {
        let mut lock = sk.live().lock();
        if sk.data().peer.get().is_none() {
            return Err(ENOTCONN);
        }
        lock.shutdown(how);
        Ok(())
    }

    fn setsockopt(sk: &LiveSocket<Self>, level: i32, name: i32, value: OptVal<'_>) -> Result {
        option::set(sk, level, name, value)
    }

    fn getsockopt(sk: &LiveSocket<Self>, level: i32, name: i32, out: &mut OptOut<'_>) -> Result {
        option::get(sk, level, name, out)
    }

    fn getname(sk: &LiveSocket<Self>, out: &mut [u8], peer: bool) -> Result<usize> {
        let data = sk.data();
        let addr = if peer {
            data.peer.get().ok_or(ENOTCONN)?
        } else {
            let ifindex = sk.bound_dev_if();
            let guard = rcu::read_lock();
            let dev = sk.net().dev_get_by_index(ifindex, &guard);
            Address {
                port: data.port(),
                ifindex,
                mac: dev.map_or([0; 6], |dev| dev.eth_address()),
            }
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
            Ioctl::InQ => sk.first_packet_len().saturating_sub(sk.data().skipped()) as u32,
        })
    }
}
