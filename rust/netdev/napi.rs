// SPDX-License-Identifier: GPL-2.0

//! NAPI: polling for packets in softirq.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`Documentation/networking/napi.rst`](srctree/Documentation/networking/napi.rst)

use super::NetDevice;
use crate::{
    bindings,
    rcu::BhDisabled,
    skb::{
        linear_size,
        PageFrag,
        RxSkBuff,
        SkBuff, //
    }, //
};
use core::{
    cell::UnsafeCell,
    pin::Pin,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::AllocError,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// What is polled: the data of one NAPI instance.
pub trait Poll: Sized + Send {
    /// Handles packets until the budget is used up or there are none.
    ///
    /// `&mut` because an instance is polled by one CPU at a time. Context: softirq, or a thread
    /// with BH disabled; RCU read-locked.
    fn poll(&mut self, ctx: PollContext<'_>) -> PollResult;
}

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

/// One round of polling.
///
/// # Invariants
///
/// `napi` is being polled by this CPU, and `0 <= work <= budget`.
pub struct PollContext<'a> {
    napi: &'a NapiCore,
    budget: i32,
    work: i32,
}

impl<'a> PollContext<'a> {
    /// The device that the instance was [enabled](Napi::enable) for.
    ///
    /// It outlives the round: BH is disabled until the poll function has returned, and a device is
    /// not freed before all CPUs have been through RCU.
    #[inline(always)]
    pub fn device(&self) -> &'a NetDevice {
        // SAFETY: `netif_napi_add` has set the device. It has a reference as long as the instance
        // is enabled, and is freed only after a grace period, which this poll holds off.
        unsafe { NetDevice::from_raw((*self.napi.napi.get()).dev) }
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
    /// [`Napi::schedule`].
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
    pub(super) fn as_ptr(&self) -> *mut bindings::napi_struct {
        self.napi.napi.get()
    }
}

/// The part of an instance that does not depend on what is polled.
///
/// # Invariants
///
/// Both are initialised and pinned. Unless the instance is enabled, `NAPI_STATE_SCHED` is set in
/// `napi`, so that scheduling it does nothing.
#[pin_data]
struct NapiCore {
    #[pin]
    napi: Opaque<bindings::napi_struct>,
    #[pin]
    timer: Opaque<bindings::hrtimer>,
}

impl NapiCore {
    #[inline(always)]
    fn schedule(&self) {
        // SAFETY: The instance is initialised by the type invariant; an idle one is taken by one
        // caller only, which then queues it.
        unsafe {
            if bindings::napi_schedule_prep(self.napi.get()) {
                bindings::__napi_schedule(self.napi.get());
            }
        }
    }

    /// Has the instance polled at `when`.
    ///
    /// # Safety
    ///
    /// The instance is being polled by this CPU.
    unsafe fn start_timer(&self, when: i64) {
        // SAFETY: The timer was set up with the instance, and this is a poll, which `disable` waits
        // for before it cancels the timer. Starting it again moves it.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                when,
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_ABS_PINNED,
            )
        };
    }

    /// # Safety
    ///
    /// `timer` is the field of a `NapiCore`.
    unsafe extern "C" fn expired(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        let timer = timer.cast::<Opaque<bindings::hrtimer>>();
        // SAFETY: The timer is cancelled before the instance goes away.
        let core = unsafe { &*kernel::container_of!(timer, Self, timer) };
        core.schedule();
        bindings::hrtimer_restart_HRTIMER_NORESTART
    }
}

/// Gives `napi` entry `index` of the configurations of `dev`, if it exists and is free: two
/// instances that share one would have the same identifier.
///
/// # Safety
///
/// Both are valid, the lock of `dev` is held, and `napi` is on no list.
unsafe fn configure(dev: *mut bindings::net_device, napi: *mut bindings::napi_struct, index: u16) {
    // SAFETY: By the requirements of this function; the list is changed only under that lock, and
    // the array of configurations has as many entries as the device says.
    unsafe {
        (*napi).config = ptr::null_mut();
        if u32::from(index) >= (*dev).num_napi_configs {
            return;
        }
        let config = (*dev).napi_config.add(index.into());
        let head = &raw mut (*dev).napi_list;
        let mut entry = (*head).next;
        while entry != head {
            let other = kernel::container_of!(entry, bindings::napi_struct, dev_list);
            if (*other).config == config {
                return;
            }
            entry = (*entry).next;
        }
        (*napi).index = index.into();
        (*napi).config = config;
    }
}

