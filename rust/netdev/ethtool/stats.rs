// SPDX-License-Identifier: GPL-2.0

//! Statistics of the driver: `ethtool -S`.

use super::{
    Adapter,
    Direction,
    Operations, //
};
use crate::{
    bindings,
    netdev::Device, //
};
use core::slice;
use kernel::{
    prelude::*,
    str::CStr, //
};

impl<T: Operations> Adapter<T> {
    /// Each queue of the device, in the order in which its statistics stand, with their names. It
    /// is the same at each call, so buffers that were made for one call fit the next.
    fn each(dev: &Device<T>) -> impl Iterator<Item = (Direction, usize, &'static [&'static CStr])> {
        let tx = (0..dev.num_tx_queues()).map(|queue| (Direction::Tx, queue, T::TX_STATS));
        let rx = (0..dev.private().rx_lanes).map(|queue| (Direction::Rx, queue, T::RX_STATS));
        // `pin_init` has a `chain` of its own.
        Iterator::chain(tx, rx)
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_sset_count(
        dev: *mut bindings::net_device,
        set: c_int,
    ) -> c_int {
        if set as u32 == bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS {
            return Self::priv_flag_count();
        }
        if set as u32 != bindings::ethtool_stringset_ETH_SS_STATS {
            return EOPNOTSUPP.to_errno();
        }
        // SAFETY: A registered device was initialised.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        Self::each(dev)
            .map(|(_, _, names)| names.len() as c_int)
            .sum()
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_strings(
        dev: *mut bindings::net_device,
        set: u32,
        mut out: *mut u8,
    ) {
        if set == bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS {
            // SAFETY: There is room for as many strings as `get_sset_count` said.
            return unsafe { Self::priv_flag_strings(out) };
        }
        if set != bindings::ethtool_stringset_ETH_SS_STATS {
            return;
        }
        // SAFETY: As in `get_sset_count`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        for (direction, queue, names) in Self::each(dev) {
            let format = match direction {
                Direction::Tx => c"tx_queue_%u_%s",
                Direction::Rx => c"rx_queue_%u_%s",
            };
            for name in names {
                // SAFETY: There is room for as many strings as `get_sset_count` said; the format
                // goes with its arguments.
                unsafe {
                    bindings::ethtool_sprintf(
                        &mut out,
                        format.as_char_ptr(),
                        queue as c_uint,
                        name.as_char_ptr(),
                    )
                };
            }
        }
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_ethtool_stats(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        mut out: *mut u64,
    ) {
        // SAFETY: As in `get_sset_count`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        for (direction, queue, names) in Self::each(dev) {
            let count = names.len();
            // SAFETY: There is room for as many values as `get_sset_count` said, zeroed.
            unsafe {
                T::stats(dev, direction, queue, slice::from_raw_parts_mut(out, count));
                out = out.add(count);
            }
        }
    }
}
