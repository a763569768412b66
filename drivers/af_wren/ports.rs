// SPDX-License-Identifier: GPL-2.0

//! Which socket has which port.
//!
//! Ports are per network namespace. A socket has its port on one interface or, bound to none, on
//! all; two sockets may have the same port on different interfaces.

use crate::socket::Wren;
use kernel::{
    prelude::*,
    sync::rcu, //
};
use knet::{
    net::Namespace,
    sock::{
        LiveSocket,
        SockGuard,
        SockTable,
        Socket, //
    },
};

/// Chains of the table: with every port of a namespace in use, 16 sockets a chain.
const BUCKETS: usize = 4096;

/// Ports that the kernel gives out: the dynamic range of RFC 6335.
const EPHEMERAL: core::ops::RangeInclusive<u16> = 49152..=65535;

/// The ports of all namespaces.
#[pin_data]
pub(crate) struct Ports {
    #[pin]
    table: SockTable<Wren>,
}

fn hash(net: &Namespace, port: u16) -> u32 {
    net.hash_mix() ^ u32::from(port)
}

impl Ports {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table <- SockTable::new(BUCKETS),
        }? Error)
    }

    /// Finds the socket that a datagram is for.
    #[inline]
    pub(crate) fn lookup<'a>(
        &self,
        net: &Namespace,
        port: u16,
        ifindex: i32,
        guard: &'a rcu::Guard,
    ) -> Option<&'a Socket<Wren>> {
        self.table.lookup(hash(net, port), guard, |sk| {
            let bound = sk.bound_dev_if();
            sk.data().port() == port && (bound == 0 || bound == ifindex) && sk.net().is(net)
        })
    }

    /// Gives `port` to a socket on an interface, or on all if `ifindex` is 0.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another socket has it there, `EINVAL` if the socket has a port.
    fn take(
        &self,
        sk: &LiveSocket<Wren>,
        lock: &mut SockGuard<'_>,
        port: u16,
        ifindex: i32,
    ) -> Result {
        let conflicts = |other: &Socket<Wren>| {
            let bound = other.bound_dev_if();
            other.data().port() == port
                && (bound == 0 || ifindex == 0 || bound == ifindex)
                && other.net().is(sk.net())
        };
        self.table.insert(hash(sk.net(), port), sk, conflicts, || {
            sk.data().set_port(port);
            lock.bind_to_device(ifindex);
        })
    }

    /// Gives a socket the port that it asks for, or any if that is 0. Errors: as `take`.
    pub(crate) fn bind(
        &self,
        sk: &LiveSocket<Wren>,
        lock: &mut SockGuard<'_>,
        port: u16,
        ifindex: i32,
    ) -> Result {
        if port != 0 {
            return self.take(sk, lock, port, ifindex);
        }
        let (first, last) = (u32::from(*EPHEMERAL.start()), u32::from(*EPHEMERAL.end()));
        let count = last - first + 1;
        let start = knet::random::get_u32() % count;
        for n in 0..count {
            let port = (first + (start + n) % count) as u16;
            match self.take(sk, lock, port, ifindex) {
                Err(e) if e == EADDRINUSE => {}
                other => return other,
            }
        }
        Err(EADDRINUSE)
    }

    /// Takes the port of a socket back.
    pub(crate) fn release(&self, sk: &LiveSocket<Wren>) {
        self.table.remove(sk);
    }

    /// Calls `f` for each socket that is bound to an interface of a namespace.
    pub(crate) fn for_each_bound(&self, net: &Namespace, ifindex: i32, f: impl Fn(&Socket<Wren>)) {
        let guard = rcu::read_lock();
        self.table.for_each(&guard, |sk| {
            if sk.bound_dev_if() == ifindex && sk.net().is(net) {
                f(sk);
            }
        });
    }
}
