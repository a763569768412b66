// SPDX-License-Identifier: GPL-2.0

//! Where packets come from: slab, companions, page fragments.

use crate::{
    bindings,
    skb::{
        Cloned,
        PageFrag,
        SkBuff,
        Skb, //
    }, //
};
use kernel::{
    alloc::AllocError,
    page::PAGE_SIZE,
    prelude::*, //
};

/// `skb->fclone` of a packet that has nothing to do with companions.
const UNAVAILABLE: u8 = bindings::SKB_FCLONE_UNAVAILABLE as u8;
/// And of the companion itself.
const CLONE: u8 = bindings::SKB_FCLONE_CLONE as u8;

fn address(skb: &Skb) -> usize {
    skb.as_ptr() as usize
}

fn fclone(skb: &Skb) -> u8 {
    // SAFETY: The packet is valid.
    unsafe { (*skb.as_ptr()).fclone() }
}

fn head_frag(skb: &Skb) -> bool {
    // SAFETY: The packet is valid.
    unsafe { (*skb.as_ptr()).head_frag() != 0 }
}

fn dispose(allocated: Result<SkBuff, AllocError>) -> bool {
    allocated.map(|skb| skb.consume()).is_ok()
}

#[kunit_tests(knet_skb_alloc)]
mod tests {
    use super::*;

    #[test]
    fn no_size_wraps_in_c() {
        // Rounded up to a cache line these are 0 in `unsigned int`.
        for size in (u32::MAX as usize - 70)..=u32::MAX as usize {
            assert!(!dispose(SkBuff::alloc(size, 0, GFP_KERNEL)));
            assert!(!dispose(SkBuff::alloc(0, size, GFP_KERNEL)));
            assert!(!dispose(SkBuff::alloc_fclone(size, 0, GFP_KERNEL)));
            // And this once `NET_SKB_PAD` was added.
            assert!(!dispose(SkBuff::netdev_alloc(size, GFP_ATOMIC)));
        }
        assert!(!dispose(SkBuff::netdev_alloc(usize::MAX, GFP_ATOMIC)));
    }

