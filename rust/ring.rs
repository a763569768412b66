// SPDX-License-Identifier: GPL-2.0

//! A ring for one producer and one consumer, without locks.
//!
//! The two ends are two values, and what changes an end takes `&mut`: that there is one producer
//! and one consumer at a time is checked by the compiler. A transmit function gets its end from
//! [`TxQueue`](crate::netdev::TxQueue), a poll function from [`Poll`](crate::netdev::Poll).

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
};

/// Keeps the indices, each written by another CPU, in cache lines of their own.
#[repr(align(64))]
struct CacheAligned<T>(T);

/// # Invariants
///
/// * `slots.len()` is a power of two.
/// * `0 <= tail - head <= slots.len()`, modulo 2^32.
/// * The slots from `head` to `tail`, modulo the length, are initialised and belong to the
///   consumer; the others belong to the producer.
/// * Only the producer changes `tail`, only the consumer changes `head`.
struct Ring<T> {
    slots: KVec<UnsafeCell<MaybeUninit<T>>>,
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
        let mask = self.slots.len() - 1;
        // SAFETY: The length is a power of two, so the masked index is below it.
        unsafe { self.slots.get_unchecked(index as usize & mask).get() }
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        // The order of the two loads does not matter to the two ends: each owns one of the
        // indices, and the other one can only move in its favour.
        self.tail
            .0
            .load(Acquire)
            .wrapping_sub(self.head.0.load(Acquire))
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let tail = self.tail.0.load(Relaxed);
        let mut head = self.head.0.load(Relaxed);
        while head != tail {
            // SAFETY: By the invariants the slot is initialised, and nobody else is left.
            unsafe { (*self.slot(head)).assume_init_drop() };
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts things into a ring.
pub struct Producer<T>(Arc<Ring<T>>);

/// The end that takes things out of a ring.
pub struct Consumer<T>(Arc<Ring<T>>);

/// Makes a ring of `capacity` entries.
///
/// # Errors
///
/// `EINVAL` if `capacity` is not a power of two, `ENOMEM`.
pub fn channel<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>)> {
    if !capacity.is_power_of_two() || u32::try_from(capacity).is_err() {
        return Err(EINVAL);
    }
    let mut slots = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..capacity {
        slots.push(UnsafeCell::new(MaybeUninit::uninit()), GFP_KERNEL_ACCOUNT)?;
    }
    // INVARIANT: The length is a power of two, and no slot is between `head` and `tail`.
    let ring = Arc::new(
        Ring {
            slots,
            head: CacheAligned(Atomic::new(0)),
            tail: CacheAligned(Atomic::new(0)),
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    Ok((Producer(ring.clone()), Consumer(ring)))
}

impl<T> Producer<T> {
    /// Returns the next free entry, or `None` if the ring is full.
    #[inline(always)]
    pub fn reserve(&mut self) -> Option<Slot<'_, T>> {
        let ring = &*self.0;
        let tail = ring.tail.0.load(Relaxed);
        if tail.wrapping_sub(ring.head.0.load(Acquire)) as usize >= ring.slots.len() {
            return None;
        }
        // INVARIANT: The slot is not between `head` and `tail`, so it is the producer's; there is
        // one producer, and it is borrowed by `&mut`.
        Some(Slot { ring, tail })
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

    /// Free entries; more may become free at any time.
    #[inline(always)]
    pub fn free(&self) -> u32 {
        self.0.slots.len() as u32 - self.0.len()
    }
}

/// A free entry of a ring.
///
/// # Invariants
///
/// The entry at `tail` is the producer's.
pub struct Slot<'a, T> {
    ring: &'a Ring<T>,
    tail: u32,
}

impl<T> Slot<'_, T> {
    /// Fills the entry and hands it to the consumer.
    #[inline(always)]
    pub fn put(self, value: T) {
        // SAFETY: The entry is the producer's by the type invariant.
        unsafe { (*self.ring.slot(self.tail)).write(value) };
        // INVARIANT: The slot is initialised; the release hands it to the consumer.
        self.ring.tail.0.store(self.tail.wrapping_add(1), Release);
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest entry.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        let ring = &*self.0;
        let head = ring.head.0.load(Relaxed);
        if head == ring.tail.0.load(Acquire) {
            return None;
        }
        // SAFETY: The slot is between `head` and `tail`, so it is initialised and the consumer's;
        // there is one consumer, and we hold it by `&mut`.
        let value = unsafe { (*ring.slot(head)).assume_init_read() };
        // INVARIANT: The value was moved out; the release hands the slot to the producer.
        ring.head.0.store(head.wrapping_add(1), Release);
        Some(value)
    }

    /// Looks at the oldest entry.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<&T> {
        let ring = &*self.0;
        let head = ring.head.0.load(Relaxed);
        if head == ring.tail.0.load(Acquire) {
            return None;
        }
        // SAFETY: As in `pop`, and the borrow of `self` keeps the entry in the ring.
        Some(unsafe { (*ring.slot(head)).assume_init_ref() })
    }

    /// Whether there is nothing to take now.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Free entries, as [`Producer::free`]; fewer may be free at any time.
    #[inline(always)]
    pub fn free(&self) -> u32 {
        self.0.slots.len() as u32 - self.0.len()
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
                assert_eq!(rx.pop(), Some(round * 4 + i));
            }
            assert!(rx.is_empty());
        }
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
