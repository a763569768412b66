// SPDX-License-Identifier: GPL-2.0

//! One round of polling: what a poll function can do with the budget it has.

use super::NapiCore;
use crate::{
    bindings,
    netdev::{
        Device,
        Operations, //
    },
    rcu::BhDisabled,
    skb::{
        linear_size,
        PageFrag,
        RxSkBuff,
        SkBuff, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    types::NotThreadSafe, //
};
/// What a poll function has to return, got by ending its [`PollContext`].
///
/// Polling ends when the poll function has returned it, and not before: from then on another CPU
/// may poll the instance, and what is polled is borrowed until then.
///
/// # Invariants
///
/// It is of the round that runs on this CPU, and `0 <= work <= budget` of that round.
#[must_use]
pub struct PollResult {
    work: i32,
    /// When to poll again.
    until: Option<i64>,
    /// The result of another CPU's round has another budget.
    _cpu: NotThreadSafe,
}

impl PollResult {
    /// The work that was done, and when to poll again.
    #[inline(always)]
    pub(super) fn into_parts(self) -> (i32, Option<i64>) {
        (self.work, self.until)
    }
}

/// One round of polling.
///
/// # Invariants
///
/// `napi` is being polled by this CPU, and its device is a `Device<T>`; `0 <= work <= budget`.
pub struct PollContext<'a, T: Operations> {
    napi: &'a NapiCore,
    budget: i32,
    work: i32,
    _port: PhantomData<&'a Device<T>>,
}

impl<'a, T: Operations> PollContext<'a, T> {
    /// # Safety
    ///
    /// `napi` is being polled by this CPU, for a `Device<T>`, and this is the begin of the round.
    #[inline(always)]
    pub(super) unsafe fn new(napi: &'a NapiCore, budget: i32) -> Self {
        // INVARIANT: That is what the caller promises; no work has been done.
        Self {
            napi,
            budget,
            work: 0,
            _port: PhantomData,
        }
    }

