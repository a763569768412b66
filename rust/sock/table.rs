// SPDX-License-Identifier: GPL-2.0

//! A hash table of sockets that packet handlers search under RCU.

mod chains;
#[cfg(CONFIG_KUNIT)]
mod tests;

pub use self::chains::chains_for_memory;

use self::chains::{
    of_bind_node,
    of_node,
    Chains, //
};
use super::{
    Family,
    LiveSocket,
    Socket, //
};
use crate::{
    bindings,
    rcu::ReadSide, //
};
use core::{
    marker::PhantomData,
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

/// A hash table of the sockets of one family.
///
/// A socket is found by its *place*: a hash of all that a packet tells, say namespace, interface
/// and port. Which sockets may not be in the table together is often a matter of less than that: a
/// port on all interfaces is not free if it is taken on one of them. So there is a second hash, of
/// the *group*: sockets that exclude each other have the same.
///
/// # Invariants
///
/// The chains hold live sockets of `F` only. Those of `places` link them by their `sk_node`; they
/// are changed under `lock` and read under RCU, and a socket that leaves its chain is freed after a
/// grace period. Those of `groups` link them by their `sk_bind_node` and are used under `lock`
/// only. A socket in one of `groups` is in one of `places`, which has the reference.
#[pin_data(PinnedDrop)]
pub struct SockTable<F: Family> {
    #[pin]
    lock: SpinLock<()>,
    places: Chains,
    groups: Chains,
    _family: PhantomData<fn() -> F>,
}

// SAFETY: The chains have a lock for writers, and readers are protected by RCU.
unsafe impl<F: Family> Send for SockTable<F> {}
// SAFETY: As above.
unsafe impl<F: Family> Sync for SockTable<F> {}

impl<F: Family> SockTable<F> {
    /// Makes an empty table of `chains` chains for places, and as many for groups.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the number is not a power of two, `ENOMEM`.
    pub fn new(chains: usize) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let mut places = Chains::new(chains)?;
            let groups = Chains::new(chains).inspect_err(|_| {
                // SAFETY: They are new.
                unsafe { places.free() }
            })?;
            // INVARIANT: All chains are empty.
            Ok(try_pin_init!(Self {
                lock <- new_spinlock!((), "knet_sock_table"),
                places,
                groups,
                _family: PhantomData,
            }? Error))
        })
    }

    /// Returns the first socket in the chain of `place` for which `matches` is true.
    #[inline(always)]
    pub fn lookup<'a>(
        &self,
        place: u32,
        _guard: &'a impl ReadSide,
        mut matches: impl FnMut(&'a Socket<F>) -> bool,
    ) -> Option<&'a Socket<F>> {
        // SAFETY: The chain holds live sockets, which RCU keeps until the guard goes. The pointers
        // are read once each; the dependency orders what is read through them, as
        // `rcu_dereference` does.
        unsafe {
            let mut node = (&raw const (*self.places.of(place)).first).read_volatile();
            while !node.is_null() {
                let sk = of_node(node);
                if matches(sk) {
                    return Some(sk);
                }
                node = (&raw const (*node).next).read_volatile();
            }
        }
        None
    }

    /// Marks `sk` as one of this table. The caller holds the lock.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is in a table already.
    fn claim(&self, sk: &LiveSocket<F>) -> Result {
        let this: *const Self = self;
        // INVARIANT: Under the lock of the table that it goes into; the callers undo it if it does
        // not.
        sk.table
            .cmpxchg(ptr::null_mut(), this.cast_mut().cast(), Full)
            .map(|_| ())
            .map_err(|_| EINVAL)
    }

    /// Whether `sk` is in this table. The caller holds the lock.
    fn has(&self, sk: &LiveSocket<F>) -> bool {
        let this: *const Self = self;
        sk.table.load(Relaxed).cast_const() == this.cast()
    }

    /// Whether `matches` is true for a socket in the chain of `group`. The caller holds the lock.
    fn in_group(&self, group: u32, mut matches: impl FnMut(&Socket<F>) -> bool) -> bool {
        // SAFETY: The chain holds live sockets, and does not change under the lock.
        unsafe {
            let mut node = (*self.groups.of(group)).first;
            while !node.is_null() {
                if matches(of_bind_node(node)) {
                    return true;
                }
                node = (*node).next;
            }
        }
        false
    }

    /// Puts `sk` into the chain of `place`, unless `conflicts` is true for a socket of the `group`
    /// (or of one with which that shares a chain).
    ///
    /// `commit` is called before others can find the socket. Context: process.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if there is such a socket, `EINVAL` if `sk` is in a table already.
    ///
    /// C: [`sk_add_node_rcu`](srctree/include/net/sock.h), `sk_add_bind_node`
    pub fn insert(
        &self,
        place: u32,
        group: u32,
        sk: &LiveSocket<F>,
        conflicts: impl FnMut(&Socket<F>) -> bool,
        commit: impl FnOnce(),
    ) -> Result {
        let _lock = self.lock.lock();
        self.claim(sk)?;
        if self.in_group(group, conflicts) {
            sk.table.store(ptr::null_mut(), Relaxed);
            return Err(EADDRINUSE);
        }
        commit();
        // INVARIANT: A live socket of `F`, under the lock; the chain of the place holds a reference
        // to it.
        // SAFETY: It is in no chain.
        unsafe {
            bindings::sk_add_bind_node(sk.as_ptr(), self.groups.of(group));
            bindings::sk_add_node_rcu(sk.as_ptr(), self.places.of(place));
        }
        Ok(())
    }

    /// Puts `sk`, which belongs to no group, into the chain of `place`. Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is in a table already.
    ///
    /// C: [`sk_add_node_rcu`](srctree/include/net/sock.h)
    pub fn add(&self, place: u32, sk: &LiveSocket<F>) -> Result {
        let _lock = self.lock.lock();
        self.claim(sk)?;
        // INVARIANT: As in `insert`.
        // SAFETY: It is in no chain.
        unsafe { bindings::sk_add_node_rcu(sk.as_ptr(), self.places.of(place)) };
        Ok(())
    }

    /// Moves `sk`, if it is in the table, to the chain of another place; it stays in its group.
    ///
    /// Somebody who walks the chain meanwhile may miss sockets of it, as with UDP. Context:
    /// process.
    ///
    /// C: [`udp_lib_rehash`](srctree/net/ipv4/udp.c)
    pub fn rehash(&self, place: u32, sk: &LiveSocket<F>) {
        let _lock = self.lock.lock();
        if !self.has(sk) {
            return;
        }
        // INVARIANT: As in `insert`.
        // SAFETY: The socket is in one of our chains; the caller's reference is not the chain's.
        // Somebody who stands on it goes on in the other chain, which ends as well.
        unsafe {
            bindings::sk_del_node_init_rcu(sk.as_ptr());
            bindings::sk_add_node_rcu(sk.as_ptr(), self.places.of(place));
        }
    }

    /// Takes `sk` out of the table, if it is in there. A reader may still see it until a grace
    /// period has passed. Context: process.
    ///
    /// C: [`sk_del_node_init_rcu`](srctree/include/net/sock.h)
    pub fn remove(&self, sk: &LiveSocket<F>) {
        let _lock = self.lock.lock();
        if !self.has(sk) {
            return;
        }
        // INVARIANT: Under the lock; sockets are freed by RCU.
        // SAFETY: The socket is in one of our chains; the caller's reference is not the chain's.
        unsafe {
            bindings::sk_del_bind_node_init(sk.as_ptr());
            bindings::sk_del_node_init_rcu(sk.as_ptr());
        }
        sk.table.store(ptr::null_mut(), Relaxed);
    }

    /// Calls `f` for each socket in the table, under RCU. One that comes, goes or moves meanwhile
    /// may be left out, or come twice.
    ///
    /// Context: process. Between the chains others may run, however large the table is.
    pub fn for_each(&self, mut f: impl FnMut(&Socket<F>)) {
        // Chains between two offers to let others run, so that empty ones cost little.
        const STRIDE: u32 = 256;

        for place in 0..self.places.count() {
            if !self.places.is_empty(place) {
                let guard = rcu::read_lock();
                let _ = self.lookup(place, &guard, |sk| {
                    f(sk);
                    false
                });
            } else if place % STRIDE != 0 {
                continue;
            }
            // SAFETY: An FFI call without requirements other than the context; our guard is gone.
            unsafe { bindings::cond_resched() };
        }
    }
}

#[pinned_drop]
impl<F: Family> PinnedDrop for SockTable<F> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `lock` is left alone.
        let this = unsafe { self.get_unchecked_mut() };
        // Sockets that are still in there point to the chains, so then the memory has to stay.
        for chains in [&mut this.places, &mut this.groups] {
            // SAFETY: Nobody uses the table any more, and this is the end of it.
            unsafe { chains.free() };
        }
    }
}
