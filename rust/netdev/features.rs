// SPDX-License-Identifier: GPL-2.0

//! What a device can do for the stack: `netdev_features_t`.
//!
//! C header: [`include/linux/netdev_features.h`](srctree/include/linux/netdev_features.h)

use crate::bindings;

/// Scatter-gather: packets with paged data.
pub const SG: u64 = 1 << bindings::NETIF_F_SG_BIT;
/// Packets with a fragment list.
pub const FRAGLIST: u64 = 1 << bindings::NETIF_F_FRAGLIST_BIT;
/// Memory of any address.
pub const HIGHDMA: u64 = 1 << bindings::NETIF_F_HIGHDMA_BIT;
/// A checksum anywhere in the packet.
pub const HW_CSUM: u64 = 1 << bindings::NETIF_F_HW_CSUM_BIT;
/// Checksum on receive.
pub const RXCSUM: u64 = 1 << bindings::NETIF_F_RXCSUM_BIT;
/// The checksum of SCTP.
pub const SCTP_CRC: u64 = 1 << bindings::NETIF_F_SCTP_CRC_BIT;
/// All kinds of segmentation that the stack can also do in software: `NETIF_F_GSO_SOFTWARE`.
pub const GSO_SOFTWARE: u64 = bindings::NETIF_F_GSO_SOFTWARE_VALUE;
