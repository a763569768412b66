// SPDX-License-Identifier: GPL-2.0

//! Copies: what is shared afterwards, what is not, and who is charged.

use super::{
    packets::{
        bytes,
        linear,
        listed,
        paged,
        pattern,
        private_calls,
        set_private_owner,
        HEADROOM, //
    },
    user::User,
};
use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        OwnerKind,
        SkBuff,
        Skb, //
    },
    sock::testing::TestSock,
};
use kernel::prelude::*;

const NOMEM: DropReason = DropReason::NOMEM;

/// Where the end of the buffer is: what truesize goes by.
fn end(skb: &Skb) -> u32 {
    skb.raw().end
}

/// The page that the first fragment lies in.
fn first_page(skb: &Skb) -> usize {
    // SAFETY: The packets of these tests have fragments.
    unsafe { (*skb.shinfo()).frags[0].netmem as usize }
}

#[kunit_tests(knet_skb_copy)]
mod tests {
    use super::*;

    #[test]
    fn copy_bits_reads_any_range() -> Result {
        let data = pattern(6000)?;
        let skb = paged(&data[..100], &data[100..])?;
        assert_eq!((skb.headlen(), skb.data_len()), (100, 5900));
        let mut ok = true;
        // In the linear part, over its end, over the end of a page, the end, nothing.
        for (offset, len) in [
            (0, 100),
            (50, 100),
            (4000, 500),
            (5999, 1),
            (0, 6000),
            (6000, 0),
        ] {
            let mut copy = KVec::from_elem(0, len, GFP_KERNEL)?;
            ok &= skb.copy_bits(offset, &mut copy).is_ok();
            ok &= copy[..] == data[offset..offset + len];
        }
        assert!(ok);
        let mut one = [0];
        assert!(skb.copy_bits(6000, &mut one) == Err(ENODATA));
        assert!(skb.copy_bits(usize::MAX, &mut one) == Err(ENODATA));
        assert_eq!(one, [0]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn store_bits_writes_any_range_that_is_ours() -> Result {
        let data = pattern(6000)?;
        let mut skb = paged(&[0; 100], &[0; 5900])?;
        // The parts meet at a place in the linear part, one in a page, and one between two.
        for (from, to) in [(4196, 6000), (60, 4096), (0, 60), (4096, 4196)] {
            skb.store_bits(from, &data[from..to])?;
        }
        assert!(bytes(&skb)?[..] == data[..]);
        assert!(skb.store_bits(6000, &[1]) == Err(ENODATA));
        assert!(skb.store_bits(5999, &[1, 2]) == Err(ENODATA));
        assert!(skb.store_bits(usize::MAX, &[1]) == Err(ENODATA));
        assert!(bytes(&skb)?[..] == data[..]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn store_bits_leaves_pages_alone_that_others_have() -> Result {
        let data = pattern(5100)?;
        let mut skb = paged(&data[..100], &data[100..])?;
        let copy = skb.pskb_copy(GFP_KERNEL)?;
        assert_eq!(first_page(&skb), first_page(&copy));
        // The linear part is its own, the pages are not.
        skb.store_bits(0, &data[..100])?;
        assert!(skb.store_bits(90, &[0xff; 20]) == Err(EBUSY));
        assert!(skb.store_bits(5099, &[0xff]) == Err(EBUSY));
        assert!(bytes(&skb)?[..] == data[..] && bytes(&copy)?[..] == data[..]);
        copy.consume();
        skb.store_bits(90, &[0xff; 20])?;
        assert!(bytes(&skb)?[90..110] == [0xff; 20]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_page_that_a_program_may_change_is_not_written() -> Result {
        let mut skb = paged(b"head", &[0; 100])?;
        // SAFETY: The packet is ours alone.
        unsafe { (*skb.shinfo()).flags = bindings::SKBFL_SHARED_FRAG as u8 };
        assert!(skb.store_bits(50, &[1]) == Err(EBUSY));
        skb.store_bits(0, b"HEAD")?;
        assert_eq!(skb.data(), b"HEAD");
        skb.consume();
        Ok(())
    }

    #[test]
    fn packets_of_a_list_are_read_and_not_written() -> Result {
        let mut skb = listed(b"head", b"tail")?;
        assert!(bytes(&skb)?[..] == b"headtail"[..]);
        skb.store_bits(0, b"HEAD")?;
        assert!(skb.store_bits(3, b"DT") == Err(EBUSY));
        assert!(skb.store_bits(4, b"TAIL") == Err(EBUSY));
        assert!(bytes(&skb)?[..] == b"HEADtail"[..]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_program_fills_any_range() -> Result {
        let data = pattern(6000)?;
        let user = User::new(&data)?;
        let mut skb = paged(&[0; 100], &[0; 5900])?;
        let (result, left) = user.iter(6000, |from| {
            let result = skb.copy_datagram_from_iter(0, from, 6000);
            (result, from.len())
        })?;
        assert_eq!((result, left), (Ok(()), 0));
        assert!(bytes(&skb)?[..] == data[..]);
        // One byte too many, and one that others have.
        let copy = skb.pskb_copy(GFP_KERNEL)?;
        let long = user.iter(6000, |from| skb.copy_datagram_from_iter(1, from, 6000))?;
        let busy = user.iter(6000, |from| skb.copy_datagram_from_iter(5999, from, 1))?;
        assert_eq!((long, busy), (Err(ENODATA), Err(EBUSY)));
        copy.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn what_a_program_has_not_is_a_fault() -> Result {
        let mut user = User::new(&pattern(8192)?)?;
        user.unmap(4096)?;
        let mut skb = paged(&[0; 100], &[0; 5900])?;
        let (result, left) = user.iter(6000, |from| {
            let result = skb.copy_datagram_from_iter(0, from, 6000);
            (result, from.len())
        })?;
        // The iterator is where it was.
        assert_eq!((result, left), (Err(EFAULT), 6000));
        skb.consume();
        Ok(())
    }

    #[test]
    fn c25_a_pskb_copy_shares_pages_and_has_no_claim() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(5100)?;
        let mut skb = paged(&data[..100], &data[100..])?;
        skb.set_owner_w(sock.sk());
        let w = sock.w();
        let mut copy = skb.pskb_copy(GFP_KERNEL)?;
        assert!(copy.owner_kind() == OwnerKind::None && copy.owner().is_none());
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(sock.w(), w);
        assert_eq!(
            copy.truesize(),
            bindings::SKB_TRUESIZE_VALUE + end(&copy) + 5000
        );
        assert_eq!((copy.headroom(), copy.headlen()), (HEADROOM, 100));
        assert!(copy.data().as_ptr() != skb.data().as_ptr());
        copy.data_mut().fill(0xff);
        assert!(bytes(&skb)?[..] == data[..] && bytes(&copy)?[100..] == data[100..]);
        // The pages live as long as one of them.
        skb.consume();
        assert!(bytes(&copy)?[100..] == data[100..]);
        copy.consume();
        Ok(())
    }

    #[test]
    fn copy_expand_makes_room_on_both_sides() -> Result {
        let data = pattern(5100)?;
        let mut skb = paged(&data[..100], &data[100..])?;
        skb.reset_mac_header();
        let mut copy = skb.copy_expand(200, 300, GFP_KERNEL)?;
        assert!(copy.headroom() == 200 && copy.tailroom() >= 300);
        assert_eq!((copy.headlen(), copy.len()), (5100, 5100));
        assert!(copy.data() == &data[..]);
        // The header is at another offset, and the same bytes.
        assert_eq!(copy.mac_header::<[u8; 12]>(), skb.mac_header());
        assert_eq!(copy.mac_header::<[u8; 12]>().map(|mac| mac[6]), Some(6));
        copy.push(200)?;
        copy.put(300)?;
        copy.consume();
        // Headers of the original are never cut off.
        let copy = skb.copy_expand(0, 0, GFP_KERNEL)?;
        assert_eq!(copy.headroom(), skb.headroom());
        copy.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn sizes_that_no_copy_has_are_refused() -> Result {
        let mut skb = linear(b"data")?;
        assert!(skb.copy_expand(1 << 16, 0, GFP_KERNEL).is_err());
        assert!(skb.copy_expand(0, usize::MAX, GFP_KERNEL).is_err());
        assert!(skb.copy_expand(0, i32::MAX as usize, GFP_KERNEL).is_err());
        assert!(skb.realloc_headroom(1 << 16).is_err());
        let failed = match skb.expand_head_realloc(1 << 16) {
            Ok(skb) => {
                skb.consume();
                return Err(EINVAL);
            }
            Err(failed) => failed,
        };
        assert_eq!((failed.error, failed.skb.data()), (EINVAL, &b"data"[..]));
        failed.skb.consume();
        Ok(())
    }

    #[test]
    fn realloc_headroom_copies_only_the_headers() -> Result {
        let data = pattern(5100)?;
        let mut skb = paged(&data[..100], &data[100..])?;
        for headroom in [0, HEADROOM, 200] {
            let mut copy = skb.realloc_headroom(headroom)?;
            assert!(copy.headroom() >= headroom.max(HEADROOM));
            assert_eq!(first_page(&skb), first_page(&copy));
            assert!(!copy.cloned() && !skb.cloned());
            copy.data_mut().fill(0xff);
            copy.push(headroom)?;
            copy.consume();
        }
        assert!(bytes(&skb)?[..] == data[..]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn c28_a_charge_grows_with_the_packet() -> Result {
        let sock = TestSock::new()?;
        let mut skb = linear(b"data")?;
        skb.set_owner_w(sock.sk());
        let (t, before, ptr) = (skb.truesize(), end(&skb), skb.as_ptr());
        let mut skb = skb
            .expand_head_realloc(2000)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.headroom() >= 2000 && skb.owner_kind() == OwnerKind::Write);
        assert_eq!(skb.as_ptr(), ptr);
        assert_eq!(skb.truesize(), t + end(&skb) - before);
        assert_eq!(sock.w(), 1 + skb.truesize());
        skb.push(2000)?;
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn c28_another_claim_becomes_a_charge_of_another_packet() -> Result {
        let sock = TestSock::new()?;
        let mut skb = linear(b"data")?;
        set_private_owner(&mut skb, &sock);
        let ptr = skb.as_ptr();
        assert!(skb.owner_kind() == OwnerKind::Other);
        let skb = skb
            .expand_head_realloc(2000)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.as_ptr() != ptr && skb.owner_kind() == OwnerKind::Write);
        assert_eq!(private_calls(), 1);
        assert_eq!(sock.w(), 1 + skb.truesize());
        assert_eq!((skb.data(), skb.cloned()), (&b"data"[..], false));
        skb.consume();
        assert_eq!((sock.w(), private_calls()), (1, 1));
        Ok(())
    }

    #[test]
    fn c28_without_a_claim_there_is_none_afterwards() -> Result {
        let skb = linear(b"data")?
            .expand_head_realloc(2000)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.owner_kind() == OwnerKind::None && skb.headroom() >= 2000);
        skb.consume();
        Ok(())
    }

    #[test]
    fn headroom_that_is_there_costs_no_buffer_unless_it_is_shared() -> Result {
        let sock = TestSock::new()?;
        let mut skb = linear(b"data")?;
        skb.set_owner_w(sock.sk());
        let (t, before) = (skb.truesize(), skb.data().as_ptr());
        let skb = skb
            .expand_head_realloc(HEADROOM)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(skb.data().as_ptr(), before);
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let skb = skb
            .expand_head_realloc(HEADROOM)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.data().as_ptr() != before && !skb.cloned());
        assert_eq!((skb.truesize(), sock.w()), (t, 1 + t));
        clone.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn c30_unshare_of_what_is_not_shared_changes_nothing() -> Result {
        let sock = TestSock::new()?;
        let mut skb = linear(b"data")?;
        skb.set_owner_w(sock.sk());
        let (ptr, w) = (skb.as_ptr(), sock.w());
        let skb: SkBuff<Cloned> = skb.into();
        let skb = skb.unshare(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!((skb.as_ptr(), sock.w()), (ptr, w));
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }
}
