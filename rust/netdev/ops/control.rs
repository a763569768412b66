// SPDX-License-Identifier: GPL-2.0

//! What a user sets, or wants to know, besides the data path: features, carrier, addresses to
//! receive for, the name of the port.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::Device,
    rtnl::Rtnl, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// Called by the core as `ndo_fix_features` of a device of `T`.
    pub(super) unsafe extern "C" fn fix_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: As in `open`.
        features & T::fix_features(unsafe { Device::<T>::from_raw(dev) }, features)
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_set_features` of a device of `T`.
    pub(super) unsafe extern "C" fn set_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> c_int {
        // SAFETY: As in `open`; RTNL is held.
        let (dev, rtnl) = unsafe { (Device::<T>::from_raw(dev), Rtnl::held()) };
        from_result(|| T::set_features(dev, features, rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_change_carrier` of a device of `T`.
    pub(super) unsafe extern "C" fn change_carrier(
        dev: *mut bindings::net_device,
        new_carrier: bool,
    ) -> c_int {
        // SAFETY: As in `open`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        from_result(|| T::change_carrier(dev, new_carrier).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_set_rx_mode` of a device of `T`.
    pub(super) unsafe extern "C" fn set_rx_mode(dev: *mut bindings::net_device) {
        // SAFETY: As in `open`.
        T::set_rx_mode(unsafe { Device::<T>::from_raw(dev) });
    }

    /// # Safety
    ///
    /// Called by the core as `ndo_get_phys_port_name` of a device of `T`, with a buffer of `len`
    /// bytes.
    pub(super) unsafe extern "C" fn get_phys_port_name(
        dev: *mut bindings::net_device,
        name: *mut c_char,
        len: usize,
    ) -> c_int {
        // SAFETY: As in `open`.
        let own = T::phys_port_name(unsafe { Device::<T>::from_raw(dev) }).to_bytes_with_nul();
        if own.len() > len {
            return EINVAL.to_errno();
        }
        // SAFETY: There is room for the name and its end.
        unsafe {
            name.cast::<u8>()
                .copy_from_nonoverlapping(own.as_ptr(), own.len())
        };
        0
    }
}
