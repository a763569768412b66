// SPDX-License-Identifier: GPL-2.0

//! Splitting and merging: no byte is lost, and none is accounted twice.

use super::packets::{
    bytes,
    linear,
    listed,
    paged,
    pattern,
    set_private_owner, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        SkBuff,
        Skb, //
    },
    sock::testing::TestSock,
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::prelude::*;

/// A packet whose buffer is a fragment of a page, as devices receive into.
fn head_frag(data: &[u8]) -> Result<SkBuff> {
    // SAFETY: Any size may be asked for, and a device is not necessary.
    let skb = unsafe {
        bindings::__netdev_alloc_skb(
            ptr::null_mut(),
            data.len() as u32,
            bindings::GFP_ATOMIC_VALUE,
        )
    };
    let skb = NonNull::new(skb).ok_or(ENOMEM)?;
    // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
    let mut skb: SkBuff = unsafe { SkBuff::from_raw(skb) };
    skb.put_data(data)?;
    Ok(skb)
}

/// Whether the two packets together are `data`.
fn are(one: &Skb, two: &Skb, data: &[u8]) -> Result<bool> {
    let (one, two) = (bytes(one)?, bytes(two)?);
    Ok(one[..] == data[..one.len()] && two[..] == data[one.len()..])
}

/// Frees a packet that should have been merged.
fn refused(skb: SkBuff) -> Error {
    skb.consume();
    EINVAL
}

#[kunit_tests(knet_skb_resize)]
mod tests {
    use super::*;

    #[test]
    fn split_cuts_anywhere() -> Result {
        let data = pattern(9100)?;
        // In the linear part, at its end, in a page, between two pages, at both ends.
        for len in [0, 1, 60, 100, 101, 4195, 4196, 4197, 9099, 9100] {
            let mut skb = paged(&data[..100], &data[100..])?;
            let mut rest = SkBuff::alloc(0, 100, GFP_KERNEL)?;
            let sum = skb.truesize() + rest.truesize();
            skb.split(len, &mut rest)?;
            assert_eq!((skb.len(), rest.len()), (len, 9100 - len));
            assert!(are(&skb, &rest, &data)?);
            assert_eq!(skb.truesize() + rest.truesize(), sum);
            assert!(rest.truesize() as usize >= rest.data_len());
            skb.consume();
            assert!(bytes(&rest)?[..] == data[len..]);
            rest.consume();
        }
        Ok(())
    }

    #[test]
    fn split_leaves_a_charge_whole() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(5100)?;
        let mut skb = paged(&data[..100], &data[100..])?;
        let mut rest = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        skb.set_owner_w(sock.sk());
        let t = (skb.truesize(), rest.truesize());
        skb.split(1000, &mut rest)?;
        assert!(are(&skb, &rest, &data)?);
        assert_eq!((skb.truesize(), rest.truesize()), t);
        assert_eq!(sock.w(), 1 + skb.truesize());
        rest.consume();
        assert_eq!(sock.w(), 1 + skb.truesize());
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn split_wants_an_empty_packet_with_room() -> Result {
        let data = pattern(2000)?;
        let mut skb = linear(&data)?;
        let mut rest = SkBuff::alloc(0, 10, GFP_KERNEL)?;
        let room = rest.tailroom();
        assert!(skb.split(2001, &mut rest) == Err(ENODATA));
        assert!(skb.split(2000 - room - 1, &mut rest) == Err(ENOSPC));
        assert!(skb.len() == 2000 && rest.is_empty());
        skb.split(2000 - room, &mut rest)?;
        assert!(are(&skb, &rest, &data)?);
        assert!(skb.split(1, &mut rest) == Err(EINVAL));
        assert!(are(&skb, &rest, &data)?);
        skb.consume();
        rest.consume();
        Ok(())
    }

