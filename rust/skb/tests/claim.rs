// SPDX-License-Identifier: GPL-2.0

//! Claims: who is charged, how much, and when it ends.
//!
//! W is the raw `sk_wmem_alloc`, which is 1 without traffic; T is the truesize of the packet; `ws`
//! counts the calls of the write-space callback.

use crate::{
    bindings,
    skb::{
        Cloned,
        OwnerKind,
        SkBuff, //
    },
    sock::{
        testing::TestSock,
        Sock, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Calls of the write-space callback, and W as it was seen in the last one. KUnit runs the cases
/// of a module one after the other.
static WS: Atomic<u32> = Atomic::new(0);
static W_IN_CALLBACK: Atomic<u32> = Atomic::new(0);

/// A socket whose write-space callback counts.
pub(super) fn counting_sock() -> Result<TestSock> {
    let sock = TestSock::new()?;
    // SAFETY: The socket is new and nobody else knows it.
    unsafe { (*sock.sk().as_ptr()).sk_write_space = Some(count) };
    WS.store(0, Relaxed);
    Ok(sock)
}

/// # Safety
///
/// Called as `sk_write_space`.
unsafe extern "C" fn count(sk: *mut bindings::sock) {
    WS.add(1, Relaxed);
    // SAFETY: The caller holds a part of W during the callback.
    W_IN_CALLBACK.store(unsafe { Sock::from_raw(sk) }.wmem_alloc() + 1, Relaxed);
}

pub(super) fn ws() -> u32 {
    WS.load(Relaxed)
}

fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(32, 100, GFP_KERNEL)?;
    skb.put(100)?;
    Ok(skb)
}

fn users(skb: &SkBuff) -> i32 {
    // SAFETY: The packet is valid.
    unsafe { (*skb.as_ptr()).users.refs.counter }
}

#[kunit_tests(knet_skb_claim)]
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
        assert!(skb.owner_kind() == OwnerKind::None && skb.owner().is_none());
        skb.set_owner_w(sock.sk());
        assert_eq!((sock.w(), skb.truesize()), (1 + t, t));
        assert_eq!((sock.refcnt(), users(&skb), ws()), (refcnt, 1, 0));
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(sock.sk().as_ptr()));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c6_a_new_owner_releases_the_old_one_first() -> Result {
        let (a, b) = (counting_sock()?, counting_sock()?);
        let mut skb = packet()?;
        skb.set_owner_w(a.sk());
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
    fn c12_the_last_free_gives_the_bytes_back_and_calls_once() -> Result {
        let sock = counting_sock()?;
        let (mut one, mut two) = (packet()?, packet()?);
        one.set_owner_w(sock.sk());
        two.set_owner_w(sock.sk());
        let (t, before) = (one.truesize(), sock.w());
        one.consume();
        assert_eq!((sock.w(), ws()), (before - t, 1));
        // One byte is still held while the callback runs.
        assert_eq!(W_IN_CALLBACK.load(Relaxed), before - t + 1);
        two.drop_with(crate::skb::DropReason::QUEUE_PURGE);
        assert_eq!((sock.w(), ws()), (1, 2));
        Ok(())
    }

    #[test]
    fn c17_napi_consume_credits_before_it_returns() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        // A failed assertion sleeps, so it must not be made with BH disabled.
        let after = crate::bh::disabled(|| {
            skb.napi_consume(64);
            (sock.w(), ws())
        });
        assert_eq!(after, (1, 1));
        Ok(())
    }

    #[test]
    fn c19_orphan_credits_and_leaves_the_packet_alone() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let (t, len) = (skb.truesize(), skb.len());
        skb.orphan();
        assert_eq!((sock.w(), ws()), (1, 1));
        assert!(skb.owner_kind() == OwnerKind::None && skb.owner().is_none());
        assert_eq!((skb.truesize(), skb.len(), users(&skb)), (t, len, 1));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c20_a_second_orphan_and_the_free_change_nothing() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        skb.orphan();
        skb.orphan();
        assert_eq!((sock.w(), ws()), (1, 1));
        skb.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c25_a_clone_carries_no_claim() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let w = sock.w();
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert!(clone.owner_kind() == OwnerKind::None);
        assert_eq!((sock.w(), clone.truesize()), (w, skb.truesize()));
        clone.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn c26_the_original_decides_when_the_bytes_come_back() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let w = sock.w();
        let mut skb: SkBuff<Cloned> = skb.into();
        let (one, two) = (skb.try_clone(GFP_KERNEL)?, skb.try_clone(GFP_KERNEL)?);
        one.consume();
        assert_eq!((sock.w(), ws()), (w, 0));
        skb.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        two.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c9_alloc_send_skb_admits_until_the_buffer_is_full() -> Result {
        let sock = counting_sock()?;
        let sk = sock.sk();
        let mut skbs = KVec::new();
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
    fn c59_the_charge_keeps_a_closed_socket() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        drop(sock);
        // No file and no reference is left, but the memory is.
        // Its own part of W went with the last reference.
        let w = skb.owner().map(|sk| sk.wmem_alloc() + 1);
        assert_eq!(w, Some(skb.truesize()));
        skb.consume();
        Ok(())
    }
}
