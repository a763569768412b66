// SPDX-License-Identifier: GPL-2.0

//! Page fragments: reading, adding, making linear.

use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        PageFrag,
        SkBuff,
        Skb, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

const NOMEM: DropReason = DropReason::NOMEM;

fn frag(data: &[u8]) -> Result<PageFrag> {
    let mut frag = PageFrag::alloc(data.len())?;
    frag.put_data(data)?;
    Ok(frag)
}

/// Adds a fragment with `data`, and returns how much the packet stands for now.
fn add(skb: &mut SkBuff, data: &[u8]) -> Result<u32> {
    skb.add_frag(frag(data)?).map_err(|(_, e)| e)?;
    Ok(skb.truesize())
}

/// A packet with the linear data "head" and the fragments "one" and "two".
fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(16, 16, GFP_KERNEL)?;
    skb.put_data(b"head")?;
    add(&mut skb, b"one")?;
    add(&mut skb, b"two")?;
    Ok(skb)
}

/// The page of the first fragment.
fn page(skb: &Skb) -> Option<*mut kernel::bindings::page> {
    Some(skb.frags().next()?.page()?.as_ptr())
}

/// How many references there are to it.
fn page_count(skb: &Skb) -> i32 {
    // SAFETY: The page is valid, and the first one of a compound page.
    page(skb).map_or(0, |page| unsafe {
        (&raw const (*page)._refcount.counter).read_volatile()
    })
}

