// SPDX-License-Identifier: GPL-2.0

//! Sizes of rings: `ethtool -g`, `ethtool -G`.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::{
        link::ExtAck,
        Device, //
    }, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

/// Entries of the rings of a device: `struct ethtool_ringparam`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rings {
    /// Of each receive ring.
    pub rx: u32,
    /// Of each transmit ring.
    pub tx: u32,
}

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_ringparam(
        dev: *mut bindings::net_device,
        param: *mut bindings::ethtool_ringparam,
        _kernel: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: As in `get_sset_count`; ethtool passes a zeroed structure of its own.
        let (dev, param) = unsafe { (Device::<T>::from_raw(dev), &mut *param) };
        let (now, max) = (T::rings(dev), T::max_rings(dev));
        param.rx_pending = now.rx;
        param.tx_pending = now.tx;
        param.rx_max_pending = max.rx;
        param.tx_max_pending = max.tx;
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn set_ringparam(
        dev: *mut bindings::net_device,
        param: *mut bindings::ethtool_ringparam,
        _kernel: *mut bindings::kernel_ethtool_ringparam,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `get_ringparam`; the message place is valid or null.
            let (dev, param, mut extack) = unsafe {
                (
                    Device::<T>::from_raw(dev),
                    &*param,
                    ExtAck::from_raw(extack),
                )
            };
            let rings = Rings {
                rx: param.rx_pending,
                tx: param.tx_pending,
            };
            T::set_rings(dev, rings, &mut extack)?;
            Ok(0)
        })
    }
}
