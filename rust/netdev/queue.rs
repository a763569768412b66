// SPDX-License-Identifier: GPL-2.0

//! Transmit queues: stop, wake and byte queue limits.
//!
//! C headers: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h),
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! The order of a transmit function is that of
//! [`Documentation/networking/driver.rst`](srctree/Documentation/networking/driver.rst): time stamp
//! ([`TxState::tx_timestamp`]), [`TxState::sent`], put the packet into the ring,
//! [`TxState::maybe_stop`], and ring the doorbell if [`TxState::doorbell`] says so. The order of a
//! completion is: take packets out of the ring, then [`Completion::completed_wake`] once.

use super::{
    Device,
    NetDevice,
    Operations, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        SkBuff, //
    },
};
use core::cell::UnsafeCell;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        AtomicFlag,
        Release, //
    }, //
};

/// What there is for a transmit queue beside what the core keeps.
///
/// # Invariants
///
/// `data` is borrowed only while the lock of the queue is held. While `completing` is set there is
/// one [`Completion`] of the queue, else none.
pub(super) struct Entry<Q> {
    pub(super) data: UnsafeCell<Q>,
    completing: AtomicFlag,
}

impl<Q> Entry<Q> {
    pub(super) fn new(data: Q) -> Self {
        // INVARIANT: Nobody has borrowed the data, and there is no `Completion`.
        Self {
            data: UnsafeCell::new(data),
            completing: AtomicFlag::new(false),
        }
    }
}

/// Returns transmit queue `index` of `dev`: `netdev_get_tx_queue`.
///
/// # Safety
///
/// The queue exists.
#[inline(always)]
pub(super) unsafe fn raw(dev: &NetDevice, index: u16) -> *mut bindings::netdev_queue {
    // SAFETY: The array has as many entries as the device has queues, and the caller has checked
    // the index.
    unsafe { (*dev.as_ptr())._tx.add(usize::from(index)) }
}

/// Whether the driver has stopped a queue: `netif_tx_queue_stopped`.
///
/// # Safety
///
/// The queue is valid.
#[inline(always)]
unsafe fn stopped(txq: *const bindings::netdev_queue) -> bool {
    // SAFETY: By the requirements of this function; read once, as test_bit does.
    let state = unsafe { (&raw const (*txq).state).read_volatile() };
    state & (1 << bindings::netdev_queue_state_t___QUEUE_STATE_DRV_XOFF) != 0
}

/// Lets the stack use a queue again if it was stopped, and returns whether it was.
///
/// # Safety
///
/// The queue is valid.
#[inline(always)]
unsafe fn wake_if_stopped(txq: *mut bindings::netdev_queue) -> bool {
    // SAFETY: By the requirements of this function.
    unsafe {
        let stopped = stopped(txq);
        if stopped {
            bindings::netif_tx_wake_queue(txq);
        }
        stopped
    }
}

/// A transmit queue while its lock is held, and what the driver keeps for it.
///
/// It exists only for the time of a transmit function, or of
/// [`Device::with_tx_queue`](super::Device::with_tx_queue).
pub struct TxQueue<'a, Q> {
    /// What the core knows of the queue.
    pub state: TxState<'a>,
    /// What the driver keeps for the queue.
    pub data: &'a mut Q,
}

impl<'a, Q> TxQueue<'a, Q> {
    /// # Safety
    ///
    /// The queue exists, and its lock is held for `'a`.
    #[inline(always)]
    pub(super) unsafe fn new(dev: &'a NetDevice, index: u16, data: &'a mut Q) -> Self {
        // INVARIANT: That is what the caller promises.
        let state = TxState {
            // SAFETY: By the requirements of this function.
            txq: unsafe { raw(dev, index) },
            more: false,
            dev,
        };
        Self { state, data }
    }
}

/// The state of a transmit queue: stopped or not, and its byte queue limits.
///
/// # Invariants
///
/// The pointer is to a queue of a device that is valid for `'a`, and this CPU holds its lock.
pub struct TxState<'a> {
    txq: *mut bindings::netdev_queue,
    /// Another packet of the same batch follows: `netdev_xmit_more`.
    more: bool,
    dev: &'a NetDevice,
}

