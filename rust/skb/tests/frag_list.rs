// SPDX-License-Identifier: GPL-2.0

//! Packets that are the end of another packet.

use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        Failed,
        PageFrag,
        SkBuff,
        Skb,
        State, //
    },
    sock::testing::TestSock, //
};
use kernel::prelude::*;

const NOMEM: DropReason = DropReason::NOMEM;

fn packet(data: &[u8]) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(16, 32, GFP_KERNEL)?;
    skb.put_data(data)?;
    Ok(skb)
}

/// Appends and gives up.
fn append<S: State>(head: &mut SkBuff, skb: SkBuff<S>) -> Result {
    head.frag_list_append(skb)
        .map_err(|f| f.drop_with(DropReason::NOT_SPECIFIED))
}

/// Pops and does not want it.
fn pop(head: &mut SkBuff) -> Result {
    head.frag_list_pop(GFP_KERNEL)
        .map(|skb| skb.map_or((), |skb| skb.consume()))
}

/// A head with "one" and "two" in its list.
fn listed() -> Result<SkBuff> {
    let mut head = packet(b"head")?;
    append(&mut head, packet(b"one")?)?;
    append(&mut head, packet(b"two")?)?;
    Ok(head)
}

fn list(head: &Skb) -> Result<KVec<&[u8]>> {
    let mut list = KVec::new();
    for skb in head.frag_list() {
        list.push(skb.data(), GFP_KERNEL)?;
    }
    Ok(list)
}

fn users(skb: &Skb) -> i32 {
    // SAFETY: The packet is valid.
    unsafe { (*skb.as_ptr()).users.refs.counter }
}