    #[test]
    fn split_refuses_pages_of_a_pool() -> Result {
        let mut skb = paged(b"head", &[1; 100])?;
        let mut rest = SkBuff::alloc(0, 10, GFP_KERNEL)?;
        skb.raw_mut().set_pp_recycle(1);
        let result = skb.split(50, &mut rest);
        skb.raw_mut().set_pp_recycle(0);
        assert!(result == Err(EINVAL) && skb.len() == 104);
        skb.consume();
        rest.consume();
        Ok(())
    }

    #[test]
    fn coalesce_copies_what_fits() -> Result {
        let (a, b) = (TestSock::new()?, TestSock::new()?);
        let mut to = SkBuff::alloc(0, 200, GFP_KERNEL)?;
        to.put_data(b"one")?;
        to.set_owner_w(a.sk());
        let mut from = paged(b"two", b"three")?;
        from.set_owner_w(b.sk());
        let (t, w) = (to.truesize(), a.w());
        let delta = to.try_coalesce(from).map_err(refused)?;
        assert_eq!((delta, to.truesize(), a.w()), (0, t, w));
        assert_eq!(to.data(), b"onetwothree");
        // What it was charged to has its bytes back.
        assert_eq!(b.w(), 1);
        to.consume();
        assert_eq!(a.w(), 1);
        Ok(())
    }

    #[test]
    fn coalesce_moves_pages_and_the_charge_grows() -> Result {
        let (a, b) = (TestSock::new()?, TestSock::new()?);
        let data = pattern(5100)?;
        let mut to = linear(&data[..100])?;
        to.set_owner_w(a.sk());
        let mut from = paged(&[], &data[100..])?;
        from.set_owner_w(b.sk());
        let t = to.truesize();
        let delta = to.try_coalesce(from).map_err(refused)?;
        // Two pages.
        assert_eq!((delta, to.truesize()), (8192, t + 8192));
        assert_eq!((a.w(), b.w()), (1 + to.truesize(), 1));
        assert!(bytes(&to)?[..] == data[..]);
        to.consume();
        assert_eq!(a.w(), 1);
        Ok(())
    }

    #[test]
    fn coalesce_shares_the_pages_of_a_clone() -> Result {
        let data = pattern(5100)?;
        let mut to = linear(&data[..100])?;
        let mut from: SkBuff<Cloned> = paged(&[], &data[100..])?.into();
        let clone = from.try_clone(GFP_KERNEL)?;
        to.try_coalesce(from).map_err(|skb| {
            skb.consume();
            EINVAL
        })?;
        assert!(bytes(&clone)?[..] == data[100..]);
        clone.consume();
        assert!(bytes(&to)?[..] == data[..]);
        to.consume();
        Ok(())
    }

    #[test]
    fn coalesce_takes_a_buffer_that_is_a_page() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(3000)?;
        let mut to = head_frag(&data[..1500])?;
        to.set_owner_w(sock.sk());
        let from = head_frag(&data[1500..])?;
        let (t, moved) = (
            to.truesize(),
            from.truesize() - bindings::SK_BUFF_TRUESIZE_VALUE,
        );
        let delta = to.try_coalesce(from).map_err(refused)?;
        assert_eq!((delta, to.truesize()), (moved as usize, t + moved));
        assert_eq!(sock.w(), 1 + to.truesize());
        assert!(bytes(&to)?[..] == data[..]);
        to.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn coalesce_gives_back_what_it_cannot_merge() -> Result {
        let data = pattern(3000)?;
        let mut to = linear(&data[..1500])?;
        let t = to.truesize();
        // A buffer that is not a page.
        let from = match to.try_coalesce(linear(&data[1500..])?) {
            Ok(_) => return Err(EINVAL),
            Err(from) => from,
        };
        assert!(are(&to, &from, &data)? && to.truesize() == t);
        from.consume();
        // Truesize that does not cover the data: C would warn.
        let mut from = paged(&[], &data[1500..])?;
        let small = bindings::SKB_TRUESIZE_VALUE + from.raw().end + 1499;
        from.raw_mut().truesize = small;
        let mut from = match to.try_coalesce(from) {
            Ok(_) => return Err(EINVAL),
            Err(from) => from,
        };
        assert!(are(&to, &from, &data)? && to.truesize() == t);
        from.raw_mut().truesize = small + 1;
        assert_eq!(to.try_coalesce(from).map_err(refused)?, 1500);
        to.consume();
        Ok(())
    }

