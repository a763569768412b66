// SPDX-License-Identifier: GPL-2.0

//! A ring for one producer and one consumer, without locks.
//!
//! The two ends are two values, and what changes an end takes `&mut`: that there is one producer
//! and one consumer at a time is checked by the compiler. A transmit function gets its end from
//! [`TxQueue`](crate::netdev::TxQueue), a poll function from [`Poll`](crate::netdev::Poll).
//!
//! Each end has its own index, and a copy of the other end's that it refreshes only when that
//! leaves it nothing to do: the other end writes that cache line all the time.
//!
//! Who has both ends at once can [replace] the ring by one of another size.

use crate::atomic::AtomicInline;
use core::{
    cell::UnsafeCell,
    mem::{
        self,
        MaybeUninit, //
    }, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
};

/// Keeps the indices, each written by another CPU, in cache lines of their own.
#[repr(align(64))]
struct CacheAligned<T>(T);

/// # Invariants
///
/// * `slots.len()` is a power of two, or zero in a ring that is always empty, and `mask` is one
///   less, modulo 2^32.
/// * `0 <= tail - head <= slots.len()`, modulo 2^32.
/// * The slots from `head` to `tail`, modulo the length, are initialised and belong to the
///   consumer; the others belong to the producer.
/// * Only the producer changes `tail`, only the consumer changes `head`.
struct Ring<T> {
    slots: KVec<UnsafeCell<MaybeUninit<T>>>,
    mask: u32,
    /// Where the consumer takes the next one.
    head: CacheAligned<Atomic<u32>>,
    /// Where the producer puts the next one.
    tail: CacheAligned<Atomic<u32>>,
}

// SAFETY: A slot belongs to one end at a time, see the invariants.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    #[inline(always)]
    fn slot(&self, index: u32) -> *mut MaybeUninit<T> {
        // SAFETY: A ring without slots has no entry to ask for; else the length is a power of two,
        // so the masked index is below it.
        unsafe { self.slots.get_unchecked((index & self.mask) as usize).get() }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let tail = self.tail.0.read_once();
        let mut head = self.head.0.read_once();
        while head != tail {
            // SAFETY: By the invariants the slot is initialised, and nobody else is left.
            unsafe { (*self.slot(head)).assume_init_drop() };
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts things into a ring.
///
/// # Invariants
///
/// `tail` is that of the ring, `head` what the ring had as `head` at some time. `size` is at most
/// the number of slots.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    tail: u32,
    head: u32,
    size: u32,
}

/// The end that takes things out of a ring.
///
/// # Invariants
///
/// `head` is that of the ring, `tail` what the ring had as `tail` at some time, loaded with acquire
/// semantics.
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    head: u32,
    tail: u32,
    /// As the producer's.
    size: u32,
}

/// Makes a ring of `capacity` entries.
///
/// # Errors
///
/// `EINVAL` if `capacity` is not a power of two or does not fit in 32 bits, `ENOMEM`.
pub fn channel<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>)> {
    let Ok(capacity) = u32::try_from(capacity) else {
        return Err(EINVAL);
    };
    if !capacity.is_power_of_two() {
        return Err(EINVAL);
    }
    with_slots(capacity)
}

/// Makes a ring that has room for nothing, until it is [replaced](replace).
///
/// # Errors
///
/// `ENOMEM`.
pub fn closed<T>() -> Result<(Producer<T>, Consumer<T>)> {
    with_slots(0)
}