#[kunit_tests(knet_skb_frag_list)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_the_end_of_its_head() -> Result {
        let mut head = packet(b"head")?;
        assert!(!head.has_frag_list() && head.frag_list().next().is_none());
        let base = head.truesize();
        let (one, two) = (packet(b"one")?, packet(b"two")?);
        let sum = base + one.truesize() + two.truesize();
        append(&mut head, one)?;
        append(&mut head, two)?;
        assert_eq!((head.len(), head.data_len(), head.headlen()), (10, 6, 4));
        assert_eq!(
            (head.pagelen(), head.tailroom(), head.nr_frags()),
            (4, 0, 0)
        );
        assert_eq!(head.truesize(), sum);
        assert!(head.has_frag_list());
        assert_eq!(*list(&head)?, [&b"one"[..], &b"two"[..]]);
        // What C reads is the same.
        let copy = head.copy(GFP_KERNEL)?;
        assert_eq!(copy.data(), b"headonetwo");
        copy.consume();
        let head = head.linearize().map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(
            (head.data(), head.has_frag_list()),
            (&b"headonetwo"[..], false)
        );
        head.consume();
        Ok(())
    }

    #[test]
    fn the_list_goes_with_its_head() -> Result {
        let mut one: SkBuff<Cloned> = packet(b"one")?.into();
        let clone = one.try_clone(GFP_KERNEL)?;
        let mut head = packet(b"head")?;
        append(&mut head, one)?;
        assert!(clone.cloned());
        head.consume();
        assert!(!clone.cloned());
        clone.consume();
        Ok(())
    }

    #[test]
    fn pop_undoes_append() -> Result {
        let mut head = packet(b"head")?;
        let base = head.truesize();
        let one = packet(b"one")?;
        let address = one.as_ptr();
        append(&mut head, one)?;
        append(&mut head, packet(b"two")?)?;
        let one = head.frag_list_pop(GFP_KERNEL)?.ok_or(EINVAL)?;
        assert_eq!((one.data(), one.as_ptr()), (&b"one"[..], address));
        assert_eq!((head.len(), head.data_len()), (7, 3));
        assert_eq!(head.truesize(), base + one.truesize());
        assert_eq!(*list(&head)?, [&b"two"[..]]);
        let two = head.frag_list_pop(GFP_KERNEL)?.ok_or(EINVAL)?;
        assert_eq!(two.data(), b"two");
        assert!(head.frag_list_pop(GFP_KERNEL)?.is_none());
        assert_eq!((head.len(), head.data_len(), head.truesize()), (4, 0, base));
        // Each is a packet of its own again.
        head.put_data(b"!")?;
        append(&mut head, two)?;
        append(&mut head, one)?;
        assert_eq!(*list(&head)?, [&b"two"[..], &b"one"[..]]);
        head.consume();
        Ok(())
    }

    #[test]
    fn a_list_that_two_heads_share_is_left_as_it_is() -> Result {
        let mut original: SkBuff<Cloned> = listed()?.into();
        let clone = original.try_clone(GFP_KERNEL)?;
        // A head of its own, but the same list.
        let mut head = clone.unclone(GFP_KERNEL).map_err(|f| f.drop_with(NOMEM))?;
        assert!(original.frag_list().all(|skb| users(skb) == 2));
        assert_eq!(append(&mut head, packet(b"three")?), Err(EBUSY));
        assert_eq!(head.len(), 10);

        let one = head.frag_list_pop(GFP_KERNEL)?.ok_or(EINVAL)?;
        assert_eq!((one.data(), users(&one)), (&b"one"[..], 1));
        assert!(one.cloned());
        assert!(original.frag_list().map(users).eq([1, 2]));
        assert_eq!(*list(&original)?, [&b"one"[..], &b"two"[..]]);
        assert_eq!(*list(&head)?, [&b"two"[..]]);
        assert_eq!(head.len(), 7);
        original.consume();
        // Now it is ours.
        assert!(!one.cloned() && head.frag_list().all(|skb| users(skb) == 1));
        append(&mut head, one)?;
        assert_eq!(*list(&head)?, [&b"two"[..], &b"one"[..]]);
        head.consume();
        Ok(())
    }

    #[test]
    fn claims_and_lists_do_not_mix() -> Result {
        let sock = TestSock::new()?;
        let mut head = listed()?;
        head.set_owner_w(sock.sk());
        let w = sock.w();
        assert_eq!(append(&mut head, packet(b"three")?), Err(EBUSY));
        assert_eq!(pop(&mut head), Err(EBUSY));
        assert_eq!((head.len(), sock.w(), 1 + head.truesize()), (10, w, w));
        head.orphan();

        let mut three = packet(b"three")?;
        three.set_owner_w(sock.sk());
        let Err(Failed {
            skb: mut three,
            error,
        }) = head.frag_list_append(three)
        else {
            return Err(EINVAL);
        };
        assert_eq!((error, three.data()), (EBUSY, &b"three"[..]));
        three.orphan();
        append(&mut head, three)?;
        assert_eq!((head.len(), sock.w()), (15, 1));
        head.consume();
        Ok(())
    }

    #[test]
    fn what_cannot_be_in_a_list_is_refused() -> Result {
        let mut head = packet(b"head")?;
        assert_eq!(append(&mut head, packet(b"")?), Err(EINVAL));
        // A list in a list.
        assert_eq!(append(&mut head, listed()?), Err(EINVAL));
        // Pages of a program.
        let zerocopy = packet(b"program")?;
        // SAFETY: The packet is ours.
        unsafe { (*zerocopy.shinfo()).flags = bindings::SKBFL_ZEROCOPY_ENABLE as u8 };
        let Err(failed) = head.frag_list_append(zerocopy) else {
            return Err(EINVAL);
        };
        // SAFETY: As above. Nobody waits for its pages.
        unsafe { (*failed.skb.shinfo()).flags = 0 };
        assert_eq!(failed.drop_with(DropReason::NOT_SPECIFIED), EINVAL);
        // Memory that the CPU cannot read.
        let device = packet(b"device")?;
        // SAFETY: The packet is ours.
        unsafe {
            (*device.as_ptr())
                .__bindgen_anon_4
                .__bindgen_anon_1
                .as_mut()
                .set_unreadable(1);
        }
        assert_eq!(append(&mut head, device), Err(EINVAL));
        assert_eq!((head.len(), head.has_frag_list()), (4, false));
        head.consume();
        Ok(())
    }

    #[test]
    fn a_head_that_is_to_be_segmented_keeps_its_shape() -> Result {
        let mut head = listed()?;
        // SAFETY: The packet is ours.
        let gso_size = |head: &SkBuff, size| unsafe { (*head.shinfo()).gso_size = size };
        gso_size(&head, 3);
        assert_eq!(append(&mut head, packet(b"three")?), Err(EINVAL));
        assert_eq!(pop(&mut head), Err(EINVAL));
        gso_size(&head, 0);
        assert_eq!(head.len(), 10);
        head.consume();
        Ok(())
    }

    #[test]
    fn fragments_come_before_the_list() -> Result {
        let frag = || -> Result<PageFrag> {
            let mut frag = PageFrag::alloc(16)?;
            frag.put_data(b"frag")?;
            Ok(frag)
        };
        let mut head = packet(b"head")?;
        head.add_frag(frag()?).map_err(|(_, e)| e)?;
        append(&mut head, packet(b"one")?)?;
        assert_eq!(head.add_frag(frag()?).map_err(|(_, e)| e), Err(EINVAL));
        assert_eq!((head.len(), head.pagelen(), head.nr_frags()), (11, 8, 1));
        let head = head.linearize().map_err(|f| f.drop_with(NOMEM))?;
        assert_eq!(head.data(), b"headfragone");
        head.consume();
        Ok(())
    }
}
