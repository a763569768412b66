// SPDX-License-Identifier: GPL-2.0

//! Channels, the queues in use: `ethtool -l`, `ethtool -L`.

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

/// Channels of a device: `struct ethtool_channels`. None is for both directions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// Receive queues.
    pub rx: usize,
    /// Transmit queues.
    pub tx: usize,
}

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) {
        // SAFETY: As in `get_sset_count`; ethtool passes a zeroed structure of its own.
        let (dev, channels) = unsafe { (Device::<T>::from_raw(dev), &mut *channels) };
        let (now, max) = (T::channels(dev), T::max_channels(dev));
        channels.rx_count = now.rx as u32;
        channels.tx_count = now.tx as u32;
        channels.max_rx = max.rx as u32;
        channels.max_tx = max.tx as u32;
    }

    /// # Safety
    ///
    /// As `get_drvinfo`, with RTNL held.
    pub(super) unsafe extern "C" fn set_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As in `get_channels`; RTNL is held until this returns.
            let (dev, channels, rtnl) =
                unsafe { (Device::<T>::from_raw(dev), &*channels, Rtnl::held()) };
            let channels = Channels {
                rx: channels.rx_count as usize,
                tx: channels.tx_count as usize,
            };
            T::set_channels(dev, channels, rtnl)?;
            Ok(0)
        })
    }
}
