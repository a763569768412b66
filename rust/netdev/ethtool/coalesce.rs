// SPDX-License-Identifier: GPL-2.0

//! Coalescing of interrupts: `ethtool -c`, `ethtool -C`.

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

/// When an interrupt is raised after a packet has been sent or received.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Moderation {
    /// So many microseconds after the first one: `tx-usecs`, `rx-usecs`.
    pub usecs: u32,
    /// When there are so many: `tx-frames`, `rx-frames`.
    pub frames: u32,
}

/// The two directions of `struct ethtool_coalesce`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Coalesce {
    /// Packets that were received.
    pub rx: Moderation,
    /// Packets that were sent.
    pub tx: Moderation,
}

/// What a driver with these callbacks supports: `supported_coalesce_params`.
pub(super) const SUPPORTED: u32 =
    bindings::ETHTOOL_COALESCE_USECS_VALUE | bindings::ETHTOOL_COALESCE_MAX_FRAMES_VALUE;

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: As in `get_sset_count`; ethtool passes a zeroed structure of its own.
        let (dev, coalesce) = unsafe { (Device::<T>::from_raw(dev), &mut *coalesce) };
        let Coalesce { rx, tx } = T::coalesce(dev);
        coalesce.rx_coalesce_usecs = rx.usecs;
        coalesce.rx_max_coalesced_frames = rx.frames;
        coalesce.tx_coalesce_usecs = tx.usecs;
        coalesce.tx_max_coalesced_frames = tx.frames;
        0
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn set_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel: *mut bindings::kernel_ethtool_coalesce,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: As in `get_coalesce`; the message place is valid or null.
        let (dev, coalesce, mut extack) = unsafe {
            (
                Device::<T>::from_raw(dev),
                &*coalesce,
                ExtAck::from_raw(extack),
            )
        };
        let coalesce = Coalesce {
            rx: Moderation {
                usecs: coalesce.rx_coalesce_usecs,
                frames: coalesce.rx_max_coalesced_frames,
            },
            tx: Moderation {
                usecs: coalesce.tx_coalesce_usecs,
                frames: coalesce.tx_max_coalesced_frames,
            },
        };
        from_result(|| T::set_coalesce(dev, coalesce, &mut extack).map(|()| 0))
    }
}