fn with_slots<T>(capacity: u32) -> Result<(Producer<T>, Consumer<T>)> {
    let mut slots = KVec::with_capacity(capacity as usize, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..capacity {
        slots.push(UnsafeCell::new(MaybeUninit::uninit()), GFP_KERNEL_ACCOUNT)?;
    }
    // INVARIANT: The callers pass a power of two or zero, and no slot is between `head` and `tail`.
    let ring = Arc::new(
        Ring {
            slots,
            mask: capacity.wrapping_sub(1),
            head: CacheAligned(Atomic::new(0)),
            tail: CacheAligned(Atomic::new(0)),
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    // INVARIANT: Both indices of the ring are 0, and all slots are used.
    let producer = Producer {
        ring: ring.clone(),
        tail: 0,
        head: 0,
        size: capacity,
    };
    // INVARIANT: As above; nothing was put into the ring.
    let consumer = Consumer {
        ring,
        head: 0,
        tail: 0,
        size: capacity,
    };
    Ok((producer, consumer))
}

/// Gives the two ends of a ring another ring, whose ends are `new`. What waits moves there, in its
/// order. If it does not fit, the ring stays and is only made as small as the new one: there is no
/// room until enough was taken out. So nothing is lost.
///
/// Returns what is not needed any more, to be dropped where that may take its time. That is all of
/// `new` if the two ends are not of one ring.
pub fn replace<T>(
    producer: &mut Producer<T>,
    consumer: &mut Consumer<T>,
    new: (Producer<T>, Consumer<T>),
) -> (Producer<T>, Consumer<T>) {
    let (mut to, from) = new;
    if !Arc::ptr_eq(&producer.ring, &consumer.ring) {
        return (to, from);
    }
    if consumer.len() > to.free() {
        // INVARIANT: At most the number of slots. What waits in a larger ring may leave less room
        // there than is needed.
        let size = to.size.min(producer.ring.slots.len() as u32);
        producer.size = size;
        consumer.size = size;
        return (to, from);
    }
    while let Some(slot) = to.reserve() {
        match consumer.pop() {
            Some(value) => slot.put(value),
            None => break,
        }
    }
    (mem::replace(producer, to), mem::replace(consumer, from))
}

impl<T> Producer<T> {
    /// Whether at least `entries` are free.
    #[inline(always)]
    pub fn has_free(&mut self, entries: u32) -> bool {
        if self.free_behind(self.head) >= entries {
            return true;
        }
        // INVARIANT: That is what the ring has.
        self.head = self.ring.head.0.load_acquire();
        self.free_behind(self.head) >= entries
    }

    /// Free entries if the oldest one is at `head`; there are more waiting than the size after the
    /// ring was made smaller.
    #[inline(always)]
    fn free_behind(&self, head: u32) -> u32 {
        self.size.saturating_sub(self.tail.wrapping_sub(head))
    }

    /// Returns the next free entry, or `None` if the ring is full.
    #[inline(always)]
    pub fn reserve(&mut self) -> Option<Slot<'_, T>> {
        // INVARIANT: `size` is at most the number of slots, so with an old `head`, too, the slot at
        // `tail` is not between the two, and it is the producer's; there is one producer, and it is
        // borrowed by `&mut`.
        self.has_free(1).then_some(Slot(self))
    }

    /// Puts `value` into the ring.
    ///
    /// # Errors
    ///
    /// Gives it back if the ring is full.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        match self.reserve() {
            Some(slot) => {
                slot.put(value);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Free entries now; more may become free at any time.
    #[inline(always)]
    pub fn free(&self) -> u32 {
        self.free_behind(self.ring.head.0.load_acquire())
    }

    /// Entries that the ring has.
    #[inline(always)]
    pub fn size(&self) -> u32 {
        self.size
    }
}

/// A free entry of a ring.
///
/// # Invariants
///
/// The entry at `tail` is the producer's.
pub struct Slot<'a, T>(&'a mut Producer<T>);

impl<T> Slot<'_, T> {
    /// Fills the entry and hands it to the consumer.
    #[inline(always)]
    pub fn put(self, value: T) {
        let Self(producer) = self;
        // SAFETY: The entry is the producer's by the type invariant.
        unsafe { (*producer.ring.slot(producer.tail)).write(value) };
        // INVARIANT: The slot is initialised; the release hands it to the consumer.
        producer.tail = producer.tail.wrapping_add(1);
        producer.ring.tail.0.store_release(producer.tail);
    }
}

impl<T> Consumer<T> {
    /// Whether there is something to take.
    #[inline(always)]
    fn ready(&mut self) -> bool {
        if self.head == self.tail {
            // INVARIANT: That is what the ring has.
            self.tail = self.ring.tail.0.load_acquire();
        }
        self.head != self.tail
    }

    /// Takes the oldest entry.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        if !self.ready() {
            return None;
        }
        // SAFETY: The slot is between `head` and `tail`, so it is initialised and the consumer's;
        // there is one consumer, and we hold it by `&mut`.
        let value = unsafe { (*self.ring.slot(self.head)).assume_init_read() };
        // INVARIANT: The value was moved out; the release hands the slot to the producer.
        self.head = self.head.wrapping_add(1);
        self.ring.head.0.store_release(self.head);
        Some(value)
    }

    /// Looks at the oldest entry.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<&T> {
        if !self.ready() {
            return None;
        }
        // SAFETY: As in `pop`, and the borrow of `self` keeps the entry in the ring.
        Some(unsafe { (*self.ring.slot(self.head)).assume_init_ref() })
    }

    /// Looks at the entry behind `n` older ones.
    #[inline(always)]
    pub fn peek_nth(&mut self, n: u32) -> Option<&T> {
        if n >= self.tail.wrapping_sub(self.head) {
            // INVARIANT: That is what the ring has.
            self.tail = self.ring.tail.0.load_acquire();
            if n >= self.tail.wrapping_sub(self.head) {
                return None;
            }
        }
        // SAFETY: As in `pop`: the entry is between `head` and `tail`, and `head` only moves with
        // this end, so the borrow of `self` keeps the entry in the ring.
        Some(unsafe { (*self.ring.slot(self.head.wrapping_add(n))).assume_init_ref() })
    }

    /// Entries that can be taken now; there may be more at any time.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        self.ring.tail.0.load_acquire().wrapping_sub(self.head)
    }

    /// Whether there is nothing to take now.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head == self.ring.tail.0.load_acquire()
    }

    /// Free entries, as [`Producer::free`]; fewer may be free at any time.
    #[inline(always)]
    pub fn free(&self) -> u32 {
        self.size.saturating_sub(self.len())
    }

    /// Entries that the ring has.
    #[inline(always)]
    pub fn size(&self) -> u32 {
        self.size
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(knet_ring)]
mod tests {
    use super::*;

