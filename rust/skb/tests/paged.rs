// SPDX-License-Identifier: GPL-2.0

//! Packets with pages: what was not written cannot be read.

use crate::{
    skb::{
        Cloned,
        DropReason,
        OwnerKind,
        PagedLayout,
        SkBuff,
        Skb,
        Unfilled, //
    },
    sock::testing::TestSock, //
};
use core::mem::MaybeUninit;
use kernel::{
    iov::IovIterSource,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Bytes that tell where they belong.
fn pattern(len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
    for i in 0..len {
        bytes.push((i % 251) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// All bytes of a packet, one after the other.
fn bytes(skb: &Skb) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();
    bytes.extend_from_slice(skb.data(), GFP_KERNEL)?;
    for frag in skb.frags() {
        let start = bytes.len();
        bytes.resize(start + frag.size(), 0, GFP_KERNEL)?;
        frag.read(0, &mut bytes[start..])?;
    }
    Ok(bytes)
}

/// Calls `f` with a source of `data`.
fn with_source<R>(data: &[u8], f: impl FnOnce(&mut IovIterSource<'_>) -> R) -> R {
    let vec = kernel::bindings::kvec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    let mut iter = MaybeUninit::uninit();
    // SAFETY: The vector and the data live until the iterator is gone, and a source is only read.
    unsafe {
        kernel::bindings::iov_iter_kvec(
            iter.as_mut_ptr(),
            kernel::bindings::ITER_SOURCE,
            &vec,
            1,
            data.len(),
        );
        f(IovIterSource::from_raw(iter.as_mut_ptr()))
    }
}

/// Frees what is not whole.
fn unfinished(unfilled: Unfilled) -> Error {
    unfilled.drop_with(DropReason::NOT_SPECIFIED);
    EINVAL
}

/// Linear 10, two pages and 100 bytes.
const LAYOUT: PagedLayout = PagedLayout {
    headroom: 32,
    linear: 10,
    paged: 2 * PAGE_SIZE + 100,
    order: 0,
};
const LEN: usize = LAYOUT.linear + LAYOUT.paged;

#[kunit_tests(knet_skb_paged)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_filled_piece_by_piece() -> Result {
        let data = pattern(LEN)?;
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        // The pieces lie across the end of the linear part and of the pages.
        for piece in data.chunks(PAGE_SIZE - 7) {
            unfilled.put_data(piece)?;
        }
        let skb = unfilled.finish().map_err(unfinished)?;
        assert_eq!(
            (skb.len(), skb.headlen(), skb.data_len()),
            (LEN, 10, LEN - 10)
        );
        assert_eq!(
            (skb.headroom(), skb.nr_frags(), skb.pagelen()),
            (32, 3, LEN)
        );
        assert!(skb.is_nonlinear() && skb.tailroom() == 0);
        assert!(skb
            .frags()
            .map(|f| f.size())
            .eq([PAGE_SIZE, PAGE_SIZE, 100]));
        assert_eq!(*bytes(&skb)?, *data);
        // What C makes of it is the same.
        let copy = skb.copy(GFP_KERNEL)?;
        assert_eq!(copy.data(), &*data);
        copy.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_packet_is_filled_from_an_iterator() -> Result {
        let data = pattern(LEN)?;
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        with_source(&data, |from| {
            unfilled.put_iter(from, 4)?;
            unfilled.put_iter(from, PAGE_SIZE)?;
            assert_eq!(unfilled.missing(), LEN - 4 - PAGE_SIZE);
            unfilled.put_iter(from, LEN - 4 - PAGE_SIZE)
        })?;
        let skb = unfilled.finish().map_err(unfinished)?;
        assert_eq!(*bytes(&skb)?, *data);
        skb.consume();
        Ok(())
    }

    #[test]
    fn what_is_not_whole_is_no_packet() -> Result {
        let data = pattern(LEN)?;
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        for piece in [&data[..0], &data[..10], &data[10..LEN - 1]] {
            unfilled.put_data(piece)?;
            unfilled = match unfilled.finish() {
                Ok(skb) => {
                    skb.consume();
                    return Err(EINVAL);
                }
                Err(unfilled) => unfilled,
            };
        }
        assert_eq!(unfilled.missing(), 1);
        unfilled.put_data(&data[LEN - 1..])?;
        let skb = unfilled.finish().map_err(unfinished)?;
        assert_eq!(*bytes(&skb)?, *data);
        skb.consume();
        Ok(())
    }

    #[test]
    fn more_than_is_missing_is_refused_and_changes_nothing() -> Result {
        let data = pattern(LEN + 1)?;
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        assert_eq!(unfilled.put_data(&data), Err(ENOSPC));
        assert_eq!(
            with_source(&data, |from| unfilled.put_iter(from, LEN + 1)),
            Err(ENOSPC)
        );
        assert_eq!(unfilled.missing(), LEN);
        unfilled.put_data(&data[..LEN])?;
        assert_eq!(
            (unfilled.put_data(&[0]), unfilled.missing()),
            (Err(ENOSPC), 0)
        );
        unfilled.consume();
        Ok(())
    }

    #[test]
    fn a_source_that_ends_leaves_the_packet_unfilled() -> Result {
        let data = pattern(LEN - 1)?;
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        assert_eq!(
            with_source(&data[..5], |from| unfilled.put_iter(from, LEN)),
            Err(EFAULT)
        );
        assert_eq!(unfilled.missing(), LEN);
        assert_eq!(
            with_source(&data, |from| unfilled.put_iter(from, LEN)),
            Err(EFAULT)
        );
        // Only the linear part counts as written.
        assert_eq!(unfilled.missing(), LAYOUT.paged);
        unfilled.consume();
        Ok(())
    }

    #[test]
    fn layouts_that_no_packet_has_are_refused() {
        let refused = |layout: PagedLayout| {
            SkBuff::alloc_with_frags(&layout, GFP_KERNEL)
                .map(|unfilled| unfilled.consume())
                .err()
        };
        let paged = 17 * PAGE_SIZE + 1;
        assert_eq!(refused(PagedLayout { paged, ..LAYOUT }), Some(EMSGSIZE));
        assert_eq!(
            refused(PagedLayout {
                order: 1,
                paged,
                ..LAYOUT
            }),
            None
        );
        let paged = usize::MAX;
        assert_eq!(refused(PagedLayout { paged, ..LAYOUT }), Some(EMSGSIZE));
        for order in [11, 52, 64, u32::MAX] {
            assert_eq!(refused(PagedLayout { order, ..LAYOUT }), Some(EINVAL));
        }
        // C would cut this down to 8 bytes.
        let linear = (1 << 32) + 8;
        assert_eq!(refused(PagedLayout { linear, ..LAYOUT }), Some(EMSGSIZE));
        let headroom = usize::MAX;
        assert_eq!(refused(PagedLayout { headroom, ..LAYOUT }), Some(EMSGSIZE));
    }

    #[test]
    fn truesize_counts_each_page_whole() -> Result {
        let linear = SkBuff::alloc(LAYOUT.headroom, LAYOUT.linear, GFP_KERNEL)?;
        let base = linear.truesize();
        linear.consume();
        let mut unfilled = SkBuff::alloc_with_frags(&LAYOUT, GFP_KERNEL)?;
        unfilled.put_data(&pattern(LEN)?)?;
        let skb = unfilled.finish().map_err(unfinished)?;
        assert_eq!(skb.truesize(), base + 3 * PAGE_SIZE as u32);
        skb.consume();
        Ok(())
    }

    #[test]
    fn c9_a_paged_packet_is_charged_with_the_whole_order_of_each_page() -> Result {
        let sock = TestSock::new()?;
        let linear = sock
            .sk()
            .alloc_send_skb(LAYOUT.headroom, LAYOUT.linear, true)?;
        let base = linear.truesize();
        linear.consume();
        assert_eq!(sock.w(), 1);

        // Two pages in one, and one byte in a third.
        let layout = PagedLayout {
            paged: 2 * PAGE_SIZE + 1,
            order: 1,
            ..LAYOUT
        };
        let mut unfilled = sock.sk().alloc_send_pskb(&layout, true)?;
        let w = sock.w();
        assert_eq!(w, 1 + base + 3 * PAGE_SIZE as u32);
        unfilled.put_data(&pattern(unfilled.missing())?)?;
        let skb = unfilled.finish().map_err(unfinished)?;
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!((1 + skb.truesize(), sock.w()), (w, w));
        assert_eq!(skb.len(), LAYOUT.linear + 2 * PAGE_SIZE + 1);
        assert!(skb.frags().map(|f| f.size()).eq([2 * PAGE_SIZE, 1]));
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn c9_paged_packets_are_admitted_until_the_buffer_is_full() -> Result {
        let sock = TestSock::new()?;
        let sk = sock.sk();
        let mut all = KVec::new();
        while sk.wmem_alloc() < sk.sndbuf() {
            all.push(sk.alloc_send_pskb(&LAYOUT, true)?, GFP_KERNEL)?;
        }
        let refused = sk.alloc_send_pskb(&LAYOUT, true).map(|u| u.consume());
        assert_eq!(refused, Err(EAGAIN));
        // One that was not filled gives its bytes back as well.
        for unfilled in all {
            unfilled.consume();
        }
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn c25_the_clone_of_a_paged_packet_carries_no_claim() -> Result {
        let sock = TestSock::new()?;
        let mut unfilled = sock.sk().alloc_send_pskb(&LAYOUT, true)?;
        unfilled.put_data(&pattern(LEN)?)?;
        let mut skb: SkBuff<Cloned> = unfilled.finish().map_err(unfinished)?.into();
        let w = sock.w();
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert!(clone.owner_kind() == OwnerKind::None);
        assert_eq!((sock.w(), clone.truesize()), (w, skb.truesize()));
        skb.consume();
        assert_eq!(sock.w(), 1);
        assert_eq!(*bytes(&clone)?, *pattern(LEN)?);
        clone.consume();
        Ok(())
    }
}
