// SPDX-License-Identifier: GPL-2.0

//! Which socket has which port.
//!
//! Ports are per network namespace. A socket has its port on one interface or, bound to none, on
//! all; two sockets may have the same port on different interfaces.

use crate::socket::Wren;
use kernel::prelude::*;
use knet::{
    net::Namespace,
    rcu::ReadSide,
    sock::{
        chains_for_memory,
        LiveSocket,
        SockGuard,
        SockTable,
        Socket, //
    },
};

/// Bytes of memory of the machine for which the table has a chain, as a power of two: 16 KiB, so it
/// takes a thousandth of it at most.
const SCALE: u32 = 14;

/// Chains of the table, at least and at most: as UDP.
const CHAINS: (usize, usize) = (256, 65536);

/// Ports that the kernel gives out: the dynamic range of RFC 6335.
const EPHEMERAL: core::ops::RangeInclusive<u16> = 49152..=65535;

/// The port of raw sockets, which have none.
const RAW: u16 = 0;

/// The ports of all namespaces, and the sockets without.
#[pin_data]
pub(crate) struct Ports {
    #[pin]
    table: SockTable<Wren>,
    /// Random and odd.
    seed: u64,
}

impl Ports {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let (min, max) = CHAINS;
            let chains = chains_for_memory(SCALE, min, max)?;
            let [high, low] = [knet::random::get_u32(), knet::random::get_u32()];
            Ok(try_pin_init!(Self {
                table <- SockTable::new(chains),
                seed: u64::from(high) << 32 | u64::from(low) | 1,
            }? Error))
        })
    }

    /// Where to find the sockets with a port on an interface, or on all if `ifindex` is 0.
    ///
    /// Multiplying by an odd number spreads the ports of an interface evenly. As nobody knows it,
    /// nobody can choose interfaces so that many sockets come together.
    #[inline(always)]
    fn place(&self, net: &Namespace, port: u16, ifindex: i32) -> u32 {
        let key = u64::from(port) << 32 | u64::from(net.hash_mix() ^ ifindex as u32);
        (key.wrapping_mul(self.seed) >> 32) as u32
    }

    /// Finds the socket that a datagram is for.
    #[inline]
    pub(crate) fn lookup<'a>(
        &self,
        net: &Namespace,
        port: u16,
        ifindex: i32,
        guard: &'a impl ReadSide,
    ) -> Option<&'a Socket<Wren>> {
        // SO_BINDTODEVICE asks nobody, so both may be there. The one that has said more is meant.
        [ifindex, 0].into_iter().find_map(|bound| {
            self.table
                .lookup(self.place(net, port, bound), guard, |sk| {
                    sk.data().port() == port && sk.bound_dev_if() == bound && sk.net().is(net)
                })
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
        let place = self.place(sk.net(), port, ifindex);
        // A port on all interfaces is taken by whoever has it on one.
        let group = self.place(sk.net(), port, 0);
        self.table.insert(place, group, sk, conflicts, || {
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
    }

    /// Lets a raw socket be found.
    pub(crate) fn add_raw(&self, sk: &LiveSocket<Wren>) {
        // It fails for a socket that is in a table; this one is new.
        let _ = self.table.add(self.place(sk.net(), RAW, 0), sk);
    }

    /// Follows a socket that was bound to another interface. Its lock is held.
    pub(crate) fn rehash(&self, sk: &LiveSocket<Wren>) {
        let place = self.place(sk.net(), sk.data().port(), sk.bound_dev_if());
        self.table.rehash(place, sk);
    }

    /// Calls `f` for each raw socket that sees the frames of an interface.
    #[inline]
    pub(crate) fn for_each_raw(
        &self,
        net: &Namespace,
        ifindex: i32,
        guard: &impl ReadSide,
        mut f: impl FnMut(&Socket<Wren>),
    ) {
        for bound in [ifindex, 0] {
            // None matches, so all are looked at.
            let _ = self.table.lookup(self.place(net, RAW, bound), guard, |sk| {
                if sk.data().is_raw() && sk.bound_dev_if() == bound && sk.net().is(net) {
                    f(sk);
                }
                false
            });
        }
    }

    /// Calls `f` for each socket of a namespace. Context: process.
    pub(crate) fn for_each(&self, net: &Namespace, mut f: impl FnMut(&Socket<Wren>)) {
        self.table.for_each(|sk| {
            if sk.net().is(net) {
                f(sk);
            }
        });
    }
}