    #[test]
    fn capacity_must_be_a_power_of_two() {
        assert!(channel::<u32>(0).is_err());
        assert!(channel::<u32>(3).is_err());
        assert!(channel::<u32>(4).is_ok());
    }

    #[test]
    fn first_in_first_out_and_full_gives_back() -> Result {
        let (mut tx, mut rx) = channel::<u32>(4)?;
        assert!(rx.is_empty() && rx.pop().is_none());
        // More rounds than entries, so that the indices wrap around the slots.
        for round in 0..10 {
            for i in 0..4 {
                assert_eq!(tx.free(), 4 - i);
                assert!(tx.push(round * 4 + i).is_ok());
            }
            assert_eq!(tx.push(99), Err(99));
            for i in 0..4 {
                assert_eq!(rx.peek().copied(), Some(round * 4 + i));
                assert_eq!(rx.len(), 4 - i);
                assert_eq!(rx.peek_nth(3 - i).copied(), Some(round * 4 + 3));
                assert_eq!(rx.peek_nth(4 - i), None);
                assert_eq!(rx.pop(), Some(round * 4 + i));
            }
            assert!(rx.is_empty());
        }
        Ok(())
    }

    #[test]
    fn an_end_sees_what_the_other_has_done_meanwhile() -> Result {
        let (mut tx, mut rx) = channel::<u32>(4)?;
        // Both ends have looked when there was nothing; their copies are of that time.
        assert!(rx.peek().is_none() && tx.has_free(4) && !tx.has_free(5));
        for i in 0..4 {
            assert!(tx.push(i).is_ok());
        }
        assert!(!tx.has_free(1) && tx.reserve().is_none() && tx.free() == 0);
        assert!(!rx.is_empty() && rx.free() == 0);
        assert_eq!((rx.pop(), rx.pop()), (Some(0), Some(1)));
        assert!(tx.has_free(2) && !tx.has_free(3) && tx.free() == 2 && rx.free() == 2);
        // The consumer knows of two more, and finds the third.
        assert!(tx.push(4).is_ok());
        assert_eq!((rx.pop(), rx.pop(), rx.pop()), (Some(2), Some(3), Some(4)));
        assert!(rx.is_empty() && rx.pop().is_none());
        assert!(tx.has_free(4) && tx.free() == 4);
        Ok(())
    }

    #[test]
    fn indices_wrap_around() -> Result {
        let (mut tx, mut rx) = channel::<u32>(2)?;
        // As after so many entries.
        let start = u32::MAX - 2;
        tx.ring.head.0.write_once(start);
        tx.ring.tail.0.write_once(start);
        (tx.tail, tx.head, rx.head, rx.tail) = (start, start, start, start);
        for i in 0..8 {
            assert!(tx.has_free(2) && tx.push(i).is_ok() && tx.push(i + 100).is_ok());
            assert_eq!(tx.push(i), Err(i));
            assert_eq!((rx.pop(), rx.free()), (Some(i), 1));
            assert_eq!((rx.pop(), rx.pop()), (Some(i + 100), None));
        }
        Ok(())
    }

