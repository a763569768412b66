// SPDX-License-Identifier: GPL-2.0

//! What the receiving device makes of a packet on its way from one device to another: whether it
//! takes it at all, and what its features say of checksums and VLAN tags.

use super::VlanProto;
use crate::{
    bindings,
    netdev::{
        features,
        NetDevice, //
    },
    skb::{
        Cloned,
        DropReason,
        EthHdr,
        SkBuff, //
        State,
    },
};
use core::ptr::NonNull;
use kernel::prelude::*;

/// The feature of a device that takes tags of this kind off the packets that it receives.
#[inline]
fn strips(proto: VlanProto) -> u64 {
    match proto {
        VlanProto::Ctag => features::HW_VLAN_CTAG_RX,
        VlanProto::Stag => features::HW_VLAN_STAG_RX,
    }
}

impl<S: State> SkBuff<S> {
    /// Sees to it that `to` can receive the packet, or tells why it cannot. What is not sure to be
    /// right is no longer taken for it, and a tag that `to` does not take off is in the data.
    ///
    /// C: [`____dev_forward_skb`](srctree/include/linux/netdevice.h)
    #[inline(always)]
    pub(super) fn prepare_receive(&mut self, to: &NetDevice) -> Result<(), DropReason> {
        // The header is read where it is: a packet of a tunnel may have nothing linear, and a short
        // one has no header.
        if self.may_pull(size_of::<EthHdr>()).is_err() {
            return Err(if self.len() < size_of::<EthHdr>() {
                DropReason::PKT_TOO_SMALL
            } else {
                DropReason::NOMEM
            });
        }
        self.check_forward()?;
        if self.orphan_frags(GFP_ATOMIC).is_err() {
            return Err(DropReason::NOMEM);
        }
        if !to.is_up() {
            return Err(DropReason::DEV_READY);
        }
        // What is to be cut was sent by one that could have cut it. A tag does not count.
        let longest = to.mtu() + to.hard_header_len() + bindings::VLAN_HLEN as usize;
        if self.len() > longest && !self.is_gso() {
            return Err(DropReason::PKT_TOO_BIG);
        }
        let features = to.features();
        if features & features::RXCSUM == 0 {
            self.distrust_csum()?;
        }
        match self.vlan_tag() {
            Some(tag) if features & strips(tag.proto) == 0 => self.vlan_into_data(),
            _ => Ok(()),
        }
    }

    /// Has the stack check the checksum itself, and fills it in before if that is still to be done.
    ///
    /// A packet that is to be cut has no checksums yet that could be checked; it remains as it is.
    #[cold]
    fn distrust_csum(&mut self) -> Result<(), DropReason> {
        self.headers_mut().set_csum_valid(0);
        match self.checksum_help() {
            Err(ENOMEM) => Err(DropReason::NOMEM),
            Err(_) => Ok(()),
            Ok(()) => {
                self.set_csum_none();
                Ok(())
            }
        }
    }

    /// Moves the tag beside the packet into the data, which starts with an Ethernet header.
    #[cold]
    fn vlan_into_data(&mut self) -> Result<(), DropReason> {
        if let Some(tag) = self.vlan_tag() {
            // C looks for the metadata of an XDP program in front of it, and moves both.
            self.reset_mac_header();
            // SAFETY: The packet is ours alone; C makes its headers private before it moves them.
            let error = unsafe {
                bindings::__vlan_insert_tag(self.as_ptr(), (tag.proto as u16).to_be(), tag.tci)
            };
            if error != 0 {
                return Err(DropReason::NOMEM);
            }
            self.vlan_hwaccel_clear_tag();
        }
        Ok(())
    }
}

impl SkBuff<Cloned> {
    /// Takes a tag out of the data if `to` does that and none is beside the packet.
    ///
    /// # Safety
    ///
    /// The packet was received by `to`: its data starts behind an Ethernet header, its protocol is
    /// set.
    #[inline(always)]
    pub(super) unsafe fn vlan_out_of_data(self, to: &NetDevice) -> Result<Self, DropReason> {
        match VlanProto::from_ethertype(self.protocol()) {
            Some(proto) if to.features() & strips(proto) != 0 && self.vlan_tag().is_none() => {
                // SAFETY: By the requirements of this function.
                unsafe { self.vlan_untag() }
            }
            _ => Ok(self),
        }
    }

    /// # Safety
    ///
    /// As [`vlan_out_of_data`](Self::vlan_out_of_data).
    #[cold]
    unsafe fn vlan_untag(mut self) -> Result<Self, DropReason> {
        // C frees what is too short without a reason. The stack looks at it again.
        if self.may_pull(bindings::VLAN_HLEN as usize + 2).is_err() {
            return Ok(self);
        }
        let skb: Self = match self.unclone(GFP_ATOMIC) {
            Ok(skb) => skb.into(),
            Err(failed) => return Ok(failed.skb),
        };
        // SAFETY: The packet is ours alone, its headers are where the caller says. C frees it when
        // it returns null, for want of what was just seen to.
        let skb = unsafe { bindings::skb_vlan_untag(skb.into_raw().as_ptr()) };
        // SAFETY: Else it gives the packet back.
        let skb = NonNull::new(skb).map(|skb| unsafe { Self::from_raw(skb) });
        skb.ok_or(DropReason::NOMEM)
    }
}
