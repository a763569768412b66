// SPDX-License-Identifier: GPL-2.0

//! What becomes of a claim when the packet is copied or gets another shape.

use super::{
    charged,
    counting_sock,
    family::{
        self,
        TestSocket, //
    },
    packet,
    unowned,
    ws, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        OwnerKind,
        Private,
        SkBuff, //
        Skb,
        State,
    }, //
};
use core::ptr::NonNull;
use kernel::prelude::*;

const NOMEM: DropReason = DropReason::NOMEM;

/// Where the buffer ends: `skb_end_offset`.
fn end_offset(skb: &Skb) -> u32 {
    skb.raw().end
}

/// `skb_expand_head`, as IPv6 uses it for the packets of anybody.
fn expand_head<S: State>(skb: SkBuff<S>, headroom: usize) -> Result<SkBuff<Private>> {
    // SAFETY: The packet passes to C, which returns it or another one, or frees it.
    let skb = unsafe { bindings::skb_expand_head(skb.into_raw().as_ptr(), headroom as u32) };
    let skb = NonNull::new(skb).ok_or(ENOMEM)?;
    // SAFETY: One reference was given to us; the buffer is new.
    Ok(unsafe { SkBuff::from_raw(skb) })
}

#[kunit_tests(knet_skb_claim_clone)]
mod tests {
    use super::*;