/// A NAPI instance, whatever it polls.
pub struct NapiRef<'a>(&'a NapiCore);

impl NapiRef<'_> {
    /// The pointer that C knows, or null if the instance has never been on the list of a device.
    pub(super) fn as_ptr(&self) -> *mut bindings::napi_struct {
        let napi = self.0.napi.get();
        // SAFETY: The instance is initialised by the type invariant. The device is set when it is
        // put on a list for the first time.
        if unsafe { (&raw const (*napi).dev).read_volatile() }.is_null() {
            return ptr::null_mut();
        }
        napi
    }
}

/// A NAPI instance and the data that it polls.
///
/// # Invariants
///
/// `dev` is `Some` iff the instance is on the list of that device and enabled. `data` is borrowed
/// only by a running poll function, or while the instance is not enabled with the lock of `dev`
/// held.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub struct Napi<P: Poll> {
    #[pin]
    core: NapiCore,
    #[pin]
    dev: Mutex<Option<ARef<NetDevice>>>,
    data: UnsafeCell<P>,
}

// SAFETY: `data` is borrowed by one at a time, see the invariants, and may move between threads.
unsafe impl<P: Poll> Send for Napi<P> {}
// SAFETY: As above; the rest is made for any context.
unsafe impl<P: Poll> Sync for Napi<P> {}

