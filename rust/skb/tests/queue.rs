// SPDX-License-Identifier: GPL-2.0

//! Queues and lists: order, who owns what, and what becomes of it.

use super::claim::{
    counting_sock,
    ws, //
};
use crate::{
    new_skb_queue,
    skb::{
        implicit_drops,
        DropReason,
        Private,
        SkBuff,
        Skb,
        SkbList,
        SkbQueue,
        IMPLICIT_DROPS, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

const PURGE: DropReason = DropReason::QUEUE_PURGE;

fn queue() -> Result<Pin<KBox<SkbQueue<Private>>>> {
    KBox::pin_init(new_skb_queue!("knet_skb_queue"), GFP_KERNEL)
}

/// A packet with `name` in it.
fn packet(name: u8) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(0, 1, GFP_KERNEL)?;
    skb.put_data(&[name])?;
    Ok(skb)
}

fn name(skb: &Skb) -> u8 {
    skb.data()[0]
}

/// Consumes a packet and returns what was in it, `-` for none.
fn eat(skb: Option<SkBuff>) -> u8 {
    match skb {
        Some(skb) => {
            let name = name(&skb);
            skb.consume();
            name
        }
        None => b'-',
    }
}

fn list(names: &[u8]) -> Result<SkbList<Private>> {
    let mut list = SkbList::new();
    for name in names {
        list.queue_tail(packet(*name)?);
    }
    Ok(list)
}

/// Consumes a list from the front.
fn eat_list(mut list: SkbList<Private>) -> Result<KVec<u8>> {
    let mut names = KVec::new();
    while let Some(skb) = list.dequeue() {
        names.push(eat(Some(skb)), GFP_KERNEL)?;
    }
    Ok(names)
}

/// Whether a packet is on no list, as one that is owned has to be.
fn is_unlinked(skb: &Skb) -> bool {
    // SAFETY: The packet is valid.
    let links = unsafe { (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1 };
    links.next.is_null() && links.prev.is_null()
}

/// Lets `f` drop `drops` packets implicitly and puts the count back, which has to be zero after a
/// test run.
fn expect_implicit_drops(f: impl FnOnce()) -> u64 {
    let before = implicit_drops();
    f();
    let drops = implicit_drops() - before;
    IMPLICIT_DROPS.store(before, Relaxed);
    drops
}

#[kunit_tests(knet_skb_queue)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_in_order_at_both_ends() -> Result {
        let queue = queue()?;
        assert!(queue.is_empty() && queue.dequeue().is_none() && queue.dequeue_tail().is_none());
        for name in [b'b', b'c', b'd'] {
            queue.queue_tail(packet(name)?);
        }
        queue.queue_head(packet(b'a')?);
        assert!(!queue.is_empty());
        assert_eq!(queue.len(), 4);
        assert_eq!(eat(queue.dequeue()), b'a');
        assert_eq!(eat(queue.dequeue_tail()), b'd');
        let skb = queue.dequeue();
        assert!(skb.as_ref().is_some_and(|skb| is_unlinked(skb)));
        assert_eq!(eat(skb), b'b');
        assert_eq!(eat(queue.dequeue()), b'c');
        assert!(queue.is_empty() && queue.len() == 0);
        Ok(())
    }

    #[test]
    fn a_guard_shows_the_packets_and_leaves_them() -> Result {
        let queue = queue()?;
        let empty = {
            let guard = queue.lock();
            guard.peek().is_none() && guard.peek_tail().is_none() && guard.iter().next().is_none()
        };
        assert!(empty);
        for name in [1, 2, 3] {
            queue.queue_tail(packet(name)?);
        }
        // Interrupts are disabled under the lock, and a failed assertion sleeps.
        let seen = {
            let guard = queue.lock();
            (
                guard.peek().map(name),
                guard.peek_tail().map(name),
                guard
                    .iter()
                    .fold(0, |sum, skb| sum * 10 + u32::from(name(skb))),
            )
        };
        assert_eq!(seen, (Some(1), Some(3), 123));
        assert_eq!(queue.len(), 3);
        queue.purge_with(PURGE);
        Ok(())
    }

    #[test]
    fn unlink_takes_the_first_that_is_wanted_from_anywhere() -> Result {
        let queue = queue()?;
        for name in *b"abcb" {
            queue.queue_tail(packet(name)?);
        }
        assert_eq!(eat(queue.unlink_first(|skb| name(skb) == b'x')), b'-');
        let skb = queue.unlink_first(|skb| name(skb) == b'b');
        assert!(skb.as_ref().is_some_and(|skb| is_unlinked(skb)));
        assert_eq!(eat(skb), b'b');
        assert_eq!(queue.len(), 3);
        assert_eq!(eat(queue.unlink_first(|skb| name(skb) == b'a')), b'a');
        assert_eq!(eat(queue.unlink_first(|skb| name(skb) == b'b')), b'b');
        assert_eq!(eat(queue.unlink_first(|_| true)), b'c');
        assert!(queue.is_empty() && queue.dequeue().is_none());
        Ok(())
    }

    #[test]
    fn all_packets_move_at_once_and_in_order() -> Result {
        let queue = queue()?;
        queue.queue_tail_all(SkbList::new());
        assert!(queue.take_all().is_empty() && queue.is_empty());
        queue.queue_tail_all(list(b"ab")?);
        queue.queue_tail_all(list(b"c")?);
        queue.queue_tail(packet(b'd')?);
        assert_eq!(queue.len(), 4);
        let all = queue.take_all();
        assert_eq!((all.len(), queue.len()), (4, 0));
        assert!(queue.is_empty() && queue.dequeue().is_none());
        assert_eq!(&eat_list(all)?[..], b"abcd");
        // The queue goes on.
        queue.queue_tail(packet(b'e')?);
        assert_eq!(eat(queue.dequeue_tail()), b'e');
        Ok(())
    }

    #[test]
    fn a_queue_keeps_claims_and_purge_ends_them() -> Result {
        let sock = counting_sock()?;
        let queue = queue()?;
        let mut sum = 0;
        for name in 0..3 {
            let mut skb = packet(name)?;
            skb.set_owner_w(sock.sk());
            sum += skb.truesize();
            queue.queue_tail(skb);
        }
        assert_eq!((sock.w(), ws()), (1 + sum, 0));
        queue.purge_with(PURGE);
        assert_eq!((sock.w(), ws(), queue.len()), (1, 3, 0));
        Ok(())
    }

    #[test]
    fn a_queue_out_of_scope_frees_and_counts_each_packet() -> Result {
        let sock = counting_sock()?;
        let (queue, mut list) = (queue()?, list(b"c")?);
        for name in *b"ab" {
            let mut skb = packet(name)?;
            skb.set_owner_w(sock.sk());
            queue.queue_tail(skb);
        }
        assert_eq!(expect_implicit_drops(|| drop(queue)), 2);
        assert_eq!((sock.w(), ws()), (1, 2));
        let mut skb = packet(b'd')?;
        skb.set_owner_w(sock.sk());
        list.queue_tail(skb);
        assert_eq!(expect_implicit_drops(|| drop(list)), 2);
        assert_eq!((sock.w(), ws()), (1, 3));
        Ok(())
    }

    #[test]
    fn a_list_is_a_queue_without_a_lock() -> Result {
        let mut list = list(b"bc")?;
        list.queue_head(packet(b'a')?);
        list.queue_tail(packet(b'd')?);
        assert_eq!(list.len(), 4);
        assert_eq!(list.peek().map(name), Some(b'a'));
        // It can be moved.
        let mut list = core::hint::black_box(KBox::new(list, GFP_KERNEL)?);
        assert!(list.iter().map(name).eq(*b"abcd"));
        assert_eq!(eat(list.dequeue_tail()), b'd');
        assert_eq!(eat(list.unlink_first(|skb| name(skb) == b'b')), b'b');
        assert_eq!(eat(list.unlink_first(|skb| name(skb) == b'x')), b'-');
        let skb = list.dequeue();
        assert!(skb.as_ref().is_some_and(|skb| is_unlinked(skb)));
        assert_eq!(eat(skb), b'a');
        assert_eq!(eat(list.dequeue_tail()), b'c');
        assert!(list.is_empty() && list.peek().is_none() && list.iter().next().is_none());
        assert!(list.dequeue().is_none() && list.dequeue_tail().is_none());
        // An empty list takes packets at either end again.
        list.queue_head(packet(b'e')?);
        assert_eq!(eat(list.dequeue_tail()), b'e');
        Ok(())
    }

    #[test]
    fn lists_are_joined_in_order() -> Result {
        let mut all = SkbList::new();
        all.append(list(b"ab")?);
        all.append(SkbList::new());
        all.append(list(b"cd")?);
        assert_eq!(all.len(), 4);
        // Backwards, so that both directions are linked.
        for name in *b"dcba" {
            assert_eq!(eat(all.dequeue_tail()), name);
        }
        assert!(all.is_empty());
        Ok(())
    }

    #[test]
    fn c18_dropping_a_list_credits_each_packet() -> Result {
        // More than C frees in one go.
        const N: u32 = 20;

        let sock = counting_sock()?;
        let mut list = SkbList::<Private>::new();
        let mut sum = 0;
        for _ in 0..N {
            let mut skb = packet(0)?;
            skb.set_owner_w(sock.sk());
            sum += skb.truesize();
            list.queue_tail(skb);
        }
        assert_eq!((sock.w(), ws()), (1 + sum, 0));
        list.drop_with(PURGE);
        assert_eq!((sock.w(), ws()), (1, N));
        Ok(())
    }

    #[test]
    fn consuming_a_list_frees_it() -> Result {
        let sock = counting_sock()?;
        let mut skb = packet(0)?;
        skb.set_owner_w(sock.sk());
        let mut list = list(b"a")?;
        list.queue_tail(skb);
        assert_eq!(expect_implicit_drops(|| list.consume()), 0);
        assert_eq!((sock.w(), ws()), (1, 1));
        SkbList::<Private>::default().consume();
        Ok(())
    }
}