    #[test]
    fn c25_a_clone_carries_no_claim() -> Result {
        let sock = counting_sock()?;
        let mut skb = SkBuff::<Cloned>::from(charged(&sock)?);
        let (w, t) = (sock.w(), skb.truesize());
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert!(unowned(&clone) && skb.owner_kind() == OwnerKind::Write);
        assert_eq!((sock.w(), clone.truesize()), (w, t));
        clone.consume();
        assert_eq!((sock.w(), ws()), (w, 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c25_a_copy_carries_no_claim() -> Result {
        let sock = counting_sock()?;
        let skb = charged(&sock)?;
        let w = sock.w();
        let copy = skb.copy(GFP_KERNEL)?;
        assert!(unowned(&copy) && skb.owner_kind() == OwnerKind::Write);
        copy.consume();
        assert_eq!((sock.w(), ws()), (w, 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c26_the_original_decides_when_the_bytes_come_back() -> Result {
        let sock = counting_sock()?;
        let mut skb = SkBuff::<Cloned>::from(charged(&sock)?);
        let w = sock.w();
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
    fn c27_expand_head_leaves_the_truesize_of_a_charged_packet() -> Result {
        let sock = counting_sock()?;
        let skb = charged(&sock)?;
        let (t, w, end) = (skb.truesize(), sock.w(), end_offset(&skb));
        let skb = skb
            .expand_head(2000, 0, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(end_offset(&skb) >= end + 2000);
        assert_eq!((skb.truesize(), sock.w(), ws()), (t, w, 0));
        assert!(skb.owner_kind() == OwnerKind::Write);
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn c27_expand_head_changes_the_truesize_of_others() -> Result {
        let skb = packet()?;
        let (t, end) = (skb.truesize(), end_offset(&skb));
        let skb = skb
            .expand_head(2000, 0, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(skb.truesize() - t, end_offset(&skb) - end);
        skb.consume();
        Ok(())
    }

    #[test]
    fn c28_skb_expand_head_charges_what_it_adds() -> Result {
        let sock = counting_sock()?;
        let skb = charged(&sock)?;
        let (raw, t) = (skb.as_ptr(), skb.truesize());
        let skb = expand_head(skb, 2000)?;
        assert!(skb.truesize() > t && skb.as_ptr() == raw);
        assert_eq!((sock.w(), ws()), (1 + skb.truesize(), 0));
        assert!(skb.owner_kind() == OwnerKind::Write);
        skb.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c28_skb_expand_head_replaces_a_private_destructor() -> Result {
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        let mut skb = packet()?;
        skb.set_owner_wmem(sock.live());
        let (raw, t) = (skb.as_ptr(), skb.truesize());
        let skb = expand_head(skb, 2000)?;
        // The original is gone, and its destructor has run; the other one is charged as if it were
        // a datagram, with exactly its truesize.
        assert!(skb.as_ptr() != raw && skb.truesize() > t);
        assert_eq!((family::calls().0, family::calls().1), (1, t));
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(sock.sock().w(), 1 + skb.truesize());
        skb.consume();
        assert_eq!((sock.sock().w(), family::calls().0), (1, 1));
        Ok(())
    }

    #[test]
    fn c29_skb_morph_releases_what_it_writes_over() -> Result {
        let (d, s) = (counting_sock()?, counting_sock()?);
        let (dst, src) = (charged(&d)?, charged(&s)?);
        let (dst, src) = (SkBuff::<Cloned>::from(dst), SkBuff::<Cloned>::from(src));
        let w = s.w();
        // SAFETY: Both are ours alone; `dst` becomes a clone of `src`.
        unsafe { bindings::skb_morph(dst.as_ptr(), src.as_ptr()) };
        assert_eq!((d.w(), s.w(), ws()), (1, w, 1));
        assert!(unowned(&dst) && src.owner_kind() == OwnerKind::Write);
        assert_eq!(dst.truesize(), src.truesize());
        dst.consume();
        assert_eq!((s.w(), ws()), (w, 1));
        src.consume();
        assert_eq!((s.w(), ws()), (1, 2));
        Ok(())
    }

    #[test]
    fn c30_unshare_of_a_clone_releases_the_original() -> Result {
        let sock = counting_sock()?;
        let mut skb = SkBuff::<Cloned>::from(charged(&sock)?);
        let clone = skb.try_clone(GFP_KERNEL)?;
        let copy = skb.unshare(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert!(unowned(&copy));
        assert_eq!((sock.w(), ws()), (1, 1));
        clone.consume();
        copy.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        // What is not shared stays what it is, with its claim.
        let skb = SkBuff::<Cloned>::from(charged(&sock)?);
        let (raw, w) = (skb.as_ptr(), sock.w());
        let skb = skb.unshare(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.as_ptr() == raw && skb.owner_kind() == OwnerKind::Write);
        assert_eq!(sock.w(), w);
        skb.consume();
        Ok(())
    }

    #[test]
    fn clone_sk_gives_the_clone_a_reference_to_the_owner() -> Result {
        let sock = counting_sock()?;
        let refcnt = sock.refcnt();
        let mut skb = SkBuff::<Cloned>::from(charged(&sock)?);
        let w = sock.w();
        let clone = skb.clone_sk().ok_or(ENOMEM)?;
        assert!(clone.owner_kind() == OwnerKind::Reference);
        assert_eq!((sock.w(), sock.refcnt()), (w, refcnt + 1));
        // The original may go first.
        skb.consume();
        assert_eq!(sock.w(), 1);
        assert_eq!(
            clone.owner().map(|sk| sk.as_ptr()),
            Some(sock.sk().as_ptr())
        );
        clone.consume();
        assert_eq!((sock.w(), sock.refcnt(), ws()), (1, refcnt, 1));
        Ok(())
    }

    #[test]
    fn clone_sk_is_refused_without_an_owner_that_can_be_held() -> Result {
        let mut skb = SkBuff::<Cloned>::from(packet()?);
        assert!(skb.clone_sk().map(|clone| clone.consume()).is_none());
        // The file is closed: there is no reference to take.
        let sock = counting_sock()?;
        skb.set_owner_w(sock.sk());
        drop(sock);
        assert!(skb.clone_sk().map(|clone| clone.consume()).is_none());
        skb.orphan();
        // Nobody knows what a private destructor goes with.
        let family = family::register()?;
        let sock = TestSocket::open(&family)?;
        skb.set_owner_wmem(sock.live());
        assert!(skb.clone_sk().map(|clone| clone.consume()).is_none());
        skb.consume();
        Ok(())
    }
}
