// SPDX-License-Identifier: GPL-2.0

//! Taking a claim off.

use super::{
    charged,
    counting_sock,
    family::{
        self,
        TestSocket, //
    },
    packet,
    set_refcnt,
    unowned,
    users,
    ws, //
};
use crate::{
    skb::{
        Cloned,
        OwnerKind,
        SkBuff, //
        Skb,
        State,
    },
    sock::testing::TestSock, //
};
use kernel::prelude::*;

/// Whether `sk` and `destructor` are both there, or none of them.
fn whole(skb: &Skb) -> bool {
    unowned(skb) != (!skb.raw().sk.is_null() && skb.destructor_name().is_some())
}

/// Passes a packet through whatever changes a claim, and returns how often it was not whole.
fn breaks<S: State>(skb: &mut SkBuff<S>, sock: &TestSock) -> u32 {
    let refcnt = sock.refcnt();
    let mut count = 0;
    let mut look = |skb: &SkBuff<S>| count += u32::from(!whole(skb));
    look(skb);
    skb.set_owner_w(sock.sk());
    look(skb);
    skb.orphan_partial();
    look(skb);
    skb.orphan_partial();
    look(skb);
    if skb.set_owner_sk_safe(sock.sk()) {
        look(skb);
    }
    skb.set_owner_edemux(sock.sk());
    look(skb);
    skb.orphan();
    look(skb);
    // A socket without a reference
    skb.set_owner_w(sock.sk());
    set_refcnt(sock, 0);
    let safe = skb.set_owner_sk_safe(sock.sk());
    look(skb);
    skb.set_owner_edemux(sock.sk());
    look(skb);
    set_refcnt(sock, refcnt);
    count + u32::from(safe)
}

#[kunit_tests(knet_skb_claim_orphan)]
mod tests {
    use super::*;

    #[test]
    fn c19_orphan_credits_and_leaves_the_packet_alone() -> Result {
        let sock = counting_sock()?;
        let mut skb = charged(&sock)?;
        let (t, len) = (skb.truesize(), skb.len());
        skb.orphan();
        assert_eq!((sock.w(), ws()), (1, 1));
        assert!(unowned(&skb) && skb.owner().is_none());
        assert!(skb.owner_kind() == OwnerKind::None);
        assert_eq!((skb.truesize(), skb.len(), users(&skb)), (t, len, 1));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c20_a_second_orphan_and_the_free_change_nothing() -> Result {
        let sock = counting_sock()?;
        let mut skb = charged(&sock)?;
        skb.orphan();
        skb.orphan();
        assert_eq!((sock.w(), ws()), (1, 1));
        skb.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c21_nothing_leaves_an_owner_without_a_destructor() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        assert_eq!(breaks(&mut skb, sock.sock()), 0);
        skb.set_owner_wmem(sock.live());
        assert!(whole(&skb) && !unowned(&skb));
        skb.orphan_partial();
        assert!(whole(&skb));
        let skb = skb.set_owner_r(sock.live());
        assert!(whole(&skb) && !unowned(&skb));
        let mut skb = SkBuff::<Cloned>::from(skb.orphan());
        assert!(whole(&skb));
        assert_eq!(breaks(&mut skb, sock.sock()), 0);
        skb.set_owner_w(sock.sock().sk());
        let clones = [skb.try_clone(GFP_KERNEL).ok(), skb.clone_sk()];
        assert!(clones.iter().flatten().count() == 2);
        for clone in clones.into_iter().flatten() {
            assert!(whole(&clone));
            clone.consume();
        }
        skb.consume();
        Ok(())
    }

    #[test]
    fn c22_orphan_partial_keeps_the_socket_and_returns_the_bytes() -> Result {
        let sock = counting_sock()?;
        let refcnt = sock.refcnt();
        let mut skb = charged(&sock)?;
        let t = skb.truesize();
        skb.orphan_partial();
        assert_eq!((sock.w(), ws(), sock.refcnt()), (1, 1, refcnt + 1));
        assert!(skb.owner_kind() == OwnerKind::Reference);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(sock.sk().as_ptr()));
        assert_eq!(skb.truesize(), t);
        skb.consume();
        assert_eq!((sock.w(), ws(), sock.refcnt()), (1, 1, refcnt));
        Ok(())
    }

    #[test]
    fn c23_orphan_partial_of_a_closed_socket_orphans() -> Result {
        let sock = counting_sock()?;
        let mut skb = charged(&sock)?;
        drop(sock);
        skb.orphan_partial();
        assert!(unowned(&skb));
        assert_eq!(ws(), 1);
        skb.consume();
        Ok(())
    }

    #[test]
    fn c23_orphan_partial_with_a_private_destructor_orphans() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let refcnt = sock.sock().refcnt();
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        skb.orphan_partial();
        assert!(unowned(&skb));
        assert_eq!((sock.sock().w(), sock.sock().refcnt()), (1, refcnt));
        assert_eq!(family::calls().0, 1);
        skb.consume();
        Ok(())
    }

    #[test]
    fn c23_orphan_partial_leaves_a_pure_ack_alone() -> Result {
        let sock = counting_sock()?;
        let refcnt = sock.refcnt();
        let mut skb = packet()?;
        // What TCP does with a pure ACK before it is charged.
        skb.raw_mut().truesize = 2;
        skb.set_owner_w(sock.sk());
        skb.orphan_partial();
        assert_eq!((sock.w(), ws(), sock.refcnt()), (3, 0, refcnt));
        assert!(skb.owner_kind() == OwnerKind::Write);
        skb.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }
}
