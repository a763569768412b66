// SPDX-License-Identifier: GPL-2.0

//! The steps on the way of a packet: offloads, tags, lists, references.

use super::{
    charged,
    each_failure,
    is, //
};
use crate::{
    netdev::features,
    skb::{
        tests::{
            frames::TCP,
            meta::vlan,
            packets::{
                bytes,
                linear,
                listed,
                pattern, //
            }, //
        },
        Cloned,
        Failed,
        PageFrag,
        PagedLayout,
        Segmented,
        SkBuff, //
    },
    sock::testing::TestSock,
};
use kernel::prelude::*;

/// What a case says: whether its step has succeeded, if all is as it has to be.
fn verdict(good: bool, ok: bool) -> Result<bool> {
    if good {
        Ok(ok)
    } else {
        Err(EINVAL)
    }
}

#[kunit_tests(knet_skb_fault_steps)]
mod tests {
    use super::*;

    #[test]
    fn gso_segment() -> Result {
        let sock = TestSock::new()?;
        let failed = each_failure(|fault| {
            let mut skb = TCP.gso(4500)?;
            skb.set_owner_w(sock.sk());
            let whole = bytes(&skb)?;
            let result = fault.inject(|| skb.gso_segment(features::SG));
            let (good, ok) = match result {
                Ok(Segmented::Segments(list)) => {
                    list.consume();
                    (true, true)
                }
                Ok(Segmented::Whole(skb)) => {
                    skb.consume();
                    (false, true)
                }
                Err(Failed { skb, error }) => {
                    let kept = sock.w() == 1 + skb.truesize();
                    (kept && error == ENOMEM && is(skb, &whole)?, false)
                }
            };
            verdict(good && sock.w() == 1, ok)
        })?;
        // A segment consists of two allocations.
        assert!(failed >= 4);
        Ok(())
    }

    #[test]
    fn checksum_help_of_a_clone() -> Result {
        let data = pattern(200)?;
        each_failure(|fault| {
            let mut skb = linear(&data)?;
            skb.set_csum_partial(20, 6)?;
            let mut skb: SkBuff<Cloned> = skb.into();
            let clone = skb.try_clone(GFP_KERNEL)?;
            let result = fault.inject(|| skb.checksum_help());
            let changed = bytes(&skb)?[..] != data[..];
            skb.consume();
            // The clone still has the old data, and it is left to the device.
            verdict(
                is(clone, &data)? && changed == result.is_ok(),
                result.is_ok(),
            )
        })?;
        Ok(())
    }

    #[test]
    fn trim_rcsum_of_a_clone() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
            let clone = skb.try_clone(GFP_KERNEL)?;
            let result = fault.inject(|| skb.trim_rcsum(3000));
            let len = if result.is_ok() { 3000 } else { 5000 };
            let kept = sock.w() == 1 + skb.truesize();
            verdict(
                is(clone, &data)? && kept && is(skb, &data[..len])?,
                result.is_ok(),
            )
        })?;
        Ok(())
    }

    #[test]
    fn vlan_push_into_a_frame() -> Result {
        each_failure(|fault| {
            // The tag beside the frame has to go into it, where there is no room for it.
            let mut skb = vlan::tagged_without_room()?;
            let before = bytes(&skb)?;
            let result = fault.inject(|| skb.vlan_push(vlan::OUTER));
            let len = skb.len();
            if result.is_ok() {
                skb.consume();
                return verdict(len == before.len() + 4, true);
            }
            verdict(is(skb, &before)?, false)
        })?;
        Ok(())
    }

    #[test]
    fn frag_list_pop_from_a_shared_list() -> Result {
        each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = listed(b"head", b"tail")?.into();
            let clone = skb.try_clone(GFP_KERNEL)?;
            // Its own head, and a list that it shares.
            let mut skb = skb.unclone(GFP_KERNEL).map_err(|failed| {
                failed.skb.consume();
                failed.error
            })?;
            let popped = fault.inject(|| skb.frag_list_pop(GFP_KERNEL));
            let ok = popped.is_ok();
            let tail = match popped {
                Ok(Some(tail)) => is(tail, b"tail")?,
                Ok(None) => false,
                Err(error) => error == ENOMEM,
            };
            let rest: &[u8] = if ok { b"head" } else { b"headtail" };
            verdict(tail && is(skb, rest)? && is(clone, b"headtail")?, ok)
        })?;
        Ok(())
    }

    #[test]
    fn build_skb() -> Result {
        each_failure(|fault| {
            let mut frag = PageFrag::alloc_head(32, 200)?;
            frag.put_data(b"data")?;
            match fault.inject(|| frag.build_skb()) {
                Ok(skb) => verdict(is(skb, b"data")?, true),
                Err((frag, error)) => verdict(error == ENOMEM && *frag.data() == *b"data", false),
            }
        })?;
        Ok(())
    }

    #[test]
    fn share_check_of_two_references() -> Result {
        let sock = TestSock::new()?;
        let data = pattern(300)?;
        each_failure(|fault| {
            let one = charged(&sock, &data)?.share();
            let two = one.get();
            let result = fault.inject(|| two.share_check(GFP_KERNEL));
            let ok = result.is_ok();
            let clone = match result {
                Ok(clone) => is(clone, &data)?,
                Err(_) => true,
            };
            // Either way the second reference is gone, and the charge is the first one's.
            let alone = one.users() == 1 && sock.w() == 1 + one.truesize();
            one.consume();
            verdict(clone && alone && sock.w() == 1, ok)
        })?;
        Ok(())
    }

    #[test]
    fn alloc_send_pskb() -> Result {
        let sock = TestSock::new()?;
        let layout = PagedLayout {
            headroom: 16,
            linear: 100,
            paged: 9000,
            order: 0,
        };
        let failed = each_failure(|fault| {
            let unfilled = fault.inject(|| sock.sk().alloc_send_pskb(&layout, true));
            let ok = unfilled.map(|unfilled| unfilled.consume()).is_ok();
            verdict(sock.w() == 1, ok)
        })?;
        // The packet, its buffer, three pages.
        assert!(failed >= 5);
        Ok(())
    }
}
