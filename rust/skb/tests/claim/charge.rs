// SPDX-License-Identifier: GPL-2.0

//! Putting a claim on a packet.

use super::{
    charged,
    counting_sock,
    family::{
        self,
        TestSocket, //
    },
    packet,
    set_refcnt,
    set_state,
    unowned,
    users,
    ws, //
};
use crate::{
    bindings,
    skb::{
        OwnerKind,
        SkBuff, //
        Skb,
    },
    sock::testing::TestSock, //
};
use core::ptr;
use kernel::{
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

pub(super) fn set_txhash(sock: &TestSock, hash: u32) {
    // SAFETY: Nobody else knows the socket.
    unsafe { (*sock.sk().as_ptr()).sk_txhash = hash };
}

pub(super) fn ooo_okay(skb: &Skb) -> bool {
    skb.headers().ooo_okay() == 1
}

/// The hash of the packet, and whether it is one of the transport layer.
pub(super) fn hash(skb: &Skb) -> (u32, bool) {
    (skb.headers().hash, skb.headers().l4_hash() == 1)
}

/// SO_SNDBUF
fn set_sndbuf(sock: &TestSock, value: i32) -> Result {
    // SAFETY: Zeroes are valid for all fields.
    let mut arg: bindings::sockptr_t = unsafe { core::mem::zeroed() };
    arg.__bindgen_anon_1.kernel = ptr::from_ref(&value).cast_mut().cast();
    arg.set_is_kernel(true);
    // SAFETY: The socket is valid, and so is the value, for as long as C reads it.
    to_result(unsafe {
        bindings::sock_setsockopt(
            sock.as_ptr(),
            bindings::SOL_SOCKET as c_int,
            bindings::SO_SNDBUF as c_int,
            arg,
            size_of::<c_int>() as c_uint,
        )
    })
}

#[kunit_tests(knet_skb_claim_charge)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_new_socket_has_w_of_one() -> Result {
        let sock = counting_sock()?;
        assert_eq!((sock.w(), sock.sk().wmem_alloc()), (1, 0));
        Ok(())
    }

    #[test]
    fn c2_set_owner_w_charges_truesize_and_nothing_else() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        let (t, refcnt) = (skb.truesize(), sock.refcnt());
        assert!(unowned(&skb) && skb.owner().is_none());
        skb.set_owner_w(sock.sk());
        assert_eq!((sock.w(), skb.truesize()), (1 + t, t));
        assert_eq!((sock.refcnt(), users(&skb), ws()), (refcnt, 1, 0));
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(sock.sk().as_ptr()));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c3_only_the_first_packet_may_change_its_queue() -> Result {
        let sock = counting_sock()?;
        let (first, second) = (charged(&sock)?, charged(&sock)?);
        assert!(ooo_okay(&first) && !ooo_okay(&second));
        first.consume();
        second.consume();
        let again = charged(&sock)?;
        assert!(ooo_okay(&again));
        again.consume();
        Ok(())
    }

    #[test]
    fn c4_the_hash_of_the_socket_goes_to_the_packet_if_there_is_one() -> Result {
        let sock = counting_sock()?;
        set_txhash(&sock, 0x1234);
        let mut skb = charged(&sock)?;
        assert_eq!(hash(&skb), (0x1234, true));
        set_txhash(&sock, 0);
        skb.set_owner_w(sock.sk());
        assert_eq!(hash(&skb), (0x1234, true));
        skb.consume();
        let skb = charged(&sock)?;
        assert_eq!(hash(&skb), (0, false));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c5_a_socket_that_is_not_whole_is_referenced_and_not_charged() -> Result {
        let sock = counting_sock()?;
        let refcnt = sock.refcnt();
        for state in [bindings::TCP_TIME_WAIT, bindings::TCP_NEW_SYN_RECV] {
            let mut skb = packet()?;
            let before = set_state(&sock, state);
            skb.set_owner_w(sock.sk());
            // Nobody may take it for a whole `struct sock`.
            let (kind, owner) = (skb.owner_kind(), skb.owner().is_some());
            let during = (sock.w(), sock.refcnt());
            skb.consume();
            set_state(&sock, before);
            assert_eq!(during, (1, refcnt + 1));
            assert!(kind == OwnerKind::EarlyDemux && !owner);
            assert_eq!((sock.w(), sock.refcnt()), (1, refcnt));
        }
        // One without a reference gets none, and the packet has no owner.
        let mut skb = packet()?;
        let before = set_state(&sock, bindings::TCP_TIME_WAIT);
        set_refcnt(&sock, 0);
        skb.set_owner_w(sock.sk());
        let during = (sock.w(), sock.refcnt(), unowned(&skb));
        set_refcnt(&sock, refcnt);
        set_state(&sock, before);
        skb.consume();
        assert_eq!(during, (1, 0, true));
        assert_eq!(ws(), 0);
        Ok(())
    }

    #[test]
    fn c6_a_new_owner_releases_the_old_one_first() -> Result {
        let (a, b) = (counting_sock()?, counting_sock()?);
        let mut skb = charged(&a)?;
        skb.set_owner_w(b.sk());
        assert_eq!((a.w(), b.w(), ws()), (1, 1 + skb.truesize(), 1));
        // The same owner again: the same charge, one call.
        skb.set_owner_w(b.sk());
        assert_eq!((b.w(), ws()), (1 + skb.truesize(), 2));
        skb.consume();
        assert_eq!(b.w(), 1);
        Ok(())
    }

    #[test]
    fn c7_set_owner_r_charges_the_receive_buffer_only() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let refcnt = sock.sock().refcnt();
        let mut skb = packet()?;
        skb.set_owner_w(sock.sock().sk());
        let t = skb.truesize();
        let skb = skb.set_owner_r(sock.live());
        assert_eq!((sock.live().rmem_alloc(), skb.truesize()), (t, t));
        assert_eq!((sock.sock().w(), sock.sock().refcnt()), (1, refcnt));
        // The family has no `memory_allocated`.
        assert_eq!(sock.sock().forward_alloc(), 0);
        assert!(skb.owner_kind() == OwnerKind::Read && skb.owner().is_none());
        assert_eq!(skb.sk().as_ptr(), sock.live().as_ptr());
        let skb = skb.orphan();
        assert_eq!((sock.live().rmem_alloc(), unowned(&skb)), (0, true));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c7_a_protocol_that_accounts_takes_from_what_it_has_reserved() -> Result {
        let sock = counting_sock()?;
        let refcnt = sock.refcnt();
        let skb = packet()?;
        let t = skb.truesize();
        assert_eq!((sock.sk().rmem_alloc(), sock.forward_alloc()), (0, 0));
        sock.queue_rcv(skb).map_err(|(skb, reason)| {
            skb.drop_with(reason);
            ENOMEM
        })?;
        let (rmem, left) = (sock.sk().rmem_alloc(), sock.forward_alloc());
        let skb = sock.sk().recv_datagram(bindings::MSG_DONTWAIT)?;
        if let Some(skb) = skb {
            assert!(skb.owner_kind() == OwnerKind::Read);
            skb.consume();
        }
        // Whole pages are reserved, and the packet took its share.
        assert_eq!((rmem, (left + t as i32) % PAGE_SIZE as i32), (t, 0));
        assert!(left > 0);
        assert_eq!((sock.sk().rmem_alloc(), sock.forward_alloc()), (0, 0));
        assert_eq!((sock.w(), sock.refcnt()), (1, refcnt));
        Ok(())
    }

    #[test]
    fn c8_set_owner_sk_safe_takes_a_reference_and_releases_the_old_owner() -> Result {
        let (a, b) = (counting_sock()?, counting_sock()?);
        let refcnt = b.refcnt();
        let mut skb = charged(&a)?;
        assert!(skb.set_owner_sk_safe(b.sk()));
        assert_eq!((a.w(), ws(), b.w(), b.refcnt()), (1, 1, 1, refcnt + 1));
        assert!(skb.owner_kind() == OwnerKind::Reference);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(b.sk().as_ptr()));
        skb.consume();
        assert_eq!((b.w(), b.refcnt(), ws()), (1, refcnt, 1));
        Ok(())
    }

    #[test]
    fn c8_set_owner_sk_safe_without_a_reference_changes_nothing() -> Result {
        let (a, b) = (counting_sock()?, counting_sock()?);
        let refcnt = b.refcnt();
        let mut skb = charged(&a)?;
        set_refcnt(&b, 0);
        let done = skb.set_owner_sk_safe(b.sk());
        let after = b.refcnt();
        set_refcnt(&b, refcnt);
        assert!(!done && after == 0);
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(a.sk().as_ptr()));
        assert_eq!((a.w(), ws()), (1 + skb.truesize(), 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn set_owner_edemux_releases_the_old_owner_in_any_case() -> Result {
        let (a, b) = (counting_sock()?, counting_sock()?);
        let refcnt = b.refcnt();
        let mut skb = charged(&a)?;
        assert!(skb.set_owner_edemux(b.sk()));
        assert_eq!((a.w(), ws(), b.w(), b.refcnt()), (1, 1, 1, refcnt + 1));
        assert!(skb.owner_kind() == OwnerKind::EarlyDemux);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(b.sk().as_ptr()));
        skb.set_owner_w(a.sk());
        assert_eq!(b.refcnt(), refcnt);

        set_refcnt(&b, 0);
        let done = skb.set_owner_edemux(b.sk());
        let after = b.refcnt();
        set_refcnt(&b, refcnt);
        assert!(!done && after == 0 && unowned(&skb));
        assert_eq!((a.w(), ws()), (1, 2));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c9_alloc_send_skb_admits_until_the_buffer_is_full() -> Result {
        let sock = counting_sock()?;
        let sk = sock.sk();
        let mut skbs = KVec::<SkBuff>::new();
        // A packet is admitted as long as W - 1 < SB, so the last one may go beyond.
        while sk.wmem_alloc() < sk.sndbuf() {
            let before = sock.w();
            let skb = sk.alloc_send_skb(32, 8192, true)?;
            assert_eq!(sock.w(), before + skb.truesize());
            assert_eq!(skb.headroom(), 32);
            skbs.push(skb, GFP_KERNEL)?;
        }
        assert!(sk.alloc_send_skb(32, 1, true).map(|skb| skb.consume()) == Err(EAGAIN));
        for skb in skbs {
            skb.consume();
        }
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn c10_sndbuf_is_doubled_and_clamped_and_writers_are_told() -> Result {
        let sock = counting_sock()?;
        // SAFETY: A number that a program may set.
        let max = unsafe { (&raw const bindings::sysctl_wmem_max).read_volatile() };
        for (calls, (value, size)) in [(1, 4608), (100_000, 200_000), (i32::MAX, max * 2)]
            .into_iter()
            .enumerate()
        {
            set_sndbuf(&sock, value)?;
            assert_eq!((sock.sk().sndbuf(), ws()), (size, calls as u32 + 1));
        }
        Ok(())
    }
}
