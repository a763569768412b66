// SPDX-License-Identifier: GPL-2.0

//! Whom a socket is connected to.

use crate::addr::Address;
use kernel::sync::atomic::Atomic;
use knet::atomic::AtomicInline;

/// The peer of a socket, read without a lock.
///
/// It is set under the socket's lock. Who reads meanwhile may see the interface of one peer with
/// the address of the other, as a datagram may be that was on its way.
pub(crate) struct Peer {
    /// Port and Ethernet address; 0 for none: a peer has a port.
    who: Atomic<u64>,
    ifindex: Atomic<i32>,
}

fn pack(port: u16, mac: &[u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = *mac;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]) | u64::from(port) << 48
}

impl Peer {
    pub(crate) fn none() -> Self {
        Self {
            who: Atomic::new(0),
            ifindex: Atomic::new(0),
        }
    }

    pub(crate) fn set(&self, peer: Option<&Address>) {
        let Some(addr) = peer else {
            return self.who.write_once(0);
        };
        self.ifindex.write_once(addr.ifindex);
        self.who.write_once(pack(addr.port, &addr.mac));
    }

    /// The address to send to.
    #[inline]
    pub(crate) fn get(&self) -> Option<Address> {
        let who = self.who.read_once();
        if who == 0 {
            return None;
        }
        let [p0, p1, mac @ ..] = who.to_be_bytes();
        Some(Address {
            port: u16::from_be_bytes([p0, p1]),
            ifindex: self.ifindex.read_once(),
            mac,
        })
    }

    /// Whether the socket wants what comes from there: if it is connected, only from its peer.
    #[inline]
    pub(crate) fn wants(&self, from: impl FnOnce() -> Address) -> bool {
        let who = self.who.read_once();
        if who == 0 {
            return true;
        }
        let from = from();
        who == pack(from.port, &from.mac) && self.ifindex.read_once() == from.ifindex
    }
}

#[cfg(CONFIG_KUNIT)]
#[kernel::macros::kunit_tests(af_wren_peer)]
mod tests {
    use super::*;

    const PEER: Address = Address {
        port: 0x1234,
        ifindex: 7,
        mac: [2, 0xff, 0, 1, 0x80, 9],
    };

    #[test]
    fn what_is_set_is_what_is_got() {
        let peer = Peer::none();
        assert!(peer.get().is_none());
        peer.set(Some(&PEER));
        assert!(peer.get() == Some(PEER));
        peer.set(None);
        assert!(peer.get().is_none());
    }

    #[test]
    fn a_connected_socket_wants_its_peer_only() {
        let peer = Peer::none();
        assert!(peer.wants(|| PEER));
        peer.set(Some(&PEER));
        assert!(peer.wants(|| PEER));
        assert!(!peer.wants(|| Address {
            port: 0x1235,
            ..PEER
        }));
        assert!(!peer.wants(|| Address { ifindex: 8, ..PEER }));
        for n in 0..6 {
            let mut mac = PEER.mac;
            mac[n] ^= 1;
            assert!(!peer.wants(|| Address { mac, ..PEER }));
        }
    }
}
