// SPDX-License-Identifier: GPL-2.0

//! Statistics of single queues: what `qstats-get` of the generic netlink family `netdev` shows.
//!
//! The statistics of a device are those of all its queues together with its base statistics. Only
//! a statistic that [`Operations::base_stats`] has added to, be it 0, is one of the device.
//!
//! C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h),
//! [`Documentation/netlink/specs/netdev.yaml`](srctree/Documentation/netlink/specs/netdev.yaml)

use super::{
    stats::statistics,
    Device,
    Operations, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::prelude::*;

statistics! {
    /// `struct netdev_queue_stats_rx`, to be filled. What nothing is added to is not shown.
    QueueStatsRx(netdev_queue_stats_rx) {
        /// Adds packets that the stack got.
        packets: packets,
        /// Adds bytes that the stack got.
        bytes: bytes,
        /// Adds packets that came and that the stack did not get.
        hw_drops: hw_drops,
    }
}

statistics! {
    /// `struct netdev_queue_stats_tx`, to be filled. What nothing is added to is not shown.
    QueueStatsTx(netdev_queue_stats_tx) {
        /// Adds packets that were sent.
        packets: packets,
        /// Adds bytes that were sent.
        bytes: bytes,
        /// Adds packets that the device took and did not send.
        hw_drops: hw_drops,
        /// Adds how often the queue was stopped because its ring was full.
        stop: stop,
        /// Adds how often it was woken again.
        wake: wake,
    }
}

pub(super) struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    pub(super) const OPS: &'static bindings::netdev_stat_ops = &Self::ops();

    const fn ops() -> bindings::netdev_stat_ops {
        // SAFETY: All fields are pointers that may be null.
        let mut ops: bindings::netdev_stat_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        if T::HAS_QUEUE_STATS_RX {
            ops.get_queue_stats_rx = Some(Self::get_queue_stats_rx);
        }
        if T::HAS_QUEUE_STATS_TX {
            ops.get_queue_stats_tx = Some(Self::get_queue_stats_tx);
        }
        if T::HAS_BASE_STATS {
            ops.get_base_stats = Some(Self::get_base_stats);
        }
        ops
    }

    /// # Safety
    ///
    /// Called by the core for a registered device of `T`, with RTNL held.
    unsafe extern "C" fn get_queue_stats_rx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_rx,
    ) {
        // SAFETY: A registered device was initialised; the core passes statistics of its own.
        let (dev, stats) = unsafe { (Device::<T>::from_raw(dev), &mut *stats) };
        T::queue_stats_rx(dev, queue as usize, &mut QueueStatsRx(stats));
    }

    /// # Safety
    ///
    /// As `get_queue_stats_rx`.
    unsafe extern "C" fn get_queue_stats_tx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: As in `get_queue_stats_rx`.
        let (dev, stats) = unsafe { (Device::<T>::from_raw(dev), &mut *stats) };
        T::queue_stats_tx(dev, queue as usize, &mut QueueStatsTx(stats));
    }

    /// # Safety
    ///
    /// As `get_queue_stats_rx`.
    unsafe extern "C" fn get_base_stats(
        dev: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: As in `get_queue_stats_rx`.
        let (dev, rx, tx) = unsafe { (Device::<T>::from_raw(dev), &mut *rx, &mut *tx) };
        T::base_stats(dev, &mut QueueStatsRx(rx), &mut QueueStatsTx(tx));
    }
}