    #[test]
    fn the_clone_of_an_fclone_is_its_companion() -> Result {
        let mut skb = SkBuff::alloc_fclone(32, 100, GFP_KERNEL)?;
        assert!(skb.headroom() == 32 && skb.tailroom() >= 100);
        skb.put_data(b"data")?;
        let mut skb: SkBuff<Cloned> = skb.into();
        let companion = address(&skb) + size_of::<bindings::sk_buff>();

        let one = skb.try_clone(GFP_KERNEL)?;
        assert_eq!((address(&one), fclone(&one)), (companion, CLONE));
        // It is taken: the next one is on its own.
        let two = skb.try_clone(GFP_KERNEL)?;
        assert_eq!(fclone(&two), UNAVAILABLE);
        one.consume();
        // Now it is free again.
        let three = skb.try_clone(GFP_KERNEL)?;
        assert_eq!((address(&three), fclone(&three)), (companion, CLONE));
        two.consume();
        three.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn the_clone_of_any_other_packet_is_on_its_own() -> Result {
        let mut skb: SkBuff<Cloned> = SkBuff::alloc(0, 100, GFP_KERNEL)?.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert_eq!((fclone(&skb), fclone(&clone)), (UNAVAILABLE, UNAVAILABLE));
        clone.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_companion_outlives_the_original() -> Result {
        let mut skb = SkBuff::alloc_fclone(0, 100, GFP_KERNEL)?;
        skb.put_data(b"data")?;
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        skb.consume();
        let mut clone = clone.try_private().map_err(|skb| {
            skb.consume();
            EINVAL
        })?;
        clone.put_data(b"!")?;
        assert_eq!(clone.data(), b"data!");
        clone.consume();
        Ok(())
    }

    #[test]
    fn netdev_alloc_leaves_headroom_and_sets_no_device() -> Result {
        // From the slab, because it may sleep, or is short; and from the cache of fragments.
        for (size, flags, from_cache) in [
            (1500, GFP_KERNEL, false),
            (16, GFP_ATOMIC, false),
            (1500, GFP_ATOMIC, true),
        ] {
            let mut skb = SkBuff::netdev_alloc(size, flags)?;
            assert!(skb.is_empty() && skb.tailroom() >= size);
            assert!(skb.headroom() >= 32);
            assert_eq!(head_frag(&skb), from_cache);
            // SAFETY: The packet is valid.
            let dev = unsafe {
                (*skb.as_ptr())
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .dev
            };
            assert!(dev.is_null());
            skb.put(size)?;
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn a_fragment_takes_what_fits() -> Result {
        assert!(PageFrag::alloc(0).is_err());
        assert!(PageFrag::alloc(PAGE_SIZE + 1).is_err());
        assert!(PageFrag::alloc(usize::MAX).is_err());
        assert!(PageFrag::alloc_head(0, PAGE_SIZE).is_err());
        assert!(PageFrag::alloc_head(usize::MAX, 1).is_err());
        assert_eq!(PageFrag::alloc(PAGE_SIZE)?.tailroom(), PAGE_SIZE);

        let mut frag = PageFrag::alloc(100)?;
        assert!(frag.is_empty() && frag.data().is_empty());
        assert_eq!(
            (frag.tailroom(), frag.truesize()),
            (frag.truesize() as usize, 128)
        );
        assert_eq!(frag.put_data(&[0; 129]), Err(ENOSPC));
        frag.put_data(b"one")?;
        frag.put_data(b"two")?;
        frag.data_mut()[0] = b'O';
        assert_eq!((frag.len(), frag.data()), (6, &b"Onetwo"[..]));
        frag.put_data(&[0; 122])?;
        assert_eq!(frag.put_data(&[0]), Err(ENOSPC));
        assert_eq!((frag.len(), frag.tailroom()), (128, 0));
        Ok(())
    }

    #[test]
    fn build_skb_makes_a_packet_around_the_fragment() -> Result {
        let mut frag = PageFrag::alloc_head(64, 200)?;
        frag.put_data(b"payload")?;
        let (place, size) = (frag.data().as_ptr(), frag.truesize());
        let mut skb = frag.build_skb().map_err(|(_, e)| e)?;
        assert_eq!((skb.data(), skb.data().as_ptr()), (&b"payload"[..], place));
        assert_eq!((skb.headroom(), skb.data_len()), (64, 0));
        assert!(skb.tailroom() >= 193 && head_frag(&skb));
        // All of the fragment, and the `struct sk_buff`.
        let sk_buff = size_of::<bindings::sk_buff>().next_multiple_of(64) as u32;
        assert_eq!(skb.truesize(), size + sk_buff);
        // It is a packet like any other.
        skb.push_data(&[1; 64])?;
        let room = skb.tailroom();
        skb.put(room)?;
        assert_eq!(&skb.data()[64..71], b"payload");
        skb.consume();
        Ok(())
    }

    #[test]
    fn build_skb_wants_room_behind_the_data() -> Result {
        let shared_info = size_of::<bindings::skb_shared_info>().next_multiple_of(64);
        let mut frag = PageFrag::alloc(shared_info + 64)?;
        frag.put_data(&[7; 65])?;
        let (frag, error) = match frag.build_skb() {
            Ok(skb) => {
                skb.consume();
                return Err(EINVAL);
            }
            Err(failed) => failed,
        };
        // Nothing is lost.
        assert_eq!((error, frag.data()), (ENOSPC, &[7; 65][..]));
        drop(frag);

        let mut frag = PageFrag::alloc(shared_info + 64)?;
        frag.put_data(&[7; 64])?;
        let skb = frag.build_skb().map_err(|(_, e)| e)?;
        assert_eq!((skb.data(), skb.tailroom()), (&[7; 64][..], 0));
        skb.consume();
        Ok(())
    }
}