impl<P: Poll> Napi<P> {
    /// Makes an instance that is not enabled.
    pub fn new(data: P) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            core <- try_pin_init!(NapiCore {
                napi <- Opaque::ffi_init(|napi: *mut bindings::napi_struct| {
                    // SAFETY: The memory is ours, and zeroes are what `netif_napi_add` expects.
                    // INVARIANT: SCHED is set as long as nobody has enabled the instance.
                    unsafe {
                        napi.write_bytes(0, 1);
                        (*napi).state = 1 << bindings::NAPI_STATE_SCHED;
                    }
                }),
                timer <- Opaque::ffi_init(|timer| {
                    // SAFETY: The memory is ours, and stays where it is.
                    unsafe {
                        bindings::hrtimer_setup(
                            timer,
                            Some(NapiCore::expired),
                            bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                            bindings::hrtimer_mode_HRTIMER_MODE_ABS_PINNED,
                        )
                    }
                }),
            }? Error),
            dev <- new_mutex!(None, "knet_napi"),
            data: UnsafeCell::new(data),
        }? Error)
    }

    /// Puts the instance on the list of `dev` and lets it be scheduled: `netif_napi_add_config`,
    /// `napi_enable`.
    ///
    /// What a user sets for instance `index` of the device, its identifier included, is kept while
    /// it is not enabled. That is so for as many instances as the device has queues of either
    /// direction; one that is beyond, or whose place another instance has, starts anew each time.
    ///
    /// Context: process, in `Operations::open`.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is enabled already.
    pub fn enable(&self, dev: &NetDevice, index: u16) -> Result {
        let mut guard = self.dev.lock();
        if guard.is_some() {
            return Err(EBUSY);
        }
        let napi = self.core.napi.get();
        // SAFETY: The instance is on no list by the type invariant, and pinned as all that are made
        // by `new`; the reference to the device is kept until it is off the list again.
        unsafe {
            bindings::netdev_lock(dev.as_ptr());
            configure(dev.as_ptr(), napi, index);
            bindings::netif_napi_add_locked(dev.as_ptr(), napi, Some(Self::poll));
            bindings::netdev_unlock(dev.as_ptr());
            bindings::napi_enable(napi);
        }
        // INVARIANT: It is on the list and enabled.
        *guard = Some(ARef::from(dev));
        Ok(())
    }

    /// Undoes [`enable`](Self::enable): when this returns nothing polls and no timer runs.
    ///
    /// Context: process; sleeps until a running poll has ended. Not from `Poll::poll`.
    pub fn disable(&self) {
        let mut guard = self.dev.lock();
        // INVARIANT: `None` together with the removal below.
        if let Some(dev) = guard.take() {
            let napi = self.core.napi.get();
            // SAFETY: The instance is enabled by the type invariant. Removing it waits for polls
            // that may have been about to start the timer; SCHED stays set, so that does nothing
            // if it expires before it is cancelled.
            unsafe {
                bindings::napi_disable(napi);
                bindings::netif_napi_del(napi);
                bindings::hrtimer_cancel(self.core.timer.get());
            }
            drop(dev);
        }
    }

    #[cfg(CONFIG_KUNIT)]
    pub(super) fn as_ptr(&self) -> *mut bindings::napi_struct {
        self.core.napi.get()
    }

    /// Asks for a poll: `napi_schedule`. While the instance is not enabled nothing happens.
    ///
    /// Context: any; with BH enabled and outside of an interrupt the poll may be late.
    #[inline(always)]
    pub fn schedule(&self) {
        self.core.schedule();
    }

    /// What the core knows of the instance.
    pub fn handle(&self) -> NapiRef<'_> {
        NapiRef(&self.core)
    }

    /// Calls `f` with the data while nothing polls, and polls once afterwards.
    ///
    /// Context: process; sleeps until a running poll has ended.
    pub fn with_stopped<R>(&self, f: impl FnOnce(&mut P) -> R) -> R {
        let guard = self.dev.lock();
        let napi = self.core.napi.get();
        let enabled = guard.is_some();
        if enabled {
            // SAFETY: The instance is enabled by the type invariant.
            unsafe { bindings::napi_disable(napi) };
        }
        // SAFETY: The instance is not enabled now, and the lock is held.
        let result = f(unsafe { &mut *self.data.get() });
        if enabled {
            // SAFETY: It was enabled before and is still on the list.
            unsafe { bindings::napi_enable(napi) };
            // From process context, softirqs have to be let run.
            crate::bh::disabled(|| self.schedule());
        }
        result
    }

    /// # Safety
    ///
    /// Called by the core for an instance that [`enable`](Self::enable) has added.
    unsafe extern "C" fn poll(napi: *mut bindings::napi_struct, budget: c_int) -> c_int {
        // `core` is the first field, and `napi` the first field of `core`.
        let napi = napi.cast::<Opaque<bindings::napi_struct>>();
        // SAFETY: The instance stays as long as it is enabled.
        let core = unsafe { kernel::container_of!(napi, NapiCore, napi) };
        // SAFETY: As above; an added instance is part of a `Napi<P>`.
        let this = unsafe { &*kernel::container_of!(core, Self, core) };
        // SAFETY: The core lets one CPU at a time poll an instance, and only while it is enabled.
        let data = unsafe { &mut *this.data.get() };
        // INVARIANT: This is the poll; no work has been done.
        let ctx = PollContext {
            napi: &this.core,
            budget,
            work: 0,
        };
        let PollResult { work, until, .. } = P::poll(data, ctx);
        // Before polling ends: if it ends late, because interrupts are deferred, the timer must run
        // all the same, and if it expires meanwhile the instance is polled once more.
        if let Some(when) = until {
            // SAFETY: This is the poll.
            unsafe { this.core.start_timer(when) };
        }
        if work < budget {
            // SAFETY: This is the poll, and `data` is not borrowed any more. The instance may be
            // polled by another CPU, or be gone, when this returns.
            unsafe { bindings::napi_complete_done(this.core.napi.get(), work) };
        }
        work
    }
}

#[pinned_drop]
impl<P: Poll> PinnedDrop for Napi<P> {
    fn drop(self: Pin<&mut Self>) {
        self.disable();
    }
}
