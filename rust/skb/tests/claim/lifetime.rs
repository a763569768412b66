// SPDX-License-Identifier: GPL-2.0

//! Sockets that are closed while packets are charged to them.

use super::{
    charged,
    counting_sock,
    family::{
        self,
        TestSocket, //
    },
    packet, //
};
use crate::{
    bindings,
    netdev::NetDevice,
    skb::SkBuff,
    sock::{
        testing::TestSock,
        Sock, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// `sk_destruct` of the socket, how often it was called, and what was charged after it.
static ORIGINAL: Atomic<usize> = Atomic::new(0);
static DESTRUCTED: Atomic<u32> = Atomic::new(0);
static LEFT: [Atomic<i32>; 4] = [const { Atomic::new(-1) }; 4];

/// # Safety
///
/// Called as `sk_destruct`.
unsafe extern "C" fn destruct(sk: *mut bindings::sock) {
    // SAFETY: It was stored by `watch` and is what C would have called; the memory of the socket
    // goes only afterwards.
    unsafe {
        let original: unsafe extern "C" fn(*mut bindings::sock) =
            core::mem::transmute(ORIGINAL.load(Relaxed));
        original(sk);
        LEFT[0].store((*sk).sk_backlog.rmem_alloc.counter, Relaxed);
        LEFT[1].store((*sk).sk_wmem_alloc.refs.counter, Relaxed);
        LEFT[2].store((*sk).sk_forward_alloc, Relaxed);
        LEFT[3].store((*sk).sk_omem_alloc.counter, Relaxed);
    }
    DESTRUCTED.add(1, Relaxed);
}

/// Looks from now on at how the socket ends.
fn watch(sock: &TestSock) {
    DESTRUCTED.store(0, Relaxed);
    for left in &LEFT {
        left.store(-1, Relaxed);
    }
    // SAFETY: Nobody else knows the socket.
    unsafe {
        let at = &raw mut (*sock.sk().as_ptr()).sk_destruct;
        ORIGINAL.store(at.read().map_or(0, |f| f as usize), Relaxed);
        at.write(Some(destruct));
    }
}

/// Calls of `sk_destruct`, after those that RCU has still to make.
fn destructed() -> u32 {
    // SAFETY: The tests may sleep.
    unsafe { bindings::rcu_barrier() };
    DESTRUCTED.load(Relaxed)
}

/// What was charged after the last one: rmem, W, forward_alloc, omem.
fn left() -> [i32; 4] {
    [0, 1, 2, 3].map(|i: usize| LEFT[i].load(Relaxed))
}

/// W, and `sk_refcnt`.
fn counters(sk: &Sock) -> (u32, i32) {
    // SAFETY: Somebody has lent us the socket.
    let refcnt = unsafe { (*sk.as_ptr()).__sk_common.skc_refcnt.refs.counter };
    (sk.wmem_alloc().wrapping_add(1), refcnt)
}

#[kunit_tests(knet_skb_claim_lifetime)]
mod tests {
    use super::*;

    #[test]
    fn c59_the_charge_keeps_a_closed_socket() -> Result {
        let sock = counting_sock()?;
        watch(&sock);
        let mut skbs = KVec::<SkBuff>::new();
        for _ in 0..3 {
            skbs.push(charged(&sock)?, GFP_KERNEL)?;
        }
        let sum: u32 = skbs.iter().map(|skb| skb.truesize()).sum();
        drop(sock);
        // No file and no reference is left, but the memory is. The part of W that was the socket's
        // own went with the last reference.
        assert_eq!(skbs[0].owner().map(counters), Some((sum, 0)));
        let mut left = skbs.len();
        for skb in skbs {
            assert_eq!(destructed(), 0);
            skb.consume();
            left -= 1;
            // A UDP socket that was never bound is freed at once.
            assert_eq!(DESTRUCTED.load(Relaxed), u32::from(left == 0));
        }
        assert_eq!(destructed(), 1);
        Ok(())
    }

    #[test]
    fn c59_the_last_packet_lets_the_module_go() -> Result {
        let base = family::module_refcount();
        let family = family::register()?;
        for own in [false, true] {
            let sock = TestSocket::open(&family)?;
            watch(sock.sock());
            let (mut one, mut two) = (packet()?, packet()?);
            for skb in [&mut one, &mut two] {
                if own {
                    skb.set_owner_wmem(sock.live());
                } else {
                    skb.set_owner_w(sock.sock().sk());
                }
            }
            assert!(family::module_refcount() > base);
            drop(sock);
            assert!(family::module_refcount() > base);
            one.consume();
            assert_eq!(destructed(), 0);
            assert!(family::module_refcount() > base);
            two.consume();
            assert_eq!(destructed(), 1);
            assert_eq!(family::module_refcount(), base);
        }
        assert_eq!(family::freed(), 2);
        Ok(())
    }

    #[test]
    fn c60_packets_that_were_received_go_with_the_socket() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        watch(sock.sock());
        let refcnt = sock.sock().refcnt();
        let (one, two, three) = (packet()?, packet()?, packet()?);
        let sum = one.truesize() + two.truesize() + three.truesize();
        // SAFETY: The loopback device of the initial namespace is always there.
        let lo = unsafe { NetDevice::from_raw(bindings::init_net.loopback_dev) };
        sock.live()
            .queue_rcv_skb(one, lo, 1)
            .map_err(|(skb, reason)| {
                skb.drop_with(reason);
                ENOMEM
            })?;
        two.set_owner_r(sock.live()).queue();
        // An error report for the program, charged to the receive buffer, too.
        let three = three.into_raw();
        // SAFETY: The socket is valid and held; it takes the packet on success.
        let queued = to_result(unsafe {
            bindings::sock_queue_err_skb(sock.live().as_ptr(), three.as_ptr())
        });
        if queued.is_err() {
            // SAFETY: On failure it is still ours.
            unsafe { SkBuff::<crate::skb::Private>::from_raw(three) }.consume();
        }
        assert!(queued.is_ok());
        assert_eq!(
            (sock.live().rmem_alloc(), sock.sock().refcnt()),
            (sum, refcnt)
        );
        drop(sock);
        assert_eq!((destructed(), left()), (1, [0, 0, 0, 0]));
        Ok(())
    }

    #[test]
    fn c60_a_packet_that_is_read_ends_before_its_socket() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        watch(sock.sock());
        let (one, two) = (packet()?, packet()?);
        let t = two.truesize();
        one.set_owner_r(sock.live()).queue();
        two.set_owner_r(sock.live()).queue();
        let sk = sock.live().live();
        for rest in [t, 0] {
            let skb = sk.recv_datagram(bindings::MSG_DONTWAIT)?.ok_or(ENOENT)?;
            skb.consume();
            assert_eq!(sk.rmem_alloc(), rest);
        }
        let more = sk.recv_datagram(bindings::MSG_DONTWAIT);
        assert!(more.map(|skb| skb.is_none()) == Err(EAGAIN));
        drop(sock);
        assert_eq!((destructed(), left()), (1, [0, 0, 0, 0]));
        Ok(())
    }
}
