// SPDX-License-Identifier: GPL-2.0

//! The data area: bounds are errors, and a failed step changes nothing.

use crate::{
    bindings,
    gfp,
    skb::SkBuff, //
};
use core::{
    array,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// Bytes of [`paged`]: more than there is room for before them.
const LEN: usize = 1000;

/// What is at `n` in [`paged`]: not zero, which is what memory is full of.
fn byte(n: usize) -> u8 {
    (n % 255 + 1) as u8
}

/// A packet with all of its bytes in a page fragment.
fn paged() -> Result<SkBuff> {
    let bytes: [u8; LEN] = array::from_fn(byte);
    let mut err = 0;
    // SAFETY: Any sizes may be asked for.
    let skb = unsafe {
        bindings::alloc_skb_with_frags(64, LEN as _, 0, &mut err, gfp::as_raw(GFP_KERNEL))
    };
    let skb = NonNull::new(skb).ok_or(ENOMEM)?;
    // SAFETY: The packet is new and ours; its fragments have that many bytes, which are counted and
    // then written, so that the result is a whole packet.
    unsafe {
        (*skb.as_ptr()).len = LEN as u32;
        (*skb.as_ptr()).data_len = LEN as u32;
        bindings::skb_store_bits(skb.as_ptr(), 0, bytes.as_ptr().cast(), LEN as c_int);
        Ok(SkBuff::from_raw(skb))
    }
}

#[kunit_tests(knet_skb_data)]
mod tests {
    use super::*;

    #[test]
    fn a_new_packet_is_empty_with_the_room_asked_for() -> Result {
        let skb = SkBuff::alloc(64, 100, GFP_KERNEL)?;
        assert!(skb.is_empty() && skb.data().is_empty());
        assert_eq!(skb.headroom(), 64);
        assert!(skb.tailroom() >= 100);
        assert!(skb.truesize() as usize > 164);
        skb.consume();
        Ok(())
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(SkBuff::alloc(usize::MAX, 1, GFP_KERNEL).is_err());
        assert!(SkBuff::alloc(0, 1 << 32, GFP_KERNEL).is_err());
    }

    #[test]
    fn put_push_pull_trim_move_the_edges() -> Result {
        let mut skb = SkBuff::alloc(4, 8, GFP_KERNEL)?;
        skb.put_data(&[5, 6, 7, 8])?;
        skb.push_data(&[1, 2, 3, 4])?;
        assert_eq!(skb.data(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(skb.headroom(), 0);
        skb.pull(2)?;
        assert_eq!(skb.data(), [3, 4, 5, 6, 7, 8]);
        skb.trim(3)?;
        assert_eq!(skb.data(), [3, 4, 5]);
        // Trimming does not lengthen.
        skb.trim(100)?;
        assert_eq!(skb.len(), 3);
        assert_eq!(skb.put(2)?, [0, 0]);
        assert_eq!(skb.data(), [3, 4, 5, 0, 0]);
        skb.consume();
        Ok(())
    }

    #[test]
    fn put_beyond_the_tailroom_is_an_error() -> Result {
        let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
        let room = skb.tailroom();
        assert!(skb.put(room + 1).map(|_| ()) == Err(ENOSPC));
        assert_eq!((skb.len(), skb.tailroom()), (0, room));
        skb.put(room)?;
        assert!(skb.put_data(&[1]) == Err(ENOSPC));
        assert_eq!((skb.len(), skb.tailroom()), (room, 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn push_beyond_the_headroom_is_an_error() -> Result {
        let mut skb = SkBuff::alloc(8, 8, GFP_KERNEL)?;
        assert!(skb.push(9).map(|_| ()) == Err(ENOSPC));
        assert_eq!((skb.len(), skb.headroom()), (0, 8));
        skb.push(8)?;
        assert!(skb.push(1).map(|_| ()) == Err(ENOSPC));
        skb.consume();
        Ok(())
    }

    #[test]
    fn pull_beyond_the_data_is_an_error() -> Result {
        let mut skb = SkBuff::alloc(0, 8, GFP_KERNEL)?;
        skb.put(8)?;
        assert!(skb.pull(9) == Err(ENODATA));
        assert!(skb.may_pull(9) == Err(ENODATA));
        assert!(skb.may_pull(8).is_ok());
        assert_eq!(skb.len(), 8);
        skb.consume();
        Ok(())
    }

    #[test]
    fn may_pull_returns_the_bytes_wherever_they_were() -> Result {
        let mut skb = paged()?;
        assert_eq!((skb.headlen(), skb.len()), (0, LEN));
        assert!(skb.data().is_empty());
        assert!(skb.may_pull(0) == Ok(&[]));
        assert!(skb.may_pull(1) == Ok(&[1]));
        assert!(skb.may_pull(4) == Ok(&[1, 2, 3, 4]));
        // What is linear already is not pulled again.
        let headlen = skb.headlen();
        assert!(skb.may_pull(3) == Ok(&[1, 2, 3]));
        assert!(headlen >= 4 && skb.headlen() == headlen);
        assert!(skb.may_pull(LEN + 1) == Err(ENODATA));
        assert_eq!((skb.headlen(), skb.len()), (headlen, LEN));
        skb.pull(2)?;
        // This takes a new buffer.
        let all = skb.may_pull(LEN - 2)?;
        let right = (2..LEN).all(|n| all[n - 2] == byte(n));
        assert!(right && all.len() == LEN - 2);
        assert_eq!((skb.data_len(), skb.headlen()), (0, LEN - 2));
        skb.consume();
        Ok(())
    }

    #[test]
    fn reserve_wants_an_empty_packet_and_room() -> Result {
        let mut skb = SkBuff::alloc(0, 32, GFP_KERNEL)?;
        let room = skb.tailroom();
        assert!(skb.reserve(room + 1) == Err(ENOSPC));
        skb.reserve(16)?;
        assert_eq!((skb.headroom(), skb.tailroom()), (16, room - 16));
        skb.put(1)?;
        assert!(skb.reserve(1) == Err(EINVAL));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_packet_out_of_scope_is_freed_and_counted() -> Result {
        let before = crate::skb::implicit_drops();
        drop(SkBuff::alloc(0, 16, GFP_KERNEL)?);
        assert_eq!(crate::skb::implicit_drops(), before + 1);
        // This one was on purpose: the counter has to be zero after a test run.
        crate::skb::IMPLICIT_DROPS.store(before, kernel::sync::atomic::Relaxed);
        Ok(())
    }
}
