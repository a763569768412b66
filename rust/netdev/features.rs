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
/// Segmentation of packets in tunnels: `NETIF_F_GSO_ENCAP_ALL`.
pub const GSO_ENCAP_ALL: u64 = bindings::NETIF_F_GSO_ENCAP_ALL_VALUE;
/// A VLAN tag beside the packet (802.1Q) is put into it.
pub const HW_VLAN_CTAG_TX: u64 = 1 << bindings::NETIF_F_HW_VLAN_CTAG_TX_BIT;
/// A VLAN tag (802.1Q) of a received packet is taken out of it and put beside it.
pub const HW_VLAN_CTAG_RX: u64 = 1 << bindings::NETIF_F_HW_VLAN_CTAG_RX_BIT;
/// As `HW_VLAN_CTAG_TX`, for 802.1ad.
pub const HW_VLAN_STAG_TX: u64 = 1 << bindings::NETIF_F_HW_VLAN_STAG_TX_BIT;
/// As `HW_VLAN_CTAG_RX`, for 802.1ad.
pub const HW_VLAN_STAG_RX: u64 = 1 << bindings::NETIF_F_HW_VLAN_STAG_RX_BIT;

/// What has to do with VLAN tags. A VLAN device on top does not have it from the device below.
pub const VLAN: u64 = HW_VLAN_CTAG_TX | HW_VLAN_CTAG_RX | HW_VLAN_STAG_TX | HW_VLAN_STAG_RX;
