// SPDX-License-Identifier: GPL-2.0

//! NAPI: polling for packets in softirq.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`Documentation/networking/napi.rst`](srctree/Documentation/networking/napi.rst)

mod context;

pub use self::context::{
    PollContext,
    PollResult, //
};

use super::{
    Device,
    NetDevice,
    Operations, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    pin::Pin,
    ptr, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    },
    types::Opaque, //
};

/// What is polled: the data of one NAPI instance.
pub trait Poll: Sized + Send {
    /// The private data of the devices that have such instances.
    type Port: Operations;

    /// Handles packets until the budget is used up or there are none.
    ///
    /// `&mut` because an instance is polled by one CPU at a time. Context: softirq, or a thread
    /// with BH disabled; RCU read-locked.
    fn poll(&mut self, ctx: PollContext<'_, Self::Port>) -> PollResult;
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
    pub fn enable(&self, dev: &Device<P::Port>, index: u16) -> Result {
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
        *guard = Some(ARef::from(&**dev));
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
        // SAFETY: The core lets one CPU at a time poll an instance; `enable` was given a device of
        // this kind.
        let ctx = unsafe { PollContext::new(&this.core, budget) };
        let (work, until) = P::poll(data, ctx).into_parts();
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
