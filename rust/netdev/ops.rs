// SPDX-License-Identifier: GPL-2.0

//! What the core asks of a driver: `struct net_device_ops`.

mod control;
mod rx_napi;

use super::{
    queue,
    queue_stats,
    Device,
    LinkStats,
    NapiRef,
    QueueStatsRx,
    QueueStatsTx,
    TxQueue, //
};
use crate::{
    bindings,
    rtnl::Rtnl,
    skb::{
        Cloned,
        DropReason,
        SharedSkBuff,
        SkBuff, //
    },
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    str::CStr, //
};

/// What became of a packet that was to be transmitted: `netdev_tx_t`.
#[must_use]
pub enum Xmit {
    /// The driver has it, or has dropped it: `NETDEV_TX_OK`.
    Taken,
    /// There was no room, and the packet is given back as it came: `NETDEV_TX_BUSY`. The stack
    /// tries again. A driver that stops its queue in time never needs this.
    ///
    /// Another packet than the one that came is dropped; the one that came counts as taken.
    Busy(SkBuff<Cloned>),
}

/// The callbacks of a network device, implemented by its private data.
///
/// The private data is dropped after the device was unregistered and the last reference to it is
/// gone.
#[vtable]
pub trait Operations: Sized + Send + Sync + 'static {
    /// What the driver keeps for one transmit queue.
    type TxQueue: Send;

    /// The interface comes up: `ndo_open`. Context: process, RTNL held.
    fn open(dev: &Device<Self>) -> Result;

    /// The interface goes down: `ndo_stop`. When it returns no packet of this device may be left in
    /// a ring. Context: process, RTNL held.
    fn stop(dev: &Device<Self>);

    /// A packet is to be sent: `ndo_start_xmit`.
    ///
    /// The packet belongs to the driver from here on: it ends in a ring, or it is dropped with a
    /// reason, or it comes back in [`Xmit::Busy`] unmodified. Its data may be shared with a clone.
    ///
    /// Context: BH disabled, RCU read-locked, interrupts perhaps disabled; the lock of the queue is
    /// held, which is why `queue` is exclusive.
    fn start_xmit(
        dev: &Device<Self>,
        queue: TxQueue<'_, Self::TxQueue>,
        skb: SkBuff<Cloned>,
    ) -> Xmit;

    /// Adds up the statistics: `ndo_get_stats64`. Context: any that may sleep or not; no lock.
    fn get_stats64(dev: &Device<Self>, stats: &mut LinkStats<'_>);

    /// Transmit queue `queue` has been stopped for longer than it should: `ndo_tx_timeout`. The
    /// core has said so in the log.
    ///
    /// Without this callback the core does not watch the queues. A device that only takes its time
    /// says so by [`Completion::trans_update`](super::Completion::trans_update).
    ///
    /// Context: softirq; nothing transmits meanwhile.
    fn tx_timeout(_dev: &Device<Self>, _queue: usize) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Adds up the statistics of receive queue `queue`, which is in use:
    /// `netdev_stat_ops::get_queue_stats_rx`. Context: process, RTNL held.
    fn queue_stats_rx(_dev: &Device<Self>, _queue: usize, _stats: &mut QueueStatsRx<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The same of transmit queue `queue`: `netdev_stat_ops::get_queue_stats_tx`.
    fn queue_stats_tx(_dev: &Device<Self>, _queue: usize, _stats: &mut QueueStatsTx<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Adds what queues have counted that are not in use now, and 0 to each statistic that without
    /// them is complete: `netdev_stat_ops::get_base_stats`. Context: process, RTNL held.
    fn base_stats(_dev: &Device<Self>, _rx: &mut QueueStatsRx<'_>, _tx: &mut QueueStatsTx<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The NAPI instance that polls receive queue `queue`, for those who ask which it is:
    /// `netif_queue_set_napi`. Asked when the interface has come up, and when the
    /// [number of queues in use](Device::set_real_num_queues) has changed while it is up. Context:
    /// process, RTNL held.
    fn rx_napi(_dev: &Device<Self>, _queue: usize) -> Option<NapiRef<'_>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes away from `features`, which are [wanted](super::features), those that cannot be on
    /// now, and returns the rest: `ndo_fix_features`. Context: process, RTNL held.
    fn fix_features(_dev: &Device<Self>, _features: u64) -> u64 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The features of the device become `features`: `ndo_set_features`. Context: process.
    fn set_features(_dev: &Device<Self>, _features: u64, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A user says whether there may be a carrier: `ndo_change_carrier`. Context: process, RTNL
    /// held.
    fn change_carrier(_dev: &Device<Self>, _carrier: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The lists of addresses to receive for, or the flags of the interface, have changed:
    /// `ndo_set_rx_mode`. Without it the core refuses further multicast addresses. Context: BH
    /// disabled, the lock of the lists is held.
    fn set_rx_mode(_dev: &Device<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The name of the port on the device that it is a part of: `ndo_get_phys_port_name`. At most
    /// 15 bytes. Context: process, RTNL held.
    fn phys_port_name(_dev: &Device<Self>) -> &'static CStr {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// What is in the private area of a device.
///
/// # Invariants
///
/// `queues.len()` is the number of transmit queues of the device.
pub(crate) struct Private<T: Operations> {
    pub(super) data: T,
    /// Lanes that the driver keeps receive statistics for.
    pub(super) rx_lanes: usize,
    pub(super) queues: KVec<queue::Entry<T::TxQueue>>,
}

impl<T: Operations> Private<T> {
    /// Returns where the private area of `dev` is: `netdev_priv`.
    #[inline(always)]
    pub(super) fn of(dev: *const bindings::net_device) -> *mut Self {
        const {
            assert!(
                align_of::<Self>() <= 64,
                "the private area is aligned to 64 bytes"
            )
        };
        // SAFETY: Every device has a private area, if only of no bytes.
        unsafe { (&raw const (*dev).priv_).cast::<Self>().cast_mut() }
    }

    /// Puts the private data together.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is not one entry for each of `num_tx_queues`, `ENOMEM`.
    pub(super) fn new(
        data: T,
        queues: KVec<T::TxQueue>,
        num_tx_queues: usize,
        rx_lanes: usize,
    ) -> Result<Self> {
        if queues.len() != num_tx_queues {
            return Err(EINVAL);
        }
        let mut entries = KVec::with_capacity(queues.len(), GFP_KERNEL)?;
        for queue in queues {
            entries.push(queue::Entry::new(queue), GFP_KERNEL)?;
        }
        // INVARIANT: The number was checked.
        Ok(Self {
            data,
            rx_lanes,
            queues: entries,
        })
    }
}

pub(super) struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    /// Null if the driver has no statistics of queues.
    pub(super) const STAT_OPS: *const bindings::netdev_stat_ops =
        if T::HAS_QUEUE_STATS_RX || T::HAS_QUEUE_STATS_TX {
            queue_stats::Adapter::<T>::OPS
        } else {
            ptr::null()
        };

    pub(super) const fn ops() -> bindings::net_device_ops {
        // SAFETY: All fields are pointers that may be null.
        let mut ops: bindings::net_device_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.ndo_open = Some(Self::open);
        ops.ndo_stop = Some(Self::stop);
        ops.ndo_start_xmit = Some(Self::start_xmit);
        ops.ndo_get_stats64 = Some(Self::get_stats64);
        if T::HAS_TX_TIMEOUT {
            ops.ndo_tx_timeout = Some(Self::tx_timeout);
        }
        if T::HAS_FIX_FEATURES {
            ops.ndo_fix_features = Some(Self::fix_features);
        }
        if T::HAS_SET_FEATURES {
            ops.ndo_set_features = Some(Self::set_features);
        }
        if T::HAS_CHANGE_CARRIER {
            ops.ndo_change_carrier = Some(Self::change_carrier);
        }
        if T::HAS_SET_RX_MODE {
            ops.ndo_set_rx_mode = Some(Self::set_rx_mode);
        }
        if T::HAS_PHYS_PORT_NAME {
            ops.ndo_get_phys_port_name = Some(Self::get_phys_port_name);
        }
        ops.ndo_validate_addr = Some(bindings::eth_validate_addr);
        ops.ndo_set_mac_address = Some(bindings::eth_mac_addr);
        ops
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_open` of a device of `T`.
    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: A registered device of `T` was initialised, see `link::NewDevice`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        from_result(|| {
            T::open(dev)?;
            // SAFETY: RTNL is held, and the device stays.
            unsafe { Self::map_queues(dev) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_stop` of a device of `T`.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: As in `open`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: RTNL is held.
        unsafe { Self::unmap_queues(dev) };
        T::stop(dev);
        0
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_start_xmit` of a device of `T`.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: As in `open`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: The packet is valid; who has the only reference sees that it stays so.
        if unsafe { (*skb).users.refs.counter } != 1 {
            // SAFETY: As for this function.
            return unsafe { Self::start_xmit_shared(skb, dev) };
        }
        // SAFETY: The core gives the reference away, and it is the only one. It has taken the
        // packet off its list.
        let owned = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        match Self::transmit(dev, owned) {
            Xmit::Taken => bindings::netdev_tx_NETDEV_TX_OK,
            Xmit::Busy(back) if back.as_ptr() == skb => {
                // The reference goes back to the core.
                let _ = back.into_raw();
                bindings::netdev_tx_NETDEV_TX_BUSY
            }
            Xmit::Busy(other) => {
                // The core must not present a packet again that the driver has kept.
                other.drop_any_with(DropReason::NOT_SPECIFIED);
                bindings::netdev_tx_NETDEV_TX_OK
            }
        }
    }

    #[inline(always)]
    fn transmit(dev: &Device<T>, skb: SkBuff<Cloned>) -> Xmit {
        let index = skb.queue_mapping();
        let Some(entry) = dev.private().queues.get(usize::from(index)) else {
            // The core picks queues that exist; one that does not would be out of bounds.
            Self::count_drop(dev);
            skb.drop_any_with(DropReason::NOT_SPECIFIED);
            return Xmit::Taken;
        };
        // SAFETY: The core holds the lock of this queue (the device is not `lltx`), and the entry
        // is borrowed nowhere else.
        let data = unsafe { &mut *entry.data.get() };
        // SAFETY: The queue exists, and its lock is held.
        let queue = unsafe { TxQueue::new(dev, index, data) };
        T::start_xmit(dev, queue, skb)
    }

    /// Counts a packet that the driver has never seen.
    fn count_drop(dev: &Device<T>) {
        // SAFETY: The device is valid.
        unsafe { bindings::dev_core_stats_tx_dropped_inc(dev.as_ptr()) };
    }

    /// Somebody has kept a reference: pktgen does so unless its flag SHARED is off, though the
    /// device says by IFF_TX_SKB_SHARING that it must not be. The driver gets a clone.
    ///
    /// # Safety
    ///
    /// As `start_xmit`.
    #[cold]
    unsafe fn start_xmit_shared(
        skb: *mut bindings::sk_buff,
        dev: &Device<T>,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The packet is valid.
        let clone = unsafe { bindings::skb_clone(skb, bindings::GFP_ATOMIC_VALUE) };
        // SAFETY: One reference to the original is ours; the one to the clone is the only one.
        let (original, clone) = unsafe {
            (
                SharedSkBuff::from_raw(NonNull::new_unchecked(skb)),
                NonNull::new(clone).map(|clone| SkBuff::from_raw(clone)),
            )
        };
        match clone.map(|clone| Self::transmit(dev, clone)) {
            None => {
                Self::count_drop(dev);
                original.drop_any_with(DropReason::NOMEM);
            }
            Some(Xmit::Taken) => original.consume_any(),
            Some(Xmit::Busy(clone)) => {
                clone.consume_any();
                // The reference goes back to the core.
                let _ = original.into_raw();
                return bindings::netdev_tx_NETDEV_TX_BUSY;
            }
        }
        bindings::netdev_tx_NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_get_stats64` of a device of `T`.
    unsafe extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: As in `open`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: The core passes zeroed statistics of its own.
        T::get_stats64(dev, &mut LinkStats(unsafe { &mut *stats }));
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_tx_timeout` of a device of `T`.
    unsafe extern "C" fn tx_timeout(dev: *mut bindings::net_device, queue: c_uint) {
        // SAFETY: As in `open`.
        T::tx_timeout(unsafe { Device::<T>::from_raw(dev) }, queue as usize);
    }
}
