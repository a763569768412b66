// SPDX-License-Identifier: GPL-2.0

//! ethtool: link settings and statistics of a device.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::Device;
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    slice, //
};
use kernel::{
    error::from_result,
    prelude::*,
    str::CStr, //
};

/// The speed of a link that has no limit: `SPEED_UNKNOWN`.
pub const SPEED_UNKNOWN: u32 = bindings::SPEED_UNKNOWN as u32;

/// Which queues a statistic is kept for.
#[derive(Clone, Copy)]
pub enum Direction {
    /// Transmit queues.
    Tx,
    /// Receive queues.
    Rx,
}

/// What ethtool asks of a driver. Context of all of them: process, RTNL held.
pub trait Operations: super::Operations {
    /// The driver's name in `ethtool -i`.
    const DRIVER: &'static CStr;

    /// Names of the statistics that each transmit queue has. In `ethtool -S` a name gets the prefix
    /// `tx_queue_N_`.
    const TX_STATS: &'static [&'static CStr];

    /// Names of the statistics that each lane into the device has: as many as the device has
    /// [receive lanes](super::link::NewDevice::init). A name gets the prefix `rx_queue_N_`.
    const RX_STATS: &'static [&'static CStr];

    /// Writes the statistics of one queue, in the order of their names.
    fn stats(dev: &Device<Self>, direction: Direction, queue: usize, out: &mut [u64]);

    /// The speed in Mb/s, or [`SPEED_UNKNOWN`].
    fn speed(dev: &Device<Self>) -> u32;

    /// Sets the speed in Mb/s, or [`SPEED_UNKNOWN`] for no limit.
    fn set_speed(dev: &Device<Self>, speed: u32) -> Result;
}

pub(super) struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    pub(super) const OPS: &'static bindings::ethtool_ops = &Self::ops();

    const fn ops() -> bindings::ethtool_ops {
        // SAFETY: Zeroes are valid for all fields.
        let mut ops: bindings::ethtool_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.get_drvinfo = Some(Self::get_drvinfo);
        ops.get_link = Some(bindings::ethtool_op_get_link);
        ops.get_ts_info = Some(bindings::ethtool_op_get_ts_info);
        ops.get_strings = Some(Self::get_strings);
        ops.get_sset_count = Some(Self::get_sset_count);
        ops.get_ethtool_stats = Some(Self::get_ethtool_stats);
        ops.get_link_ksettings = Some(Self::get_link_ksettings);
        ops.set_link_ksettings = Some(Self::set_link_ksettings);
        ops
    }

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
    /// Called by ethtool for a device of `T`, as all that follow.
    unsafe extern "C" fn get_drvinfo(
        _dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: ethtool passes a zeroed structure of its own.
        let info = unsafe { &mut *info };
        for (to, from) in info.driver.iter_mut().zip(T::DRIVER.to_bytes_with_nul()) {
            *to = *from;
        }
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    unsafe extern "C" fn get_sset_count(dev: *mut bindings::net_device, set: c_int) -> c_int {
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
    unsafe extern "C" fn get_strings(dev: *mut bindings::net_device, set: u32, mut out: *mut u8) {
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
    unsafe extern "C" fn get_ethtool_stats(
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

    /// # Safety
    ///
    /// As `get_drvinfo`.
    unsafe extern "C" fn get_link_ksettings(
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
    unsafe extern "C" fn set_link_ksettings(
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
