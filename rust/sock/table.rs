// SPDX-License-Identifier: GPL-2.0

//! A hash table of sockets that packet handlers search under RCU.

use super::{
    Family,
    LiveSocket,
    Socket, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::ManuallyDrop,
    pin::Pin,
    ptr, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Full,
            Relaxed, //
        },
        rcu,
        SpinLock, //
    },
};

/// A hash table of the sockets of one family, chained by their `sk_node`.
///
/// # Invariants
///
/// `buckets.len()` is a power of two. The chains hold live sockets of `F` only; they are changed
/// under `lock` and read under RCU, and a socket that leaves its chain is freed after a grace
/// period.
#[pin_data(PinnedDrop)]
pub struct SockTable<F: Family> {
    #[pin]
    lock: SpinLock<()>,
    buckets: ManuallyDrop<KVec<UnsafeCell<bindings::hlist_head>>>,
    _family: PhantomData<fn() -> F>,
}

// SAFETY: The chains have a lock for writers, and readers are protected by RCU.
unsafe impl<F: Family> Send for SockTable<F> {}
// SAFETY: As above.
unsafe impl<F: Family> Sync for SockTable<F> {}

impl<F: Family> SockTable<F> {
    /// Makes an empty table of `buckets` chains.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the number is not a power of two, `ENOMEM`.
    pub fn new(buckets: usize) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            if !buckets.is_power_of_two() {
                return Err(EINVAL);
            }
            let mut heads = KVec::with_capacity(buckets, GFP_KERNEL)?;
            for _ in 0..buckets {
                let first = ptr::null_mut();
                heads.push(UnsafeCell::new(bindings::hlist_head { first }), GFP_KERNEL)?;
            }
            // INVARIANT: The number was checked, and all chains are empty.
            Ok(try_pin_init!(Self {
                lock <- new_spinlock!((), "knet_sock_table"),
                buckets: ManuallyDrop::new(heads),
                _family: PhantomData,
            }? Error))
        })
    }

    #[inline(always)]
    fn bucket(&self, hash: u32) -> *mut bindings::hlist_head {
        self.buckets[hash as usize & (self.buckets.len() - 1)].get()
    }

    /// Walks a chain.
    #[inline(always)]
    fn find<'a>(
        &self,
        hash: u32,
        _guard: &'a rcu::Guard,
        mut matches: impl FnMut(&'a Socket<F>) -> bool,
    ) -> Option<&'a Socket<F>> {
        // SAFETY: The chain holds live sockets, which RCU keeps until the guard goes. The pointers
        // are read once each; the dependency orders what is read through them, as
        // `rcu_dereference` does.
        unsafe {
            let mut node = (&raw const (*self.bucket(hash)).first).read_volatile();
            while !node.is_null() {
                let sk = Socket::<F>::from_raw(bindings::sk_of_node(node));
                if matches(sk) {
                    return Some(sk);
                }
                node = (&raw const (*node).next).read_volatile();
            }
        }
        None
    }

    /// Returns the first socket in the chain of `hash` for which `matches` is true.
    #[inline]
    pub fn lookup<'a>(
        &self,
        hash: u32,
        guard: &'a rcu::Guard,
        matches: impl FnMut(&'a Socket<F>) -> bool,
    ) -> Option<&'a Socket<F>> {
        self.find(hash, guard, matches)
    }

    /// Puts `sk` into the chain of `hash` unless `conflicts` is true for a socket that is there.
    ///
    /// `commit` is called before others can find the socket. Context: process.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if there is such a socket, `EINVAL` if `sk` is in a table already.
    ///
    /// C: [`sk_add_node_rcu`](srctree/include/net/sock.h)
    pub fn insert(
        &self,
        hash: u32,
        sk: &LiveSocket<F>,
        conflicts: impl FnMut(&Socket<F>) -> bool,
        commit: impl FnOnce(),
    ) -> Result {
        let _lock = self.lock.lock();
        let this: *const Self = self;
        // INVARIANT: Under the lock of the table that it goes into; undone below if it does not.
        if sk
            .table
            .cmpxchg(ptr::null_mut(), this.cast_mut().cast(), Full)
            .is_err()
        {
            return Err(EINVAL);
        }
        let guard = rcu::read_lock();
        if self.find(hash, &guard, conflicts).is_some() {
            sk.table.store(ptr::null_mut(), Relaxed);
            return Err(EADDRINUSE);
        }
        commit();
        // INVARIANT: A live socket of `F`, under the lock; the chain holds a reference to it.
        // SAFETY: It is in no chain.
        unsafe { bindings::sk_add_node_rcu(sk.as_ptr(), self.bucket(hash)) };
        Ok(())
    }

    /// Takes `sk` out of the table, if it is in there. A reader may still see it until a grace
    /// period has passed. Context: process.
    ///
    /// C: [`sk_del_node_init_rcu`](srctree/include/net/sock.h)
    pub fn remove(&self, sk: &LiveSocket<F>) {
        let _lock = self.lock.lock();
        let this: *const Self = self;
        if sk.table.load(Relaxed).cast_const() != this.cast() {
            return;
        }
        // INVARIANT: Under the lock; sockets are freed by RCU.
        // SAFETY: The socket is in one of our chains; the caller's reference is not the chain's.
        unsafe { bindings::sk_del_node_init_rcu(sk.as_ptr()) };
        sk.table.store(ptr::null_mut(), Relaxed);
    }

    /// Calls `f` for each socket in the table, under RCU. One that comes or goes meanwhile may be
    /// left out.
    ///
    /// Context: process. Between the chains others may run, however large the table is.
    pub fn for_each(&self, mut f: impl FnMut(&Socket<F>)) {
        for hash in 0..self.buckets.len() as u32 {
            let guard = rcu::read_lock();
            let _ = self.find(hash, &guard, |sk| {
                f(sk);
                false
            });
            drop(guard);
            // SAFETY: An FFI call without requirements other than the context; our guard is gone.
            unsafe { bindings::cond_resched() };
        }
    }
}

#[pinned_drop]
impl<F: Family> PinnedDrop for SockTable<F> {
    fn drop(self: Pin<&mut Self>) {
        // Sockets that are still in there point to the chains, so then the memory has to stay.
        let empty = self.buckets.iter().all(|head| {
            // SAFETY: Nobody else uses the table any more.
            unsafe { (*head.get()).first }.is_null()
        });
        if empty {
            // SAFETY: `lock` is left alone; this is the end of `buckets`.
            unsafe { ManuallyDrop::drop(&mut self.get_unchecked_mut().buckets) };
        }
    }
}
