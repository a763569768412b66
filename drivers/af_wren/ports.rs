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

/// Chains of the table of raw sockets, by namespace.
const RAW_BUCKETS: usize = 16;

/// The ports of all namespaces, and the sockets without.
#[pin_data]
pub(crate) struct Ports {
    #[pin]
    table: SockTable<Wren>,
    /// Raw sockets.
    #[pin]
    raw: SockTable<Wren>,
}

fn hash(net: &Namespace, port: u16) -> u32 {
    net.hash_mix() ^ u32::from(port)
}

impl Ports {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table <- SockTable::new(BUCKETS),
            raw <- SockTable::new(RAW_BUCKETS),
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

    /// Takes the port of a socket back, and lets nobody find it any more.
    pub(crate) fn release(&self, sk: &LiveSocket<Wren>) {
        self.table.remove(sk);
        self.raw.remove(sk);
    }

    /// Lets a raw socket be found.
    pub(crate) fn add_raw(&self, sk: &LiveSocket<Wren>) {
        // It fails for a socket that is in a table; this one is new.
        let _ = self.raw.insert(sk.net().hash_mix(), sk, |_| false, || {});
    }

    /// Calls `f` for each raw socket that sees the frames of an interface.
    #[inline]
    pub(crate) fn for_each_raw(
        &self,
        net: &Namespace,
        ifindex: i32,
        mut f: impl FnMut(&Socket<Wren>),
    ) {
        let guard = rcu::read_lock();
        // None matches, so all are looked at.
        let _ = self.raw.lookup(net.hash_mix(), &guard, |sk| {
            let bound = sk.bound_dev_if();
            if (bound == 0 || bound == ifindex) && sk.net().is(net) {
                f(sk);
            }
            false
        });
    }

    /// Calls `f` for each socket of a namespace. Context: process.
    pub(crate) fn for_each(&self, net: &Namespace, mut f: impl FnMut(&Socket<Wren>)) {
        for table in [&self.table, &self.raw] {
            table.for_each(|sk| {
                if sk.net().is(net) {
                    f(sk);
                }
            });
        }
    }
}
