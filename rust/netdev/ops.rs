// SPDX-License-Identifier: GPL-2.0

//! What the core asks of a driver: `struct net_device_ops`.

use super::{
    Device,
    LinkStats,
    TxQueue, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        SharedSkBuff,
        SkBuff, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*, //
};

/// What became of a packet that was to be transmitted: `netdev_tx_t`.
#[must_use]
pub enum Xmit {
    /// The driver has it, or has dropped it: `NETDEV_TX_OK`.
    Taken,
    /// There was no room, and the packet is given back as it came: `NETDEV_TX_BUSY`. The stack
    /// tries again. A driver that stops its queue in time never needs this.
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
}

/// What is in the private area of a device.
///
/// # Invariants
///
/// `queues.len()` is the number of transmit queues of the device. A queue's entry is borrowed only
/// while the lock of that queue is held.
pub(crate) struct Private<T: Operations> {
    pub(super) data: T,
    /// Lanes that the driver keeps receive statistics for.
    pub(super) rx_lanes: usize,
    pub(super) queues: KVec<UnsafeCell<T::TxQueue>>,
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
        let mut cells = KVec::with_capacity(queues.len(), GFP_KERNEL)?;
        for queue in queues {
            cells.push(UnsafeCell::new(queue), GFP_KERNEL)?;
        }
        // INVARIANT: The number was checked, and nobody has borrowed an entry.
        Ok(Self {
            data,
            rx_lanes,
            queues: cells,
        })
    }
}

pub(super) struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
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
        from_result(|| T::open(dev).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_stop` of a device of `T`.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: As in `open`.
        T::stop(unsafe { Device::<T>::from_raw(dev) });
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
        let skb = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        match Self::transmit(dev, skb) {
            Xmit::Taken => bindings::netdev_tx_NETDEV_TX_OK,
            Xmit::Busy(skb) => {
                // The reference goes back to the core.
                let _ = skb.into_raw();
                bindings::netdev_tx_NETDEV_TX_BUSY
            }
        }
    }

    #[inline(always)]
    fn transmit(dev: &Device<T>, skb: SkBuff<Cloned>) -> Xmit {
        let index = skb.queue_mapping();
        let Some(queue) = dev.private().queues.get(usize::from(index)) else {
            // The core picks queues that exist; one that does not would be out of bounds.
            skb.drop_any_with(DropReason::NOT_SPECIFIED);
            return Xmit::Taken;
        };
        // SAFETY: The core holds the lock of this queue (the device is not `lltx`), and the entry
        // is borrowed nowhere else.
        let data = unsafe { &mut *queue.get() };
        // SAFETY: The queue exists, and its lock is held.
        let queue = unsafe { TxQueue::new(dev, index, data) };
        T::start_xmit(dev, queue, skb)
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
            None => original.drop_any_with(DropReason::NOMEM),
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
