// SPDX-License-Identifier: GPL-2.0

//! The standard statistics of an Ethernet MAC: `ethtool -S DEVICE --groups eth-mac`.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::{
        stats::statistics,
        Device, //
    },
};

statistics! {
    /// `struct ethtool_eth_mac_stats`, to be filled. What nothing is added to is not shown. The
    /// numbers are those of the attributes of IEEE 802.3, 30.3.1.1.
    EthMacStats(ethtool_eth_mac_stats__bindgen_ty_1__bindgen_ty_1) {
        /// Adds frames that were sent.
        frames_transmitted_ok: FramesTransmittedOK,
        /// Adds frames that were received.
        frames_received_ok: FramesReceivedOK,
        /// Adds bytes of payload that were sent: without the header.
        octets_transmitted_ok: OctetsTransmittedOK,
        /// Adds bytes of payload that were received: without the header.
        octets_received_ok: OctetsReceivedOK,
        /// Adds frames that came and were lost inside of the device.
        frames_lost_due_to_int_mac_rcv_error: FramesLostDueToIntMACRcvError,
        /// Adds frames that were longer than is allowed.
        frame_too_long_errors: FrameTooLongErrors,
    }
}

impl<T: Operations> Adapter<T> {
    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_eth_mac_stats(
        dev: *mut bindings::net_device,
        stats: *mut bindings::ethtool_eth_mac_stats,
    ) {
        // SAFETY: A registered device was initialised; ethtool passes a structure of its own. The
        // union only gives the group of fields a second name.
        let (dev, stats) = unsafe {
            (
                Device::<T>::from_raw(dev),
                &mut (*stats).__bindgen_anon_1.__bindgen_anon_1,
            )
        };
        T::eth_mac_stats(dev, &mut EthMacStats(stats));
    }
}
