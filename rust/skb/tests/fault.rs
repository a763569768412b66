// SPDX-License-Identifier: GPL-2.0

//! Memory runs out: each allocation of each function fails once, the first, the second and so on,
//! until there is none left to fail.
//!
//! A step that got an error must leave its packet, whole and with its claim; what it has not freed,
//! kmemleak finds.

mod steps;

use super::{
    injection::{
        all_allocations,
        each_failure,
        Fault, //
    },
    packets::{
        bytes,
        linear,
        paged,
        pattern,
        private_calls,
        set_private_owner, //
    },
    user::User,
    zerocopy::{
        self,
        completed, //
    },
};
use crate::{
    skb::{
        Cloned,
        Failed,
        OnClone,
        OwnerKind,
        PagedLayout,
        Private,
        SkBuff,
        Skb,
        State, //
    },
    sock::testing::TestSock,
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Whether a packet has these bytes; then it is freed.
fn is<S: State>(skb: SkBuff<S>, data: &[u8]) -> Result<bool> {
    let same = bytes(&skb)?[..] == *data;
    skb.consume();
    Ok(same)
}

/// Looks at the result of a step that takes the packet: either way there is one, with this data,
/// and its charge is what it was or has grown with it.
fn check<S: State>(
    result: Result<SkBuff<Private>, Failed<S>>,
    data: &[u8],
    sock: &TestSock,
) -> Result<bool> {
    let charged = |skb: &Skb| {
        let w = if skb.owner_kind() == OwnerKind::None {
            1
        } else {
            1 + skb.truesize()
        };
        sock.w() == w
    };
    let (ok, good) = match result {
        Ok(skb) => (true, charged(&skb) && is(skb, data)?),
        Err(Failed { skb, error }) => {
            let kept = skb.owner_kind() != OwnerKind::None;
            (
                false,
                kept && error == ENOMEM && charged(&skb) && is(skb, data)?,
            )
        }
    };
    if good && sock.w() == 1 {
        Ok(ok)
    } else {
        Err(EINVAL)
    }
}

/// Looks at the result of a step that makes a packet out of another one, which has to be what it
/// was.
fn check_copy<S: State, T: State>(
    result: Result<SkBuff<T>, AllocError>,
    skb: SkBuff<S>,
    data: &[u8],
    sock: &TestSock,
) -> Result<bool> {
    let charged = sock.w() == 1 + skb.truesize();
    let same = is(skb, data)?;
    let (ok, good) = match result {
        Ok(copy) => (
            true,
            copy.owner_kind() == OwnerKind::None && is(copy, data)?,
        ),
        Err(AllocError) => (false, true),
    };
    if charged && same && good && sock.w() == 1 {
        Ok(ok)
    } else {
        Err(EINVAL)
    }
}

/// Whether a packet of `zerocopy::packet` has these bytes in its pages, and is charged; then it is
/// freed.
fn has_pages<S: State>(skb: SkBuff<S>, data: &[u8], sock: &TestSock) -> Result<bool> {
    let same = bytes(&skb)?[4..] == *data && sock.w() == 1 + skb.truesize();
    skb.consume();
    Ok(same)
}

/// Looks at the result of `orphan_frags`, after the packet was freed.
fn orphaned(result: Result, good: bool) -> Result<bool> {
    match result {
        _ if !good || completed() != 1 => Err(EINVAL),
        Ok(()) => Ok(true),
        // The headers, or the pages.
        Err(EINVAL | ENOMEM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A packet in two parts, charged to `sock`.
fn charged(sock: &TestSock, data: &[u8]) -> Result<SkBuff> {
    let mut skb = paged(&data[..100], &data[100..])?;
    skb.set_owner_w(sock.sk());
    Ok(skb)
}

#[kunit_tests(knet_skb_fault)]
mod tests {
    use super::*;

    #[test]
    fn alloc() -> Result {
        type Step = fn() -> Result<SkBuff, AllocError>;
        let steps: [Step; 3] = [
            || SkBuff::alloc(16, 5000, GFP_KERNEL),
            || SkBuff::alloc_fclone(16, 5000, GFP_KERNEL),
            || SkBuff::netdev_alloc(5000, GFP_KERNEL),
        ];
        for step in steps {
            let failed =
                each_failure(|fault| Ok(fault.inject(step).map(|skb| skb.consume()).is_ok()))?;
            // The packet and its buffer.
            assert!(failed >= 2);
        }
        Ok(())
    }

    #[test]
    fn alloc_with_frags() -> Result {
        let layout = PagedLayout {
            linear: 100,
            paged: 5000,
            ..Default::default()
        };
        let failed = each_failure(|fault| {
            let skb = fault.inject(|| SkBuff::alloc_with_frags(&layout, GFP_KERNEL));
            Ok(skb.map(|skb| skb.consume()).is_ok())
        })?;
        // The packet, its buffer and two pages.
        assert!(failed >= 4);
        Ok(())
    }

    #[test]
    fn linearize() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let skb = charged(&sock, &data)?;
            check(fault.inject(|| skb.linearize()), &data, &sock)
        })?;
        Ok(())
    }

    #[test]
    fn clone_sk() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        let refcnt = sock.refcnt();
        each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
            let clone = fault.inject(|| skb.clone_sk());
            let ok = clone.is_some();
            let same = is(skb, &data)? && sock.w() == 1;
            if let Some(clone) = clone {
                clone.consume();
            }
            if same && sock.refcnt() == refcnt {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        Ok(())
    }

    #[test]
    fn try_clone() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
            let clone = fault.inject(|| skb.try_clone(GFP_KERNEL));
            check_copy(clone, skb, &data, &sock)
        })?;
        Ok(())
    }

    #[test]
    fn expand_head() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let skb = charged(&sock, &data)?;
            check(
                fault.inject(|| skb.expand_head(100, 100, GFP_KERNEL)),
                &data,
                &sock,
            )
        })?;
        Ok(())
    }

    #[test]
    fn unclone_unshare_and_cow() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        type Step = fn(SkBuff<Cloned>) -> Result<SkBuff<Private>, Failed<Cloned>>;
        let steps: [Step; 4] = [
            |skb| skb.unclone(GFP_KERNEL),
            |skb| skb.unshare(GFP_KERNEL),
            |skb| skb.cow(100, GFP_KERNEL),
            |skb| skb.cow(0, GFP_ATOMIC),
        ];
        for step in steps {
            each_failure(|fault| {
                let mut skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
                let clone = skb.try_clone(GFP_KERNEL)?;
                let ok = check(fault.inject(|| step(skb)), &data, &sock)?;
                if is(clone, &data)? {
                    Ok(ok)
                } else {
                    Err(EINVAL)
                }
            })?;
        }
        Ok(())
    }

    #[test]
    fn cow_head() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
            let (ok, same) = match fault.inject(|| skb.cow_head(100, GFP_KERNEL)) {
                Ok(skb) => (true, is(skb, &data)?),
                Err(failed) => (false, is(failed.skb, &data)?),
            };
            if same && sock.w() == 1 {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        Ok(())
    }

    #[test]
    fn copies() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        type Step = fn(&mut SkBuff) -> Result<SkBuff, AllocError>;
        let steps: [Step; 5] = [
            |skb| skb.copy(GFP_KERNEL),
            |skb| skb.copy_expand(100, 100, GFP_KERNEL),
            |skb| skb.pskb_copy(GFP_KERNEL),
            |skb| skb.realloc_headroom(0),
            |skb| skb.realloc_headroom(100),
        ];
        for step in steps {
            let failed = each_failure(|fault| {
                let mut skb = charged(&sock, &data)?;
                let copy = fault.inject(|| step(&mut skb));
                check_copy(copy, skb, &data, &sock)
            })?;
            assert!(failed >= 2);
        }
        Ok(())
    }

    #[test]
    fn expand_head_realloc_of_each_kind_of_claim() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let skb = charged(&sock, &data)?;
            check(fault.inject(|| skb.expand_head_realloc(100)), &data, &sock)
        })?;
        // The clone, and its buffer.
        let failed = each_failure(|fault| {
            let mut skb = paged(&data[..100], &data[100..])?;
            set_private_owner(&mut skb, &sock);
            let ok = check(fault.inject(|| skb.expand_head_realloc(100)), &data, &sock)?;
            if private_calls() == 1 {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        assert!(failed >= 2);
        Ok(())
    }

    #[test]
    fn may_pull() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let mut skb = charged(&sock, &data)?;
            let ok = fault.inject(|| skb.may_pull(4000).is_ok());
            let w = sock.w() == 1 + skb.truesize();
            let len = skb.headlen();
            if !is(skb, &data)? || !w || len != if ok { 4000 } else { 100 } {
                return Err(EINVAL);
            }
            Ok(ok)
        })?;
        Ok(())
    }

    #[test]
    fn trim() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = charged(&sock, &data)?.into();
            let clone = skb.try_clone(GFP_KERNEL)?;
            let result = fault.inject(|| skb.trim(4000));
            let w = sock.w() == 1 + skb.truesize();
            let left = if result.is_ok() { 4000 } else { 5000 };
            if is(clone, &data)? && is(skb, &data[..left])? && w && result != Err(EFAULT) {
                Ok(result.is_ok())
            } else {
                Err(EINVAL)
            }
        })?;
        Ok(())
    }

    #[test]
    fn alloc_send_skb() -> Result {
        let sock = TestSock::new()?;
        each_failure(|fault| {
            let skb = fault.inject(|| sock.sk().alloc_send_skb(16, 5000, true));
            let ok = skb.map(|skb| skb.consume()).is_ok();
            if sock.w() == 1 {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        Ok(())
    }

    #[test]
    fn ubuf_info() -> Result {
        each_failure(|fault| {
            let ubuf = fault.inject(|| zerocopy::ubuf(OnClone::Copy));
            let ok = ubuf.is_ok();
            drop(ubuf);
            // What never was is not completed either.
            if completed() == u32::from(ok) {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        Ok(())
    }

    #[test]
    fn orphan_frags() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        let user = User::new(&data)?;
        let failed = each_failure(|fault| {
            let ubuf = zerocopy::ubuf(OnClone::Copy)?;
            let mut skb = zerocopy::packet(&sock, &user, 5000, &ubuf)?;
            drop(ubuf);
            let result = fault.inject(|| skb.orphan_frags(GFP_KERNEL));
            let kept = completed() == u32::from(result.is_ok()) && result != Err(EINVAL);
            let whole = has_pages(skb, &data, &sock)?;
            orphaned(result, kept && whole && sock.w() == 1)
        })?;
        // Two pages.
        assert!(failed >= 2);
        Ok(())
    }

    #[test]
    fn orphan_frags_rx_of_a_clone() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        let user = User::new(&data)?;
        let failed = each_failure(|fault| {
            let ubuf = zerocopy::ubuf(OnClone::Share)?;
            let mut skb: SkBuff<Cloned> = zerocopy::packet(&sock, &user, 5000, &ubuf)?.into();
            drop(ubuf);
            let clone = skb.try_clone(GFP_KERNEL)?;
            let result = fault.inject(|| skb.orphan_frags_rx(GFP_KERNEL));
            let kept = completed() == 0;
            let same = bytes(&clone)?[4..] == data[..];
            let whole = has_pages(skb, &data, &sock)?;
            clone.consume();
            orphaned(result, kept && same && whole && sock.w() == 1)
        })?;
        // The headers, and two pages.
        assert!(failed >= 3);
        Ok(())
    }

    #[test]
    fn try_clone_of_pages_of_a_program() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        let user = User::new(&data)?;
        let failed = each_failure(|fault| {
            let ubuf = zerocopy::ubuf(OnClone::Copy)?;
            let mut skb: SkBuff<Cloned> = zerocopy::packet(&sock, &user, 5000, &ubuf)?.into();
            drop(ubuf);
            let clone = fault.inject(|| skb.try_clone(GFP_KERNEL));
            let same = has_pages(skb, &data, &sock)?;
            let ok = clone.map(|clone| clone.consume()).is_ok();
            if same && completed() == 1 && sock.w() == 1 {
                Ok(ok)
            } else {
                Err(EINVAL)
            }
        })?;
        assert!(failed >= 3);
        Ok(())
    }

    #[cfg(CONFIG_FAIL_SKB_REALLOC)]
    #[test]
    fn may_pull_in_a_buffer_that_moves() -> Result {
        let (sock, data) = (TestSock::new()?, pattern(5000)?);
        let knobs = crate::skb::tests::injection::all_buffers_move()?;
        let mut skb = charged(&sock, &data)?;
        let before = skb.data().as_ptr();
        // Enough is linear already, and still the buffer is another one.
        let front = skb.may_pull(50)?;
        let moved = front.as_ptr() != before && *front == data[..50];
        let more = *skb.may_pull(4000)? == data[..4000];
        let charge = sock.w() == 1 + skb.truesize();
        let same = is(skb, &data)?;
        drop(knobs);
        assert!(moved && more && charge && same);
        Ok(())
    }

    #[test]
    fn put_iter_of_memory_that_is_not_there() -> Result {
        let mut user = User::new(&pattern(8192)?)?;
        user.unmap(4096)?;
        let mut skb = SkBuff::alloc(0, 6000, GFP_KERNEL)?;
        skb.put_data(b"head")?;
        let result = user.iter(6000, |from| skb.put_iter(from, 5000))?;
        assert_eq!((result, skb.data()), (Err(EFAULT), &b"head"[..]));
        let result = user.iter(4096, |from| skb.put_iter(from, 4096))?;
        assert_eq!((result, skb.len()), (Ok(()), 4100));
        skb.consume();
        Ok(())
    }

    #[test]
    fn only_the_chosen_allocation_fails() -> Result {
        let _knobs = all_allocations()?;
        let mut fault = Fault::new(1000);
        let skb = fault.inject(|| linear(b"data"))?;
        assert!(!fault.happened());
        skb.consume();
        // And none after it.
        let skb = linear(b"data")?;
        skb.consume();
        Ok(())
    }
}
