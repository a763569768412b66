// SPDX-License-Identifier: GPL-2.0

//! Settings of the link: `ethtool DEVICE`, `ethtool -s`.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::Device, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_link_ksettings(
        dev: *mut bindings::net_device,
        settings: *mut bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: As in `get_sset_count`; ethtool passes a zeroed structure of its own.
        let (dev, base) = unsafe { (Device::<T>::from_raw(dev), &mut (*settings).base) };
        base.speed = T::speed(dev);
        base.duplex = bindings::DUPLEX_FULL as u8;
        base.autoneg = bindings::AUTONEG_DISABLE as u8;
        base.port = bindings::PORT_OTHER as u8;
        0
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn set_link_ksettings(
        dev: *mut bindings::net_device,
        settings: *const bindings::ethtool_link_ksettings,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `get_link_ksettings`.
            let (dev, base) = unsafe { (Device::<T>::from_raw(dev), &(*settings).base) };
            if u32::from(base.duplex) != bindings::DUPLEX_FULL
                || u32::from(base.autoneg) != bindings::AUTONEG_DISABLE
                || u32::from(base.port) != bindings::PORT_OTHER
            {
                return Err(EINVAL);
            }
            T::set_speed(dev, base.speed)?;
            Ok(0)
        })
    }
}