impl TxState<'_> {
    /// Takes the transmit time stamp that the sender of the packet may have asked for.
    ///
    /// It has to be taken before the packet can be completed and before it is orphaned, because
    /// the stamp goes to the owner: a clone of the packet, on its error queue. A packet whose claim
    /// does not keep a whole socket gets none.
    ///
    /// C: [`skb_tx_timestamp`](srctree/include/linux/skbuff.h)
    #[inline(always)]
    pub fn tx_timestamp(&self, skb: &mut SkBuff<Cloned>) {
        skb.tx_timestamp(self.dev);
    }

    /// Accounts `bytes` to the byte queue limits.
    ///
    /// Call it before the consumer can see the packet: bytes that were not accounted cannot be
    /// completed.
    ///
    /// C: [`__netdev_tx_sent_queue`](srctree/include/linux/netdevice.h)
    #[inline(always)]
    pub fn sent(&mut self, bytes: u32) {
        // SAFETY: The queue is valid, and its lock is held, by the type invariant.
        self.more = unsafe { bindings::netdev_tx_sent_queue_more(self.txq, bytes) };
    }

    /// Stops the queue if fewer than `stop` entries are free, and starts it again at once if
    /// `start` have become free meanwhile. Returns whether the queue was stopped.
    ///
    /// `free` reads the ring afresh each time. Publish the packet before.
    ///
    /// C: [`netif_txq_maybe_stop`](srctree/include/net/netdev_queues.h)
    #[inline(always)]
    pub fn maybe_stop(&mut self, free: impl Fn() -> u32, stop: u32, start: u32) -> bool {
        if free() >= stop {
            return false;
        }
        // SAFETY: The queue is valid by the type invariant. The barrier behind it pairs with the
        // one in `Completion::completed_wake`: either we see the entries that it freed, or it sees
        // that the queue is stopped.
        unsafe { bindings::netif_tx_stop_queue_mb(self.txq) };
        if free() >= start {
            // SAFETY: The queue is valid by the type invariant.
            unsafe { bindings::netif_tx_start_queue(self.txq) };
            return false;
        }
        true
    }

    /// Lets the stack use the queue again if it was stopped, and returns whether it was.
    ///
    /// C: [`netif_tx_wake_queue`](srctree/include/linux/netdevice.h)
    pub fn wake(&mut self) -> bool {
        // SAFETY: The queue is valid by the type invariant.
        unsafe { wake_if_stopped(self.txq) }
    }

    /// Whether the device has to be told now: no further packet of the batch follows, or the queue
    /// was stopped. Call it last, also when the packet was dropped after [`sent`](Self::sent).
    #[inline(always)]
    pub fn doorbell(&self) -> bool {
        // SAFETY: The queue is valid by the type invariant.
        !self.more || unsafe { stopped(self.txq) }
    }
}

/// The completion side of a transmit queue.
///
/// There is one of them at a time for a queue, for whatever two completed at the same time would
/// be counted twice: C [stops the machine](srctree/lib/dynamic_queue_limits.c) (`BUG_ON`) if by
/// that more is completed than was sent. Make it in the poll function of the one instance that
/// completes the queue, or while nothing polls.
///
/// # Invariants
///
/// The pointer is to a queue of a device that is valid for `'a`, and `completing` is the flag of
/// that queue, which is set.
pub struct Completion<'a> {
    txq: *mut bindings::netdev_queue,
    completing: &'a AtomicFlag,
}

impl<'a> Completion<'a> {
    /// Returns the completion side of queue `index`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such queue; `EBUSY` if somebody else has its completion side, which
    /// is a mistake of the driver.
    #[inline(always)]
    pub fn new<T: Operations>(dev: &'a Device<T>, index: u16) -> Result<Self> {
        let entry = dev.private().queues.get(usize::from(index)).ok_or(EINVAL)?;
        // What the one before has completed is seen from here on.
        if entry.completing.xchg(true, Acquire) {
            return Err(EBUSY);
        }
        // INVARIANT: The flag of the queue was just set by us.
        Ok(Self {
            // SAFETY: There is an entry for each queue, so the queue exists.
            txq: unsafe { raw(dev, index) },
            completing: &entry.completing,
        })
    }

    #[cfg(CONFIG_KUNIT)]
    pub(super) fn as_ptr(&self) -> *mut bindings::netdev_queue {
        self.txq
    }

    /// Reports `packets` of `bytes` as completed and wakes the queue if it was stopped and at least
    /// `start` entries are free. Returns whether it was woken.
    ///
    /// A round without packets never wakes. Take the packets out of the ring before.
    ///
    /// C: [`__netif_txq_completed_wake`](srctree/include/net/netdev_queues.h)
    #[inline(always)]
    pub fn completed_wake(
        &mut self,
        packets: u32,
        bytes: u32,
        free: impl FnOnce() -> u32,
        start: u32,
    ) -> bool {
        if packets == 0 {
            return false;
        }
        // SAFETY: The queue is valid by the type invariant. It ends in a full barrier, which pairs
        // with the one in `TxState::maybe_stop`.
        unsafe { bindings::netdev_tx_completed_queue_mb(self.txq, packets, bytes) };
        if free() < start {
            return false;
        }
        // SAFETY: The queue is valid by the type invariant.
        unsafe { wake_if_stopped(self.txq) }
    }

    /// Says that the queue is in order although nothing was completed: the device takes its time.
    /// Without this, a queue that is stopped for longer than the core expects, five seconds, is
    /// taken for [stuck](super::Operations::tx_timeout).
    ///
    /// C: [`txq_trans_cond_update`](srctree/include/linux/netdevice.h)
    pub fn trans_update(&mut self) {
        // SAFETY: The queue is valid by the type invariant.
        unsafe { bindings::txq_trans_cond_update(self.txq) };
    }

    /// Forgets what was accounted to the byte queue limits, after the ring was emptied and while
    /// nobody transmits, and lets the queue run. Returns whether it was stopped.
    ///
    /// C: [`netdev_tx_reset_queue`](srctree/include/linux/netdevice.h), `netif_tx_wake_queue`
    pub fn reset(&mut self) -> bool {
        // SAFETY: The queue is valid by the type invariant.
        unsafe {
            bindings::netdev_tx_reset_queue(self.txq);
            wake_if_stopped(self.txq)
        }
    }
}

impl Drop for Completion<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // INVARIANT: There is no `Completion` any more.
        self.completing.store(false, Release);
    }
}
