// SPDX-License-Identifier: GPL-2.0

//! The claim of a receive buffer: `sock_rfree`.
//!
//! It holds no reference, so the socket has to outlive it. Here the borrow of the socket says so:
//! the claim ends with [`RcvCharged`], or the packet goes into the receive queue, which is purged
//! before the socket is freed.

use super::super::{
    SharedSkBuff, //
    SkBuff,
    Skb,
    State,
};
use crate::{
    bindings,
    sock::{
        Family,
        LiveSock,
        Socket, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A packet that is charged to the receive buffer of a socket, and a borrow of that socket.
///
/// Dropped, the claim ends, and the packet is dropped as a [`SkBuff`] is: implicitly, which is
/// counted. End it with [`queue`](Self::queue) or [`orphan`](Self::orphan).
///
/// # Invariants
///
/// The destructor of the packet is `sock_rfree` and its `sk` is `sk`.
#[must_use]
pub struct RcvCharged<'sk, F: Family, S: State> {
    skb: ManuallyDrop<SkBuff<S>>,
    sk: &'sk Socket<F>,
}

impl<S: State> SkBuff<S> {
    /// Charges the packet to the receive buffer of `sk`.
    ///
    /// A claim that was on it is released first. No limit is looked at: compare
    /// [`rmem_alloc`](crate::sock::Sock::rmem_alloc) with [`rcvbuf`](crate::sock::Sock::rcvbuf)
    /// before. The protocols of knet's families do no memory accounting (`memory_allocated` is
    /// null), so `sk_rmem_schedule` would always agree, and no lock is needed. Datagrams are
    /// simpler with [`Socket::queue_rcv_skb`], which does all of it.
    ///
    /// Context: any but hard interrupt.
    ///
    /// C: [`skb_set_owner_r`](srctree/include/net/sock.h)
    #[inline]
    pub fn set_owner_r<F: Family>(mut self, sk: &Socket<F>) -> RcvCharged<'_, F, S> {
        self.orphan();
        // SAFETY: The packet has no claim. Its truesize is added below, and nobody else sees the
        // packet before.
        unsafe { self.install(sk.as_ptr(), bindings::sock_rfree) };
        // SAFETY: The socket is valid while it is borrowed; C only uses atomic operations there.
        let rmem =
            unsafe { Atomic::from_ptr(&raw mut (*sk.as_ptr()).sk_backlog.rmem_alloc.counter) };
        rmem.add(self.truesize() as i32, Relaxed);
        // INVARIANT: Both were just set.
        RcvCharged {
            skb: ManuallyDrop::new(self),
            sk,
        }
    }
}

impl<'sk, F: Family, S: State> RcvCharged<'sk, F, S> {
    /// The socket that is charged.
    #[inline]
    pub fn sk(&self) -> &'sk Socket<F> {
        self.sk
    }

    #[inline]
    fn into_inner(self) -> SkBuff<S> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not touched again.
        unsafe { ManuallyDrop::take(&mut this.skb) }
    }

    /// Ends the claim and returns the packet.
    #[inline]
    pub fn orphan(self) -> SkBuff<S> {
        let mut skb = self.into_inner();
        skb.orphan();
        skb
    }

    /// Puts the packet at the end of the receive queue and wakes readers. The claim goes with it,
    /// until a reader takes it out or the socket is freed.
    ///
    /// This is the second half of [`Socket::queue_rcv_skb`]; neither the size of the buffer nor a
    /// socket filter is looked at.
    ///
    /// Context: any but hard interrupt.
    ///
    /// C: [`__sock_queue_rcv_skb`](srctree/net/core/sock.c)
    pub fn queue(self) {
        let sk = self.sk.as_ptr();
        let skb = self.into_inner().into_raw();
        // SAFETY: The socket is valid while it is borrowed; its queue has the reference from now on
        // and is purged before the memory of the socket goes, see `sock::vtable`.
        unsafe { bindings::sock_queue_charged_skb(sk, skb.as_ptr()) };
    }
}

impl<F: Family, S: State> Deref for RcvCharged<'_, F, S> {
    type Target = Skb;

    #[inline(always)]
    fn deref(&self) -> &Skb {
        &self.skb
    }
}

impl<F: Family, S: State> Drop for RcvCharged<'_, F, S> {
    fn drop(&mut self) {
        // At once: with interrupts disabled the packet itself is freed later, and then the socket
        // may be gone.
        self.skb.orphan();
        // SAFETY: It is not touched again.
        unsafe { ManuallyDrop::drop(&mut self.skb) };
    }
}

/// A packet out of the receive queue of a socket, or one that is still there and was only looked
/// at. It is charged to the receive buffer, so it does not outlive the borrow of the socket.
///
/// # Invariants
///
/// One reference to the packet belongs to this value. The socket that it is charged to lives as
/// long as `'sk`.
pub struct ReceivedSkb<'sk> {
    skb: SharedSkBuff,
    _sk: PhantomData<&'sk LiveSock>,
}

impl<'sk> ReceivedSkb<'sk> {
    /// # Safety
    ///
    /// If a receive charge is on the packet it is one of `sk`.
    #[inline]
    pub(crate) unsafe fn new(skb: SharedSkBuff, _sk: &'sk LiveSock) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            skb,
            _sk: PhantomData,
        }
    }

    /// Gives the reference back; the last one frees the packet and ends the claim.
    ///
    /// Context: process.
    ///
    /// C: [`skb_free_datagram`](srctree/net/core/datagram.c)
    #[inline]
    pub fn consume(self) {
        self.skb.consume();
    }
}

impl Deref for ReceivedSkb<'_> {
    type Target = Skb;

    #[inline(always)]
    fn deref(&self) -> &Skb {
        &self.skb
    }
}