#[kunit_tests(knet_skb_frag)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_packet_has_no_fragments() -> Result {
        let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
        skb.put_data(b"head")?;
        assert!(!skb.is_nonlinear() && skb.frags().next().is_none());
        assert_eq!((skb.nr_frags(), skb.pagelen()), (0, 4));
        skb.consume();
        Ok(())
    }

    #[test]
    fn add_frag_appends_and_counts_the_whole_fragment() -> Result {
        let mut skb = SkBuff::alloc(16, 16, GFP_KERNEL)?;
        skb.put_data(b"head")?;
        let base = skb.truesize();
        assert_eq!(add(&mut skb, b"one")?, base + 64);
        assert_eq!(add(&mut skb, &[2; 65])?, base + 64 + 128);
        assert_eq!((skb.len(), skb.headlen(), skb.data_len()), (72, 4, 68));
        assert_eq!((skb.nr_frags(), skb.pagelen()), (2, 72));
        assert!(skb.is_nonlinear() && skb.tailroom() == 0);
        // The linear part cannot grow into what follows it.
        assert_eq!(skb.put_data(b"!"), Err(ENOSPC));
        skb.push_data(b"more")?;
        assert_eq!((skb.data(), skb.len()), (&b"morehead"[..], 76));
        skb.consume();
        Ok(())
    }

    #[test]
    fn fragments_are_read_within_their_bounds() -> Result {
        let skb = packet()?;
        assert!(skb.frags().map(|frag| frag.size()).eq([3, 3]));
        let first = skb.frags().next().ok_or(EINVAL)?;
        let mut to = [0; 3];
        first.read(0, &mut to)?;
        assert_eq!(&to, b"one");
        first.read(1, &mut to[..2])?;
        assert_eq!(&to, b"nee");
        assert!(first.read(3, &mut []).is_ok());
        assert_eq!(first.read(1, &mut to), Err(ENODATA));
        assert_eq!(first.read(4, &mut []), Err(ENODATA));
        assert_eq!(first.read(usize::MAX, &mut to), Err(ENODATA));
        assert_eq!(&to, b"nee");
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_fragment_is_where_it_was_written() -> Result {
        let mut skb = SkBuff::alloc(16, 16, GFP_KERNEL)?;
        let frag = frag(b"here")?;
        let place = frag.data().as_ptr() as usize;
        skb.add_frag(frag).map_err(|(_, e)| e)?;
        let first = skb.frags().next().ok_or(EINVAL)?;
        assert!(first.page().is_some());
        // The offset may be beyond the first page of a compound one.
        assert_eq!(first.offset() % PAGE_SIZE, place % PAGE_SIZE);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_fragment_gives_its_reference_back() -> Result {
        let (mut keep, mut other) = (
            SkBuff::alloc(0, 0, GFP_KERNEL)?,
            SkBuff::alloc(0, 0, GFP_KERNEL)?,
        );
        // Nobody else on this CPU gets a fragment of the page meanwhile.
        let counts = crate::bh::disabled(|| -> Result<_> {
            add(&mut keep, b"keep")?;
            let unused = frag(b"unused")?;
            add(&mut other, b"other")?;
            let same = page(&keep) == page(&other);
            let all = page_count(&keep);
            drop(unused);
            let without = page_count(&keep);
            other.consume();
            Ok((same, all - without, without - page_count(&keep)))
        });
        keep.consume();
        // All three are from one page, unless the first one was the last of a page.
        let (same, unused, other) = counts?;
        assert!(!same || (unused, other) == (1, 1));
        Ok(())
    }

    #[test]
    fn the_last_slot_is_the_last() -> Result {
        let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
        let mut n = 0;
        let (back, error) = loop {
            let piece = frag(&[n; 8])?;
            match skb.add_frag(piece) {
                Ok(()) => n += 1,
                Err(failed) => break failed,
            }
        };
        assert_eq!((error, back.data()), (ENOSPC, &[n; 8][..]));
        assert_eq!((skb.nr_frags(), skb.len()), (17, 17 * 8));
        assert!(skb.frags().enumerate().all(|(i, frag)| {
            let mut byte = [0];
            frag.read(7, &mut byte).is_ok() && usize::from(byte[0]) == i
        }));
        drop(back);
        skb.consume();
        Ok(())
    }

    #[test]
    fn an_empty_fragment_is_refused() -> Result {
        let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
        let refused = skb.add_frag(PageFrag::alloc(16)?).map_err(|(_, e)| e);
        assert_eq!((refused, skb.nr_frags()), (Err(EINVAL), 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn fragments_that_a_program_lends_stay_alone() -> Result {
        let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
        // SAFETY: The packet is ours. Without fragments the flag means nothing to C.
        unsafe { (*skb.shinfo()).flags = bindings::SKBFL_MANAGED_FRAG_REFS as u8 };
        let refused = skb.add_frag(frag(b"one")?).map_err(|(_, e)| e);
        // SAFETY: As above.
        unsafe { (*skb.shinfo()).flags = 0 };
        assert_eq!((refused, skb.nr_frags()), (Err(EINVAL), 0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn memory_without_pages_cannot_be_read() -> Result {
        let skb = packet()?;
        // SAFETY: The packet is ours. The mark is the one of memory of a device.
        let netmem = unsafe { &raw mut (*skb.shinfo()).frags[0].netmem };
        // SAFETY: As above; nobody follows the reference before the mark is off again.
        let (page, read) = unsafe {
            *netmem |= bindings::NET_IOV as c_ulong;
            let first = skb.frags().next().ok_or(EINVAL)?;
            let seen = (first.page().is_some(), first.read(0, &mut [0]));
            *netmem &= !(bindings::NET_IOV as c_ulong);
            seen
        };
        assert_eq!((page, read), (false, Err(EFAULT)));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_charged_packet_keeps_its_truesize() -> Result {
        let sock = TestSock::new()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let (t, w, len) = (skb.truesize(), sock.w(), skb.len());
        let refused = skb.add_frag(frag(b"three")?).map_err(|(_, e)| e);
        assert_eq!(refused, Err(EBUSY));
        assert_eq!((skb.truesize(), sock.w(), skb.len()), (t, w, len));
        // Making it linear changes its memory, but not what it stands for.
        let mut skb = skb.linearize().map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!((skb.truesize(), sock.w()), (t, w));
        assert_eq!((skb.data(), skb.data_len()), (&b"headonetwo"[..], 0));
        skb.orphan();
        assert_eq!(sock.w(), 1);
        assert!(add(&mut skb, b"three")? > t);
        skb.consume();
        Ok(())
    }

    #[test]
    fn linearize_leaves_what_is_linear_alone() -> Result {
        let mut skb = SkBuff::alloc(16, 16, GFP_KERNEL)?;
        skb.put_data(b"head")?;
        let before = skb.data().as_ptr();
        let skb: SkBuff<Cloned> = skb.into();
        let skb = skb.linearize().map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(skb.data().as_ptr(), before);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_linearized_clone_is_private_and_the_other_stays_paged() -> Result {
        let mut skb: SkBuff<Cloned> = packet()?.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let mut clone = clone.linearize().map_err(|f| f.drop_with(NOMEM))?;
        assert!(!clone.cloned() && !skb.cloned());
        clone.data_mut().fill(b'x');
        clone.put_data(b"!")?;
        assert_eq!((clone.data(), clone.nr_frags()), (&b"xxxxxxxxxx!"[..], 0));
        assert_eq!(
            (skb.data(), skb.nr_frags(), skb.len()),
            (&b"head"[..], 2, 10)
        );
        clone.consume();

        // A linear one whose data is shared is copied, too.
        let skb = skb.linearize().map_err(|f| f.drop_with(NOMEM))?;
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let mut clone = clone.linearize().map_err(|f| f.drop_with(NOMEM))?;
        clone.data_mut()[0] = b'H';
        assert_eq!(
            (clone.data(), skb.data()),
            (&b"Headonetwo"[..], &b"headonetwo"[..])
        );
        clone.consume();
        skb.consume();
        Ok(())
    }
}
