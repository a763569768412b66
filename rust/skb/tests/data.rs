// SPDX-License-Identifier: GPL-2.0

//! The data area: bounds are errors, and a failed step changes nothing.

use crate::skb::SkBuff;
use kernel::prelude::*;

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