    /// The device that the instance was [enabled](super::Napi::enable) for.
    ///
    /// It outlives the round: BH is disabled until the poll function has returned, and a device is
    /// not freed before all CPUs have been through RCU.
    #[inline(always)]
    pub fn device(&self) -> &'a Device<T> {
        // SAFETY: `netif_napi_add` has set the device. It has a reference as long as the instance
        // is enabled, and is freed only after a grace period, which this poll holds off.
        unsafe { Device::from_raw((*self.napi.napi.get()).dev) }
    }

    /// What is read under RCU can be used for the time of the round.
    #[inline(always)]
    pub fn rcu(&self) -> BhDisabled<'a> {
        // SAFETY: BH are disabled until the poll function has returned, and nothing that is `'a`
        // outlives it.
        unsafe { BhDisabled::new() }
    }

    /// Takes a unit of work from `next`, if the budget has one left and `next` has one.
    #[inline(always)]
    pub fn take<R>(&mut self, next: impl FnOnce() -> Option<R>) -> Option<R> {
        if self.work >= self.budget {
            return None;
        }
        let item = next()?;
        // INVARIANT: `work` was less than `budget`.
        self.work += 1;
        Some(item)
    }

    /// Hands a received packet to the stack, merged with others where that goes:
    /// `napi_gro_receive`. The head of a packet that shares its data with a clone is copied before.
    ///
    /// A packet that another device has received goes up alone: `netif_receive_skb`. A claim that
    /// is still on the packet ends here: merging would lose it.
    #[inline(always)]
    pub fn gro_receive(&mut self, mut skb: RxSkBuff<'_>) {
        skb.0.orphan();
        // SAFETY: The instance is being polled by this CPU; the packet passes to C.
        unsafe { bindings::napi_gro_receive(self.napi.napi.get(), skb.0.into_raw().as_ptr()) };
    }

    /// Hands a received packet to the stack: past GRO if nothing would be gained there. No packet
    /// waits in GRO, and either it stands for several already, or, with `more` false, none follows
    /// in this round. Otherwise as [`gro_receive`](Self::gro_receive).
    ///
    /// `more` may be wrong. Then packets are not merged that could be, or time is spent.
    ///
    /// C: [`netif_receive_skb`](srctree/net/core/dev.c)
    #[inline(always)]
    pub fn receive(&mut self, skb: RxSkBuff<'_>, more: bool) {
        if (more && !skb.0.is_gso()) || self.gro_waits() {
            return self.gro_receive(skb);
        }
        let mut skb = skb.0;
        // SAFETY: The instance is being polled by this CPU.
        skb.mark_napi_id(unsafe { (*self.napi.napi.get()).gro.cached_napi_id });
        // SAFETY: The packet passes to C.
        unsafe { bindings::netif_receive_skb(skb.into_raw().as_ptr()) };
    }

    /// Whether packets wait in GRO, or are to wait there for those of later rounds.
    #[inline(always)]
    fn gro_waits(&self) -> bool {
        let napi = self.napi.napi.get();
        // SAFETY: The instance is being polled by this CPU, which has these fields for itself but
        // for the last one; that is read once, as READ_ONCE does.
        unsafe {
            (*napi).gro.bitmask != 0
                || (*napi).gro.rx_count != 0
                || (&raw const (*napi).gro_flush_timeout).read_volatile() != 0
        }
    }

    /// Hands a received packet to the queue of this CPU, or of the one that receive packet steering
    /// chooses, from where the stack takes it as it is: `netif_rx`, the way of devices without
    /// NAPI.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if that queue is full. The packet was dropped (`CPU_BACKLOG`), and the core counts
    /// it as `rx_dropped` of the device.
    ///
    /// C: [`__netif_rx`](srctree/net/core/dev.c)
    #[inline]
    pub fn netif_rx(&mut self, skb: RxSkBuff<'_>) -> Result {
        // SAFETY: BH are disabled in a poll; the packet passes to C.
        match unsafe { bindings::__netif_rx(skb.0.into_raw().as_ptr()) } as u32 {
            bindings::NET_RX_SUCCESS => Ok(()),
            _ => Err(ENOBUFS),
        }
    }

    /// Whether a program polls that does not want to wait for an interrupt: `SO_BUSY_POLL`, or a
    /// NAPI thread that polls all the time.
    #[inline]
    pub fn is_busy_poll(&self) -> bool {
        // SAFETY: The instance is initialised; read once, as test_bit does.
        let state = unsafe { (&raw const (*self.napi.napi.get()).state).read_volatile() };
        state & (1 << bindings::NAPI_STATE_IN_BUSY_POLL) != 0
    }

    /// Allocates a packet with room for `size` bytes that were received, from the caches of this
    /// CPU. Its headroom is that of [`SkBuff::netdev_alloc`].
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no memory, or never for that much.
    ///
    /// C: [`napi_alloc_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn alloc_skb(&mut self, size: usize) -> Result<SkBuff, AllocError> {
        let size = linear_size(0, size).ok_or(AllocError)?;
        // SAFETY: The instance is being polled by this CPU; the size is in range.
        let skb = unsafe { bindings::napi_alloc_skb(self.napi.napi.get(), size) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        let mut skb: SkBuff = unsafe { SkBuff::from_raw(skb) };
        // The packet may outlive the device, and has no reference to it.
        skb.set_dev(None);
        Ok(skb)
    }

    /// As [`PageFrag::alloc`], with less to do.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// C: [`napi_alloc_frag`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn alloc_frag(&mut self, size: usize) -> Result<PageFrag, AllocError> {
        // SAFETY: That function does what is asked for; BH are disabled in a poll.
        unsafe {
            PageFrag::alloc_by(size, |size, mask| {
                bindings::__napi_alloc_frag_align(size, mask)
            })
        }
    }

    /// As [`PageFrag::build_skb`], with the `struct sk_buff` from the cache of this CPU.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// C: [`napi_build_skb`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn build_skb(&mut self, frag: PageFrag) -> Result<SkBuff, (PageFrag, Error)> {
        // SAFETY: That function does what is asked for; BH are disabled in a poll.
        unsafe { frag.build_by(|head, size| bindings::napi_build_skb(head, size)) }
    }

    /// The budget, for [`SkBuff::napi_consume`].
    #[inline]
    pub fn budget(&self) -> i32 {
        self.budget
    }

    /// Ends the round. If the budget was not used up, polling ends until the next
    /// [`Napi::schedule`](super::Napi::schedule).
    ///
    /// What a producer published before it scheduled is never left lying: scheduling an instance
    /// that is being polled makes it poll once more.
    ///
    /// C: [`napi_complete_done`](srctree/net/core/dev.c)
    #[inline(always)]
    pub fn complete_done(self) -> PollResult {
        self.end(None)
    }

    /// Ends the round and polls again at `when`, in nanoseconds of the monotonic clock, or earlier
    /// if something is scheduled. A time before the clock began is one that is over.
    #[inline(always)]
    pub fn complete_until(self, when: i64) -> PollResult {
        self.end(Some(when.max(0)))
    }

    #[inline(always)]
    fn end(self, until: Option<i64>) -> PollResult {
        // INVARIANT: This is the round, and `work` is in range by the type invariant.
        PollResult {
            work: self.work,
            until,
            _cpu: NotThreadSafe,
        }
    }

    #[cfg(CONFIG_KUNIT)]
    pub(in crate::netdev) fn as_ptr(&self) -> *mut bindings::napi_struct {
        self.napi.napi.get()
    }
}
