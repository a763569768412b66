// SPDX-License-Identifier: GPL-2.0

//! What may be written, and how one gets there.

use crate::skb::{
    Cloned,
    DropReason,
    SkBuff, //
};
use kernel::prelude::*;

const NOMEM: DropReason = DropReason::NOMEM;

fn packet(data: &[u8]) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(16, data.len() + 16, GFP_KERNEL)?;
    skb.put_data(data)?;
    Ok(skb)
}

#[kunit_tests(knet_skb_state)]
mod tests {
    use super::*;

    #[test]
    fn the_last_clone_has_the_data_for_itself() -> Result {
        let mut skb: SkBuff<Cloned> = packet(b"data")?.into();
        let mut clone = skb.try_clone(GFP_KERNEL)?;
        assert!(skb.cloned() && clone.cloned());
        assert!(skb.header_cloned() && clone.header_cloned());
        // What only moves the edges of one of them is allowed.
        clone.pull(2)?;
        assert_eq!((skb.data(), clone.data()), (&b"data"[..], &b"ta"[..]));
        let skb = match skb.try_private() {
            Ok(skb) => {
                skb.consume();
                return Err(EINVAL);
            }
            Err(skb) => skb,
        };
        clone.consume();
        assert!(!skb.cloned() && !skb.header_cloned());
        let mut skb = skb.try_private().map_err(|skb| {
            skb.consume();
            EINVAL
        })?;
        skb.put_data(b"!")?;
        assert_eq!(skb.data(), b"data!");
        skb.consume();
        Ok(())
    }

    #[test]
    fn unclone_copies_what_is_shared_and_only_that() -> Result {
        let mut skb: SkBuff<Cloned> = packet(b"data")?.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let shared = skb.data().as_ptr();
        let mut skb = skb.unclone(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.data().as_ptr() != shared);
        skb.data_mut().fill(b'x');
        assert_eq!((skb.data(), clone.data()), (&b"xxxx"[..], &b"data"[..]));
        // The clone is alone now.
        let clone = clone.unclone(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(clone.data().as_ptr(), shared);
        clone.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn cow_head_makes_room_and_leaves_what_is_enough() -> Result {
        let skb: SkBuff<Cloned> = packet(b"data")?.into();
        let before = skb.data().as_ptr();
        let skb = skb
            .cow_head(16, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(skb.data().as_ptr(), before);
        let skb: SkBuff<Cloned> = skb.into();
        let mut skb = skb
            .cow_head(100, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert!(skb.headroom() >= 100);
        skb.push_data(&[1; 100])?;
        assert_eq!((skb.len(), &skb.data()[100..]), (104, &b"data"[..]));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_released_header_is_the_only_clones_to_write() -> Result {
        let mut skb = packet(b"payload")?.header_release();
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert!(clone.cloned() && !clone.header_cloned());
        let before = clone.data().as_ptr();
        let mut clone = clone
            .cow_head(4, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(clone.data().as_ptr(), before);
        clone.push_data(b"head")?;
        assert_eq!(
            (clone.data(), skb.data()),
            (&b"headpayload"[..], &b"payload"[..])
        );
        // The original may not: it has given the room away.
        let before = skb.data().as_ptr();
        let mut original = skb
            .cow_head(4, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        original.push_data(b"HEAD")?;
        assert!(original.data()[4..].as_ptr() != before);
        assert_eq!(clone.data(), b"headpayload");
        original.consume();
        clone.consume();
        Ok(())
    }

    #[test]
    fn payload_is_no_headroom_after_a_pull() -> Result {
        let mut skb = packet(b"payload")?.header_release();
        let mut clone = skb.try_clone(GFP_KERNEL)?;
        clone.pull(3)?;
        let mut clone = clone
            .cow_head(3, GFP_KERNEL)
            .map_err(|f| f.drop_with(NOMEM))?;
        clone.push_data(b"xxx")?;
        assert_eq!(
            (clone.data(), skb.data()),
            (&b"xxxload"[..], &b"payload"[..])
        );
        clone.consume();
        // With two clones nobody may write headers where they are.
        let first = skb.try_clone(GFP_KERNEL)?;
        let second = skb.try_clone(GFP_KERNEL)?;
        assert!(second.header_cloned());
        second.consume();
        first.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn sizes_that_no_packet_has_are_refused_and_the_packet_stays() -> Result {
        let skb = packet(b"data")?;
        let failed = match skb.expand_head(1 << 16, 0, GFP_KERNEL) {
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
}
