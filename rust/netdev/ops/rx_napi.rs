// SPDX-License-Identifier: GPL-2.0

//! Which NAPI instance polls which receive queue: what `queue-get` of the generic netlink family
//! `netdev` shows.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::Device, //
};
use core::ptr;
use kernel::prelude::*;

impl<T: Operations> Adapter<T> {
    /// Tells the core which NAPI instance polls which receive queue.
    ///
    /// # Safety
    ///
    /// RTNL is held, and `dev` is borrowed for as long as its private data is there: so is what the
    /// driver borrows from that, and hands out here.
    pub(in crate::netdev) unsafe fn map_queues(dev: &Device<T>) {
        if T::HAS_RX_NAPI {
            for queue in 0..dev.num_rx_queues() {
                let napi = T::rx_napi(dev, queue).map_or(ptr::null_mut(), |napi| napi.as_ptr());
                // SAFETY: The queue exists, RTNL is held; the instance is there until the private
                // data goes, which is after `stop`, and has a device.
                unsafe { Self::set_napi(dev, queue, napi) };
            }
        }
    }

    /// Has the core forget them.
    ///
    /// # Safety
    ///
    /// RTNL is held.
    pub(super) unsafe fn unmap_queues(dev: &Device<T>) {
        if T::HAS_RX_NAPI {
            for queue in 0..dev.num_rx_queues() {
                // SAFETY: The queue exists, and RTNL is held.
                unsafe { Self::set_napi(dev, queue, ptr::null_mut()) };
            }
        }
    }

    /// # Safety
    ///
    /// RTNL is held, the queue exists, and `napi` is null or stays until the next call.
    unsafe fn set_napi(dev: &Device<T>, queue: usize, napi: *mut bindings::napi_struct) {
        // SAFETY: By the requirements of this function.
        unsafe {
            bindings::netif_queue_set_napi(
                dev.as_ptr(),
                queue as c_uint,
                bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_RX,
                napi,
            )
        };
    }
}