    #[test]
    fn closed_has_room_for_nothing() -> Result {
        let (mut tx, mut rx) = closed::<u32>()?;
        assert_eq!((tx.free(), tx.size(), rx.free()), (0, 0, 0));
        assert_eq!(tx.push(1), Err(1));
        assert!(rx.is_empty() && rx.peek().is_none() && rx.pop().is_none());
        // Another ring opens it.
        drop(replace(&mut tx, &mut rx, channel(4)?));
        assert_eq!((tx.push(2), rx.pop()), (Ok(()), Some(2)));
        Ok(())
    }

    #[test]
    fn what_waits_moves_to_another_ring_in_order() -> Result {
        let (mut tx, mut rx) = channel::<u32>(8)?;
        // Not from the first slot on.
        for i in 0..6 {
            assert!(tx.push(i).is_ok() && rx.pop() == Some(i));
        }
        for (count, size) in [(8, 16), (8, 8), (3, 4), (0, 2)] {
            for i in 0..count {
                assert!(tx.push(i).is_ok());
            }
            drop(replace(&mut tx, &mut rx, channel(size)?));
            assert_eq!((tx.size(), rx.size()), (size as u32, size as u32));
            assert_eq!(tx.free(), size as u32 - count);
            for i in 0..count {
                assert_eq!(rx.pop(), Some(i));
            }
            assert!(rx.is_empty());
            for _ in 0..size {
                assert!(tx.push(7).is_ok());
            }
            assert_eq!(tx.push(7), Err(7));
            while rx.pop().is_some() {}
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_stays_and_keeps_others_out() -> Result {
        let (mut tx, mut rx) = channel::<u32>(8)?;
        for i in 0..6 {
            assert!(tx.push(i).is_ok());
        }
        drop(replace(&mut tx, &mut rx, channel(4)?));
        assert_eq!((tx.size(), rx.size()), (4, 4));
        for i in 0..6u32 {
            // As long as there is no room in a ring of that size.
            assert_eq!(
                (tx.free(), rx.free()),
                (i.saturating_sub(2), i.saturating_sub(2))
            );
            if i < 3 {
                assert_eq!(tx.push(9), Err(9));
            }
            assert_eq!(rx.pop(), Some(i));
        }
        for _ in 0..4 {
            assert!(tx.push(7).is_ok());
        }
        assert_eq!(tx.push(7), Err(7));
        Ok(())
    }

    #[test]
    fn a_ring_that_is_in_use_does_not_make_another_one_larger() -> Result {
        let (mut tx, mut rx) = channel::<u32>(4)?;
        let (mut new_tx, new_rx) = channel::<u32>(16)?;
        for i in 0..4 {
            assert!(tx.push(i).is_ok());
        }
        for i in 0..14 {
            assert!(new_tx.push(100 + i).is_ok());
        }
        drop(replace(&mut tx, &mut rx, (new_tx, new_rx)));
        assert_eq!((tx.size(), rx.size(), tx.free()), (4, 4, 0));
        // Else it would be in the place of the first one.
        assert_eq!(tx.push(4), Err(4));
        for i in 0..4 {
            assert_eq!(rx.pop(), Some(i));
        }
        assert_eq!(rx.pop(), None);
        Ok(())
    }

    #[test]
    fn ends_of_two_rings_are_not_replaced() -> Result {
        let (mut tx, _other) = channel::<u32>(4)?;
        let (_tx, mut rx) = channel::<u32>(4)?;
        assert!(tx.push(1).is_ok());
        let (new, _) = replace(&mut tx, &mut rx, channel(8)?);
        assert_eq!((new.size(), tx.size(), tx.free()), (8, 4, 3));
        assert!(rx.pop().is_none());
        Ok(())
    }

    #[test]
    fn what_is_left_is_dropped_once() -> Result {
        let item = Arc::new((), GFP_KERNEL_ACCOUNT)?;
        let (mut tx, mut rx) = channel::<Arc<()>>(4)?;
        for _ in 0..3 {
            assert!(tx.push(item.clone()).is_ok());
        }
        drop(rx.pop());
        drop((tx, rx));
        // The only reference is ours again.
        assert!(Arc::into_unique_or_drop(item).is_some());
        Ok(())
    }
}
