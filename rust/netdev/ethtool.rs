// SPDX-License-Identifier: GPL-2.0

//! ethtool: what a user asks of a driver and sets.
//!
//! A driver implements [`Operations`]; what it leaves out is not supported, as ethtool says.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

mod channels;
mod coalesce;
mod mac_stats;
mod priv_flags;
mod rings;
mod settings;
mod stats;

pub use self::{
    channels::Channels,
    coalesce::{
        Coalesce,
        Moderation, //
    },
    mac_stats::EthMacStats,
    rings::Rings, //
};

use super::{
    link::ExtAck,
    Device, //
};
use crate::{
    bindings,
    rtnl::Rtnl, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    error::VTABLE_DEFAULT_ERROR,
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
#[vtable]
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

    /// Adds up the standard statistics of the MAC. Context: process, RTNL held.
    fn eth_mac_stats(_dev: &Device<Self>, _stats: &mut EthMacStats<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The speed in Mb/s, or [`SPEED_UNKNOWN`].
    fn speed(dev: &Device<Self>) -> u32;

    /// Sets the speed in Mb/s, or [`SPEED_UNKNOWN`] for no limit.
    fn set_speed(dev: &Device<Self>, speed: u32) -> Result;

    /// The sizes of the rings: `ethtool -g`.
    fn rings(_dev: &Device<Self>) -> Rings {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The largest sizes of rings. Sizes above them never come to [`set_rings`](Self::set_rings).
    fn max_rings(_dev: &Device<Self>) -> Rings {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the sizes of the rings: `ethtool -G`. An error means that nothing has changed.
    fn set_rings(_dev: &Device<Self>, _rings: Rings, _extack: &mut ExtAck<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The channels in use: `ethtool -l`.
    fn channels(_dev: &Device<Self>) -> Channels {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The channels that there can be, at most as many as the device has queues. Numbers above
    /// them, and 0, never come to [`set_channels`](Self::set_channels).
    fn max_channels(_dev: &Device<Self>) -> Channels {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes how many channels are in use: `ethtool -L`. An error means that nothing has changed.
    fn set_channels(_dev: &Device<Self>, _channels: Channels, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Names of the driver's own flags, at most 32. The first one is bit 0.
    const PRIV_FLAGS: &'static [&'static CStr] = &[];

    /// The driver's own flags, a bit for each of [`PRIV_FLAGS`](Self::PRIV_FLAGS):
    /// `get_priv_flags`.
    fn priv_flags(_dev: &Device<Self>) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets them: `set_priv_flags`. Bits that have no name are 0.
    fn set_priv_flags(_dev: &Device<Self>, _flags: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// When interrupts are raised: `get_coalesce`.
    fn coalesce(_dev: &Device<Self>) -> Coalesce {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets when interrupts are raised: `set_coalesce`. What the user left out is as
    /// [`coalesce`](Self::coalesce) says.
    fn set_coalesce(_dev: &Device<Self>, _coalesce: Coalesce, _extack: &mut ExtAck<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

pub(super) struct Adapter<T: Operations>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    pub(super) const OPS: &'static bindings::ethtool_ops = &Self::ops();

    const fn ops() -> bindings::ethtool_ops {
        const {
            assert!(
                T::HAS_COALESCE || !T::HAS_SET_COALESCE,
                "what can be set can be asked for"
            )
        };
        // SAFETY: Zeroes are valid for all fields.
        let mut ops: bindings::ethtool_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.get_drvinfo = Some(Self::get_drvinfo);
        ops.get_link = Some(bindings::ethtool_op_get_link);
        ops.get_ts_info = Some(bindings::ethtool_op_get_ts_info);
        ops.get_strings = Some(Self::get_strings);
        ops.get_sset_count = Some(Self::get_sset_count);
        ops.get_ethtool_stats = Some(Self::get_ethtool_stats);
        if T::HAS_ETH_MAC_STATS {
            ops.get_eth_mac_stats = Some(Self::get_eth_mac_stats);
        }
        ops.get_link_ksettings = Some(Self::get_link_ksettings);
        ops.set_link_ksettings = Some(Self::set_link_ksettings);
        if T::HAS_RINGS {
            ops.get_ringparam = Some(Self::get_ringparam);
        }
        if T::HAS_SET_RINGS {
            ops.set_ringparam = Some(Self::set_ringparam);
        }
        if T::HAS_CHANNELS {
            ops.get_channels = Some(Self::get_channels);
        }
        if T::HAS_SET_CHANNELS {
            ops.set_channels = Some(Self::set_channels);
        }
        if T::HAS_PRIV_FLAGS {
            ops.get_priv_flags = Some(Self::get_priv_flags);
        }
        if T::HAS_SET_PRIV_FLAGS {
            ops.set_priv_flags = Some(Self::set_priv_flags);
        }
        if T::HAS_COALESCE {
            ops.supported_coalesce_params = coalesce::SUPPORTED;
            ops.get_coalesce = Some(Self::get_coalesce);
        }
        if T::HAS_SET_COALESCE {
            ops.set_coalesce = Some(Self::set_coalesce);
        }
        ops
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
}
