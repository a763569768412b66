// SPDX-License-Identifier: GPL-2.0

//! Pages of a program: shared, charged, copied when they must be, and told when they are free.

use super::{
    packets::{
        bytes,
        linear,
        listed,
        pattern, //
    },
    user::{
        kernel_iter,
        User,
        PAGE_SIZE, //
    },
};
use crate::{
    bindings,
    skb::{
        Cloned,
        Completion,
        DropReason,
        OnClone,
        OwnerKind,
        SkBuff,
        UbufInfo, //
    },
    sock::testing::TestSock,
};
use kernel::{
    module::this_module,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Completions, and what the last one was told. KUnit runs the cases of a module one after the
/// other.
static COMPLETED: Atomic<u32> = Atomic::new(0);
static SUCCESS: Atomic<bool> = Atomic::new(false);

pub(super) struct Count;

impl Completion for Count {
    fn complete(self, zerocopy_success: bool) {
        COMPLETED.add(1, Relaxed);
        SUCCESS.store(zerocopy_success, Relaxed);
    }
}

pub(super) fn ubuf(on_clone: OnClone) -> Result<UbufInfo<Count>> {
    COMPLETED.store(0, Relaxed);
    UbufInfo::new(this_module::<crate::Knet>(), Count, on_clone, GFP_KERNEL)
}

pub(super) fn completed() -> u32 {
    COMPLETED.load(Relaxed)
}

/// A packet that is charged to `sock`, with `head` in its linear part and then the pages of `user`.
pub(super) fn packet(
    sock: &TestSock,
    user: &User,
    len: usize,
    ubuf: &UbufInfo<Count>,
) -> Result<SkBuff> {
    let mut skb = linear(b"head")?;
    skb.set_owner_w(sock.sk());
    let added = user.iter(len, |from| skb.zerocopy_from_iter(from, len, ubuf))?;
    if added != Ok(len) {
        skb.consume();
        return Err(EINVAL);
    }
    Ok(skb)
}

/// References to this module.
fn module_references() -> i32 {
    // SAFETY: The module runs.
    unsafe { (*this_module::<crate::Knet>().as_ptr()).refcnt.counter }
}

#[kunit_tests(knet_skb_zerocopy)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_program_are_shared_and_charged() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = linear(b"head")?;
        skb.set_owner_w(sock.sk());
        let t = skb.truesize();
        let (added, left) = user.iter(6000, |from| {
            (skb.zerocopy_from_iter(from, 5000, &ubuf), from.len())
        })?;
        assert_eq!((added, left), (Ok(5000), 1000));
        assert_eq!((skb.headlen(), skb.len()), (4, 5004));
        assert_eq!(skb.truesize(), t + 2 * PAGE_SIZE as u32);
        assert_eq!(sock.w(), 1 + skb.truesize());
        assert!(bytes(&skb)?[4..] == pattern(5000)?[..]);
        // They are the program's own: what it writes is in the packet.
        user.write(100, b"changed")?;
        assert!(bytes(&skb)?[104..111] == b"changed"[..]);
        assert!(skb.store_bits(104, b"pattern") == Err(EBUSY));
        skb.consume();
        assert_eq!((sock.w(), ubuf.references()), (1, 1));
        Ok(())
    }

    #[test]
    fn a_packet_that_stands_for_too_much_gets_no_pages() -> Result {
        const MAX: u32 = i32::MAX as u32 - bindings::KMALLOC_MAX_SIZE_VALUE as u32;
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = linear(b"head")?;
        skb.raw_mut().truesize = MAX;
        skb.set_owner_w(sock.sk());
        let (added, left) = user.iter(6000, |from| {
            (skb.zerocopy_from_iter(from, 5000, &ubuf), from.len())
        })?;
        assert_eq!((added, left), (Err(EMSGSIZE), 6000));
        assert_eq!((skb.data(), skb.len()), (&b"head"[..], 4));
        assert_eq!((skb.truesize(), sock.w()), (MAX, 1 + MAX));
        skb.consume();
        assert_eq!((sock.w(), ubuf.references()), (1, 1));
        Ok(())
    }

    #[test]
    fn the_last_reference_completes_once() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let one = packet(&sock, &user, 6000, &ubuf)?;
        let two = packet(&sock, &user, 100, &ubuf)?;
        assert_eq!(ubuf.references(), 3);
        one.consume();
        assert_eq!((ubuf.references(), completed()), (2, 0));
        drop(ubuf);
        assert_eq!(completed(), 0);
        // A packet that was dropped was not copied either.
        two.drop_with(DropReason::QUEUE_PURGE);
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, true));
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn more_pages_for_the_same_completion_take_no_reference() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = packet(&sock, &user, 6000, &ubuf)?;
        let more = user.iter(10, |from| skb.zerocopy_from_iter(from, 10, &ubuf))?;
        assert_eq!((more, ubuf.references(), skb.len()), (Ok(10), 2, 6014));
        assert_eq!(sock.w(), 1 + skb.truesize());
        // Nothing is nothing.
        let more = user.iter(10, |from| skb.zerocopy_from_iter(from, 0, &ubuf))?;
        assert_eq!((more, skb.len()), (Ok(0), 6014));
        skb.consume();
        Ok(())
    }

    #[test]
    fn the_module_stays_until_the_completion_has_run() -> Result {
        let before = module_references();
        let (sock, user) = (TestSock::new()?, User::new(&pattern(100)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let skb = packet(&sock, &user, 100, &ubuf)?;
        drop(ubuf);
        assert_eq!(module_references(), before + 1);
        skb.consume();
        assert_eq!((module_references(), completed()), (before, 1));
        Ok(())
    }

    #[test]
    fn a_clone_gets_copies() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb: SkBuff<Cloned> = packet(&sock, &user, 6000, &ubuf)?.into();
        let (t, w) = (skb.truesize(), sock.w());
        let clone = skb.try_clone(GFP_KERNEL)?;
        assert_eq!((ubuf.references(), skb.truesize(), sock.w()), (1, t, w));
        drop(ubuf);
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, false));
        user.write(0, b"changed")?;
        assert!(bytes(&skb)?[4..] == pattern(6000)?[..]);
        skb.consume();
        assert!(bytes(&clone)?[4..] == pattern(6000)?[..]);
        clone.consume();
        Ok(())
    }

    #[test]
    fn a_clone_that_shares_keeps_the_pages() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Share)?;
        let mut skb: SkBuff<Cloned> = packet(&sock, &user, 6000, &ubuf)?.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        // Both go by the one reference that lies in their data.
        assert_eq!(ubuf.references(), 2);
        // Headers of its own: a second reference.
        let copy = skb.pskb_copy(GFP_KERNEL)?;
        assert_eq!(ubuf.references(), 3);
        let copy: SkBuff<Cloned> = copy.into();
        drop(ubuf);
        skb.consume();
        copy.consume();
        assert_eq!(completed(), 0);
        user.write(0, b"changed")?;
        assert!(bytes(&clone)?[4..11] == b"changed"[..]);
        clone.consume();
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, true));
        Ok(())
    }

    #[test]
    fn c24_orphan_frags_copies_the_pages_and_leaves_the_claim() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = packet(&sock, &user, 6000, &ubuf)?;
        drop(ubuf);
        let (t, w) = (skb.truesize(), sock.w());
        skb.orphan_frags(GFP_KERNEL)?;
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, false));
        assert_eq!((skb.truesize(), sock.w()), (t, w));
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(sock.sk().as_ptr()));
        user.write(0, b"changed")?;
        assert!(bytes(&skb)?[4..] == pattern(6000)?[..]);
        // There is nothing left to do.
        skb.orphan_frags(GFP_KERNEL)?;
        skb.orphan_frags_rx(GFP_KERNEL)?;
        skb.consume();
        assert_eq!((completed(), sock.w()), (1, 1));
        Ok(())
    }

    #[test]
    fn c24_orphan_frags_rx_copies_pages_that_clones_share() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Share)?;
        let mut skb: SkBuff<Cloned> = packet(&sock, &user, 6000, &ubuf)?.into();
        let mut clone = skb.try_clone(GFP_KERNEL)?;
        let (t, w) = (skb.truesize(), sock.w());
        skb.orphan_frags(GFP_KERNEL)?;
        assert_eq!((ubuf.references(), skb.cloned()), (2, true));
        skb.orphan_frags_rx(GFP_KERNEL)?;
        assert_eq!((skb.truesize(), sock.w(), skb.cloned()), (t, w, false));
        assert!(skb.owner_kind() == OwnerKind::Write);
        user.write(0, b"changed")?;
        assert!(bytes(&skb)?[4..] == pattern(6000)?[..]);
        assert!(bytes(&clone)?[4..11] == b"changed"[..]);
        skb.consume();
        assert_eq!((ubuf.references(), sock.w()), (2, 1));
        clone.orphan_frags_rx(GFP_KERNEL)?;
        assert_eq!((ubuf.references(), completed()), (1, 0));
        drop(ubuf);
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, false));
        clone.consume();
        Ok(())
    }

    #[test]
    fn pages_that_were_pulled_are_free() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(200)?)?);
        let ubuf = ubuf(OnClone::Share)?;
        let mut skb = packet(&sock, &user, 200, &ubuf)?;
        drop(ubuf);
        skb.may_pull(100)?;
        assert_eq!(completed(), 0);
        skb.may_pull(204)?;
        assert_eq!((completed(), SUCCESS.load(Relaxed)), (1, false));
        assert!(skb.data()[4..] == pattern(200)?[..]);
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn the_second_half_of_a_packet_has_a_reference() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = packet(&sock, &user, 6000, &ubuf)?;
        let mut rest = SkBuff::alloc(0, 0, GFP_KERNEL)?;
        skb.split(1000, &mut rest)?;
        assert_eq!(ubuf.references(), 3);
        drop(ubuf);
        skb.consume();
        assert_eq!(completed(), 0);
        assert!(bytes(&rest)?[..] == pattern(6000)?[996..]);
        rest.consume();
        assert_eq!((completed(), SUCCESS.load(Relaxed), sock.w()), (1, true, 1));
        Ok(())
    }

    #[test]
    fn what_cannot_have_pages_is_refused() -> Result {
        let (sock, user) = (TestSock::new()?, User::new(&pattern(6000)?)?);
        let (one, two) = (ubuf(OnClone::Copy)?, ubuf(OnClone::Copy)?);
        // Nobody to charge.
        let mut skb = linear(b"head")?;
        let result = user.iter(100, |from| skb.zerocopy_from_iter(from, 100, &one))?;
        assert_eq!((result, skb.len()), (Err(EINVAL), 4));
        skb.consume();
        // A list would come in the middle.
        let mut skb = listed(b"head", b"tail")?;
        skb.set_owner_w(sock.sk());
        let result = user.iter(100, |from| skb.zerocopy_from_iter(from, 100, &one))?;
        assert_eq!((result, skb.len()), (Err(EINVAL), 8));
        skb.consume();
        // Memory that is not a program's.
        let mut skb = linear(b"head")?;
        skb.set_owner_w(sock.sk());
        let result = kernel_iter(b"data", |from| skb.zerocopy_from_iter(from, 4, &one));
        assert_eq!((result, skb.len()), (Err(EINVAL), 4));
        assert_eq!((one.references(), sock.w()), (1, 1 + skb.truesize()));
        skb.consume();
        // Two to tell.
        let mut skb = packet(&sock, &user, 100, &one)?;
        let result = user.iter(100, |from| skb.zerocopy_from_iter(from, 100, &two))?;
        assert_eq!((result, skb.len(), two.references()), (Err(EEXIST), 104, 1));
        // No packet is so long.
        let long = bindings::GSO_MAX_SIZE as usize - 103;
        let result = user.iter(6000, |from| skb.zerocopy_from_iter(from, long, &one))?;
        assert_eq!((result, skb.len()), (Err(EMSGSIZE), 104));
        assert_eq!(sock.w(), 1 + skb.truesize());
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_fault_leaves_everything_as_it_was() -> Result {
        let sock = TestSock::new()?;
        let mut user = User::new(&pattern(2 * PAGE_SIZE)?)?;
        user.unmap(PAGE_SIZE)?;
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = linear(b"head")?;
        skb.set_owner_w(sock.sk());
        let (t, w) = (skb.truesize(), sock.w());
        let (result, left) = user.iter(6000, |from| {
            (skb.zerocopy_from_iter(from, 6000, &ubuf), from.len())
        })?;
        assert_eq!((result, left), (Err(EFAULT), 6000));
        assert_eq!((skb.len(), skb.data_len()), (4, 0));
        assert_eq!((skb.truesize(), sock.w(), ubuf.references()), (t, w, 1));
        skb.put_data(b"!")?;
        assert_eq!(skb.data(), b"head!");
        // The same with pages that were there before.
        let added = user.iter(100, |from| skb.zerocopy_from_iter(from, 100, &ubuf))?;
        let (t, w) = (skb.truesize(), sock.w());
        let result = user.iter(6000, |from| skb.zerocopy_from_iter(from, 6000, &ubuf))?;
        assert_eq!((added, result), (Ok(100), Err(EFAULT)));
        assert_eq!((skb.len(), skb.truesize(), sock.w()), (105, t, w));
        assert!(bytes(&skb)?[5..] == pattern(100)?[..]);
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn fragments_that_do_not_fit_are_left_to_the_next_packet() -> Result {
        const MAX: usize = bindings::MAX_SKB_FRAGS as usize;

        let sock = TestSock::new()?;
        let user = User::new(&pattern((MAX + 2) * PAGE_SIZE)?)?;
        let ubuf = ubuf(OnClone::Copy)?;
        let mut skb = linear(b"")?;
        skb.set_owner_w(sock.sk());
        let len = (MAX + 2) * PAGE_SIZE;
        let (added, left) = user.iter(len, |from| {
            (skb.zerocopy_from_iter(from, len, &ubuf), from.len())
        })?;
        assert_eq!((added, left), (Ok(MAX * PAGE_SIZE), 2 * PAGE_SIZE));
        assert_eq!(sock.w(), 1 + skb.truesize());
        let w = sock.w();
        let (more, left) = user.iter(len, |from| {
            (skb.zerocopy_from_iter(from, len, &ubuf), from.len())
        })?;
        assert_eq!((more, left, sock.w()), (Err(EMSGSIZE), len, w));
        assert!(bytes(&skb)?[..] == pattern(MAX * PAGE_SIZE)?[..]);
        skb.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }
}
