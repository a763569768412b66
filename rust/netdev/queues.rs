// SPDX-License-Identifier: GPL-2.0

//! The queues of a device from outside of its data path: how many are in use, and what the driver
//! keeps for one of them.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    ops::Adapter,
    queue,
    Device,
    NetDevice,
    Operations,
    TxQueue, //
};
use crate::{
    bindings,
    rtnl::Rtnl, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Number of CPUs that the system can have: more queues than that are of no use.
pub fn num_possible_cpus() -> usize {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::num_possible_cpus() as usize }
}

impl NetDevice {
    /// Number of transmit queues in use.
    #[inline]
    pub fn real_num_tx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).real_num_tx_queues).read_volatile() as usize }
    }

    /// Number of receive queues in use.
    #[inline]
    pub fn real_num_rx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).real_num_rx_queues).read_volatile() as usize }
    }
}

impl<T: Operations> Device<T> {
    /// Sets how many queues are in use. When this returns no packet is under way to a transmit
    /// queue that is not; what waited in its qdisc was dropped. While the interface is up the
    /// driver is asked again for the [instances](Operations::rx_napi) that poll receive queues.
    ///
    /// Context: process; sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device has not so many, or for none; `ENODEV` if it is being unregistered;
    /// `ENOMEM`. Then nothing has changed. Fewer of both cannot fail otherwise.
    ///
    /// C: [`netif_set_real_num_queues`](srctree/net/core/dev.c)
    pub fn set_real_num_queues(&self, tx: usize, rx: usize, rtnl: &Rtnl) -> Result {
        let (tx, rx) = (u32::try_from(tx)?, u32::try_from(rx)?);
        // What describes the queues in sysfs goes while a device is being unregistered.
        if !self.is_registered(rtnl) {
            return Err(ENODEV);
        }
        // SAFETY: The device is valid by the type invariant and registered, RTNL is held, and it is
        // not one that has a lock of its own for this.
        to_result(unsafe { bindings::netif_set_real_num_queues(self.as_ptr(), tx, rx) })?;
        if self.is_running() {
            // SAFETY: RTNL is held. The device has private data until long after `stop`, and is
            // running: `stop` is still to come.
            unsafe { Adapter::<T>::map_queues(self) };
        }
        Ok(())
    }

    /// Calls `f` with transmit queue `index` while nobody transmits on it: with its lock held and
    /// BH disabled. `f` must not sleep.
    ///
    /// A caller that has the lock of another queue, in a transmit function or in `f`, can wait for
    /// ever: for one that has this lock and waits for the other.
    ///
    /// Context: process, or softirq; interrupts enabled.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such queue; `EDEADLK` if the caller has its lock: in a transmit
    /// function of that queue, or in `f`; `EDEADLK`, too, in an interrupt and with interrupts
    /// disabled, as in a transmit function that netpoll calls.
    ///
    /// C: [`__netif_tx_lock_bh`](srctree/include/linux/netdevice.h)
    pub fn with_tx_queue<R>(
        &self,
        index: u16,
        f: impl FnOnce(TxQueue<'_, T::TxQueue>) -> R,
    ) -> Result<R> {
        let entry = self
            .private()
            .queues
            .get(usize::from(index))
            .ok_or(EINVAL)?;
        // SAFETY: There is an entry for each queue, so the queue exists.
        let txq = unsafe { queue::raw(self, index) };
        // SAFETY: The queue is valid as long as its device.
        if !unsafe { bindings::netif_tx_lock_unless_owned(txq) } {
            return Err(EDEADLK);
        }
        // SAFETY: The lock of the queue is held, so the entry is borrowed nowhere else.
        let result = f(unsafe { TxQueue::new(self, index, &mut *entry.data.get()) });
        // SAFETY: It was taken above.
        unsafe { bindings::netif_tx_unlock_bh(txq) };
        Ok(result)
    }
}
