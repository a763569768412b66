// SPDX-License-Identifier: GPL-2.0

//! Small queues below a socket: a protocol that keeps what it has to send in a queue of its own,
//! and gives no more than a little of it at a time to qdisc and device, as TCP does.
//!
//! What is below is charged to the send buffer, so [`Sock::wmem_alloc`](super::Sock::wmem_alloc)
//! tells how much it is. A sender that has reached its limit stops, [throttled](Socket::throttle),
//! and the destructor of its packets sees to it that it goes on. It must not send itself, for it
//! may run in a transmit function; it puts the socket into a list, and a tasklet of that CPU calls
//! [`SmallQueues::tsq_write`]. If a program owns the socket just then, its owner does it when it
//! lets go ([`release_cb`]).
//!
//! ```text
//! throttle()       W > limit: THROTTLED is set, then W is read again
//! destructor       gives back T - 1; THROTTLED becomes QUEUED, and the last byte goes
//!                  with the socket into the list of this CPU
//! tasklet          QUEUED is cleared; socket not owned: tsq_write()
//!                                     owned: DEFERRED is set, with a reference
//!                  gives the last byte back
//! release_cb()     DEFERRED is cleared: tsq_write(), and the reference goes
//! ```
//!
//! Each byte and each reference is in one place at a time, so a socket is freed exactly once,
//! whoever is the last.
//!
//! # What is lost below
//!
//! The destructor is called when the packet is freed, but earlier where somebody takes the claim
//! away: a device that orphans in its transmit function, netem, and software segmentation do so,
//! and the limit then holds back less. `skb_expand_head()` in a tunnel puts `sock_wfree` in its
//! place: the bytes come back, but nobody is told. A protocol must not rely on the destructor
//! alone: acknowledgements or a timer have to make it send on, too; or its write-space callback,
//! which `sock_wfree` calls, uses [`kick`].
//!
//! C: [`tcp_wfree`](srctree/net/ipv4/tcp_output.c), `tcp_tsq_workfn`, `tcp_release_cb`

mod cpu;

#[cfg(CONFIG_KUNIT)]
mod tests;

pub(crate) use self::cpu::Queues;