    #[test]
    fn what_a_packet_stands_for_has_an_end() -> Result {
        const MAX: u32 = i32::MAX as u32 - bindings::KMALLOC_MAX_SIZE_VALUE as u32;
        let (sock, data) = (TestSock::new()?, pattern(3000)?);
        let mut to = linear(&data[..1500])?;
        to.raw_mut().truesize = MAX;
        // Its pages would be moved.
        let from = match to.try_coalesce(paged(&[], &data[1500..])?) {
            Ok(_) => return Err(EINVAL),
            Err(from) => from,
        };
        assert!(are(&to, &from, &data)? && to.truesize() == MAX);
        // Truesize would move with them, too.
        let (mut skb, mut rest) = (from, SkBuff::alloc(0, 10, GFP_KERNEL)?);
        rest.raw_mut().truesize = MAX;
        assert!(skb.split(0, &mut rest) == Err(EMSGSIZE));
        assert!(rest.is_empty() && rest.truesize() == MAX);
        rest.consume();
        skb.consume();
        // A buffer that is paid for.
        to.set_owner_w(sock.sk());
        let failed = match to.expand_head_realloc(1000) {
            Ok(skb) => return Err(refused(skb)),
            Err(failed) => failed,
        };
        assert_eq!((failed.error, failed.skb.truesize()), (EMSGSIZE, MAX));
        assert_eq!(sock.w(), 1 + MAX);
        failed.skb.consume();
        Ok(())
    }

    #[test]
    fn coalesce_leaves_a_claim_alone_that_cannot_grow() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(3000)?;
        let mut to = linear(&data[..1500])?;
        set_private_owner(&mut to, &sock);
        let t = to.truesize();
        let from = match to.try_coalesce(paged(&[], &data[1500..])?) {
            Ok(_) => return Err(EINVAL),
            Err(from) => from,
        };
        assert!(are(&to, &from, &data)? && to.truesize() == t);
        assert_eq!(sock.w(), 1 + t);
        from.consume();
        to.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn what_has_a_list_is_neither_split_nor_merged() -> Result {
        let mut skb = listed(b"head", b"tail")?;
        let mut other = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        assert!(skb.split(2, &mut other) == Err(EINVAL));
        assert!(bytes(&skb)?[..] == b"headtail"[..] && other.is_empty());
        // It would have fitted.
        let mut skb = match other.try_coalesce(skb) {
            Ok(_) => return Err(EINVAL),
            Err(skb) => skb,
        };
        let t = skb.truesize();
        skb.condense();
        assert_eq!((skb.data_len(), skb.truesize()), (4, t));
        skb.consume();
        other.consume();
        Ok(())
    }

    #[test]
    fn condense_frees_pages_whose_data_fits() -> Result {
        let data = pattern(150)?;
        let mut skb = paged(&data[..50], &data[50..])?;
        skb.condense();
        assert_eq!((skb.data_len(), skb.data()), (0, &data[..]));
        assert_eq!(skb.truesize(), bindings::SKB_TRUESIZE_VALUE + skb.raw().end);
        skb.consume();
        Ok(())
    }

    #[test]
    fn condense_leaves_alone_what_is_claimed_or_shared() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(150)?;
        let mut skb = paged(&data[..50], &data[50..])?;
        skb.set_owner_w(sock.sk());
        let t = skb.truesize();
        skb.condense();
        assert_eq!((skb.data_len(), skb.truesize()), (100, t));
        assert_eq!(sock.w(), 1 + t);
        skb.orphan();
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        skb.condense();
        assert_eq!((skb.data_len(), skb.truesize()), (100, t));
        clone.consume();
        skb.condense();
        assert_eq!(skb.data_len(), 0);
        skb.consume();
        Ok(())
    }
}
