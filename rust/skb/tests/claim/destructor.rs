// SPDX-License-Identifier: GPL-2.0

//! The destructor of a family's own.

use super::{
    charge::{
        hash,
        ooo_okay,
        set_txhash, //
    },
    count_calls,
    family::{
        self,
        TestFamily,
        TestSocket, //
    },
    packet,
    unowned,
    ws,
    W_IN_CALLBACK, //
};
use crate::skb::OwnerKind;
use kernel::{
    prelude::*,
    str::CString,
    sync::atomic::Relaxed,
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

#[kunit_tests(knet_skb_claim_destructor)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_ends_after_its_last_socket() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        drop(sock);
        // The packet is all that keeps the socket.
        workqueue::system().try_spawn(GFP_KERNEL, move || {
            fsleep(Delta::from_millis(50));
            skb.consume();
        })?;
        drop(family);
        assert_eq!((family::calls().0, family::freed()), (1, 1));
        Ok(())
    }

    #[test]
    fn exactly_truesize_is_charged_and_comes_back() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let refcnt = sock.sock().refcnt();
        let (mut one, mut two) = (packet()?, packet()?);
        let t = one.truesize();
        one.set_owner_wmem(sock.live());
        assert_eq!((sock.sock().w(), one.truesize()), (1 + t, t));
        two.set_owner_wmem(sock.live());
        let before = sock.sock().w();
        assert_eq!(family::calls().0, 0);
        one.consume();
        // All but the byte that the function holds had come back when it was called.
        assert_eq!(family::calls(), (1, t, before - t + 1));
        assert_eq!(
            (sock.sock().w(), sock.sock().refcnt()),
            (before - t, refcnt)
        );
        two.orphan();
        assert!(unowned(&two));
        assert_eq!((family::calls().0, sock.sock().w()), (2, 1));
        two.consume();
        assert_eq!(family::calls().0, 2);
        Ok(())
    }

    #[test]
    fn its_own_family_knows_the_owner_and_others_do_not() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        assert!(skb.owner_of::<TestFamily>().is_none());
        skb.set_owner_w(sock.sock().sk());
        assert!(skb.owner_of::<TestFamily>().is_none());
        skb.set_owner_wmem(sock.live());
        let owner = skb.owner_of::<TestFamily>().map(|sk| sk.as_ptr());
        assert_eq!(owner, Some(sock.live().as_ptr()));
        assert!(skb.owner_kind() == OwnerKind::Other && skb.owner().is_none());
        assert!(skb.claim().bytes.is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn it_prints_under_the_name_that_it_was_given() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        let name = skb.destructor_name().ok_or(ENOENT)?;
        let name = CString::try_from_fmt(fmt!("{name}"))?;
        assert_eq!(name.to_bytes(), b"knet_test_wfree [knet]");
        skb.consume();
        Ok(())
    }

    #[test]
    fn the_family_may_call_write_space() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        count_calls(sock.sock());
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        skb.consume();
        // One byte is held during the call, as in `sock_wfree`.
        assert_eq!(
            (ws(), W_IN_CALLBACK.load(Relaxed), sock.sock().w()),
            (1, 2, 1)
        );
        Ok(())
    }

    #[test]
    fn c6_a_new_owner_releases_the_old_one_first() -> Result {
        let family = family::register()?;
        let (a, b) = (TestSocket::open(&family)?, TestSocket::open(&family)?);
        let mut skb = packet()?;
        let t = skb.truesize();
        skb.set_owner_wmem(a.live());
        skb.set_owner_wmem(b.live());
        assert_eq!(
            (a.sock().w(), b.sock().w(), family::calls().0),
            (1, 1 + t, 1)
        );
        skb.set_owner_wmem(b.live());
        assert_eq!((b.sock().w(), family::calls().0), (1 + t, 2));
        skb.set_owner_w(b.sock().sk());
        assert_eq!((b.sock().w(), family::calls().0), (1 + t, 3));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c3_c4_flow_and_queue_are_as_with_set_owner_w() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let (mut one, mut two) = (packet()?, packet()?);
        set_txhash(sock.sock(), 0);
        one.set_owner_wmem(sock.live());
        set_txhash(sock.sock(), 0x1234);
        two.set_owner_wmem(sock.live());
        assert!(ooo_okay(&one) && !ooo_okay(&two));
        assert_eq!((hash(&one), hash(&two)), ((0, false), (0x1234, true)));
        one.consume();
        two.consume();
        Ok(())
    }

    #[test]
    fn nothing_is_kept_in_the_control_block() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        let t = skb.truesize();
        skb.raw_mut().cb.fill(0x7f);
        skb.consume();
        assert_eq!(family::calls(), (1, t, 2));
        assert_eq!(sock.sock().w(), 1);
        Ok(())
    }

    #[test]
    fn a_kept_byte_keeps_the_socket_and_can_be_charged_on() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let (mut one, mut two) = (packet()?, packet()?);
        one.set_owner_wmem(sock.live());
        family::keep();
        one.consume();
        let kept = family::kept().ok_or(ENOENT)?;
        assert_eq!(sock.sock().w(), 2);
        // The file goes; the byte is all that is left.
        drop(sock);
        assert_eq!((kept.wmem_alloc() + 1, family::freed()), (1, 0));
        kept.set_owner_wmem(&mut two);
        assert_eq!(kept.wmem_alloc() + 1, 1 + two.truesize());
        drop(kept);
        assert_eq!(family::freed(), 0);
        two.consume();
        let kept = family::kept().ok_or(ENOENT)?;
        assert_eq!((family::calls().0, family::freed()), (2, 0));
        drop(kept);
        assert_eq!(family::freed(), 1);
        Ok(())
    }
}