use super::{
    slock::SpinLocked,
    Family,
    LiveSocket,
    Socket, //
};
use crate::{
    bindings,
    refcount::Refcount,
    skb::{
        Destructor,
        WmemRef, //
    }, //
};
use core::{
    marker::PhantomPinned,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// The sender has stopped because enough is below it, and wants to be told.
const THROTTLED: u32 = 1 << 0;
/// The socket is in the list of a CPU.
const QUEUED: u32 = 1 << 1;
/// The owner of the socket has to send on when it lets go of it; there is a reference for that.
const DEFERRED: u32 = 1 << 2;

/// What a socket keeps for its small queue.
///
/// # Invariants
///
/// While `QUEUED` is set the node is in a list, or on its way into or out of one, and a byte of the
/// socket's `sk_wmem_alloc` belongs to it. While `DEFERRED` is set a reference to the socket does.
pub(super) struct Tsq {
    flags: Atomic<u32>,
    node: cpu::Node,
    _pin: PhantomPinned,
}

impl Tsq {
    pub(super) const fn new() -> Self {
        // INVARIANT: No flag is set.
        Self {
            flags: Atomic::new(0),
            node: cpu::Node::new(),
            _pin: PhantomPinned,
        }
    }

    /// Changes the flags to what `f` makes of them, and orders what is before and behind; or
    /// returns false if it makes nothing of them.
    #[inline]
    fn update(&self, f: impl Fn(u32) -> Option<u32>) -> bool {
        let mut old = self.flags.load(Relaxed);
        while let Some(new) = f(old) {
            match self.flags.cmpxchg(old, new, Full) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    /// Sets a flag and returns whether it was not set before.
    #[inline]
    fn set(&self, flag: u32) -> bool {
        self.update(|flags| (flags & flag == 0).then_some(flags | flag))
    }

    /// Clears a flag and returns whether it was set.
    #[inline]
    fn clear(&self, flag: u32) -> bool {
        self.update(|flags| (flags & flag != 0).then_some(flags & !flag))
    }
}

/// A family with small queues.
///
/// Its [`Destructor::wfree`] ends in [`wfree`], its [`Family::release_cb`] calls [`release_cb`].
pub trait SmallQueues: Destructor {
    /// Sends on until there is nothing left or the socket is [throttled](Socket::throttle) again.
    ///
    /// Not called for a socket without any reference: it was closed, and nothing is to be sent.
    ///
    /// Context: softirq, or process with bottom halves disabled; must not sleep.
    fn tsq_write(sk: &SpinLocked<'_, Self>);
}

impl<F: SmallQueues> Socket<F> {
    /// Whether more than `limit` bytes are charged to the send buffer, so that the sender has to
    /// stop. Then [`SmallQueues::tsq_write`] will be called when one of the packets is released.
    ///
    /// Call it before each packet, with the socket locked or owned. Where no packet is below the
    /// socket nobody would call back: `limit` should be at least that of two packets.
    ///
    /// C: [`tcp_small_queue_check`](srctree/net/ipv4/tcp_output.c)
    #[inline]
    pub fn throttle(&self, limit: u32) -> bool {
        if self.wmem_alloc() <= limit {
            return false;
        }
        // Set before W is read again. Whoever gives bytes back reads the flag after that: either we
        // see the bytes, or it sees the flag.
        self.tsq.set(THROTTLED);
        self.wmem_alloc() > limit
    }
}

/// Ends the charge of a packet: sees to it that a throttled socket sends on.
///
/// Context: any but hard interrupt; perhaps with the lock of a transmit queue held.
#[inline]
pub fn wfree<F: SmallQueues>(sk: WmemRef<F>) {
    // Read after the bytes were given back, see `Destructor::wfree`.
    let queue = |flags: u32| {
        (flags & (THROTTLED | QUEUED) == THROTTLED).then_some((flags & !THROTTLED) | QUEUED)
    };
    if !sk.tsq.update(queue) {
        return;
    }
    let tsq = &raw const sk.tsq;
    // INVARIANT: The byte goes with the node.
    let _ = sk.into_raw();
    // SAFETY: The byte keeps the socket. It was not queued, and only who sets the flag queues it.
    // The module of the family uses this one.
    unsafe { cpu::push(tsq, run::<F>) };
}

/// As [`wfree`], for a packet that had `sock_wfree` as its destructor: call it from
/// [`Family::write_space`].
#[inline]
pub fn kick<F: SmallQueues>(sk: &Socket<F>) {
    if let Some(sk) = WmemRef::try_get(sk) {
        wfree(sk);
    }
}

/// Sends on if the socket was queued while it was owned: to be called from [`Family::release_cb`].
pub fn release_cb<F: SmallQueues>(sk: &SpinLocked<'_, F>) {
    if sk.tsq.clear(DEFERRED) {
        F::tsq_write(sk);
        // SAFETY: The reference of the flag is ours now. It is not the last one: who lets go of the
        // socket has another.
        unsafe { bindings::sock_put(sk.as_ptr()) };
    }
}

/// What happens to a socket that comes off a list.
///
/// # Safety
///
/// As [`cpu::Run`]; `tsq` is that of a socket of `F`, with `QUEUED` set.
unsafe fn run<F: SmallQueues>(tsq: *const Tsq) {
    let sk = tsq
        .cast_mut()
        .wrapping_byte_sub(offset_of!(Socket<F>, tsq))
        .cast::<bindings::sock>();
    // SAFETY: The byte that goes with the node is taken over, and the node is out of the list.
    let sk = unsafe { WmemRef::<F>::from_raw(NonNull::new_unchecked(sk)) };
    // INVARIANT: Not queued any more. From here on somebody else may queue it again.
    sk.tsq.clear(QUEUED);
    // A closed socket without references has nothing to send; its memory is ours a little longer.
    if !sk.refcnt().inc_not_zero() {
        return;
    }
    // SAFETY: There is a reference, which was just taken.
    let live = unsafe { LiveSocket::<F>::from_raw(sk.as_ptr()) };
    let send = |locked: &SpinLocked<'_, F>| {
        F::tsq_write(locked);
        false
    };
    // SAFETY: This is a tasklet, or a work item that runs like one, which holds no lock.
    let kept = unsafe { SpinLocked::with(live, send, || sk.tsq.set(DEFERRED)) };
    if !kept {
        // SAFETY: The reference is ours.
        unsafe { bindings::sock_put(sk.as_ptr()) };
    }
}

impl<F: Family> WmemRef<F> {
    /// Takes a byte of the send buffer, unless there is none any more: the socket is being freed.
    #[inline]
    pub fn try_get(sk: &Socket<F>) -> Option<Self> {
        // SAFETY: The socket is valid while it is borrowed.
        let taken =
            unsafe { Refcount::from_raw(&raw mut (*sk.as_ptr()).sk_wmem_alloc).inc_not_zero() };
        // SAFETY: It is a socket of `F`, and the byte was just taken.
        taken.then(|| unsafe { Self::from_raw(NonNull::new_unchecked(sk.as_ptr())) })
    }
}
