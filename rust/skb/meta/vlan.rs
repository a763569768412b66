// SPDX-License-Identifier: GPL-2.0

//! VLAN tags: beside the packet, where a device adds or has taken them off, and in its data.
//!
//! C header: [`include/linux/if_vlan.h`](srctree/include/linux/if_vlan.h)

use crate::{
    bindings,
    skb::{
        EthHdr,
        Private,
        SkBuff, //
        Skb,
        State,
    }, //
};
use core::mem::MaybeUninit;
use kernel::{
    error::to_result,
    prelude::*, //
};
use zerocopy::byteorder::network_endian::U16;

/// Bytes of a tag in the data.
const VLAN_HLEN: usize = bindings::VLAN_HLEN as usize;

/// Bytes of an Ethernet header with a tag.
const VLAN_ETH_HLEN: usize = bindings::VLAN_ETH_HLEN as usize;

/// The kind of a tag, by its EtherType.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum VlanProto {
    /// A customer's tag: 802.1Q.
    Ctag = bindings::ETH_P_8021Q as u16,
    /// A provider's tag: 802.1ad.
    Stag = bindings::ETH_P_8021AD as u16,
}

impl VlanProto {
    /// Returns the kind if `ethertype`, in host byte order, is that of a tag: `eth_type_vlan`.
    #[inline]
    pub fn from_ethertype(ethertype: u16) -> Option<Self> {
        match u32::from(ethertype) {
            bindings::ETH_P_8021Q => Some(Self::Ctag),
            bindings::ETH_P_8021AD => Some(Self::Stag),
            _ => None,
        }
    }
}

/// A VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// Its kind.
    pub proto: VlanProto,
    /// The control information in host byte order: priority, drop eligible indicator, identifier.
    pub tci: u16,
}

impl VlanTag {
    /// The identifier of the VLAN, 0 for a tag that has a priority only.
    #[inline]
    pub fn vid(&self) -> u16 {
        self.tci & bindings::VLAN_VID_MASK as u16
    }

    /// The priority, 0 to 7.
    #[inline]
    pub fn prio(&self) -> u8 {
        (self.tci >> bindings::VLAN_PRIO_SHIFT) as u8
    }

    /// Whether the packet may be dropped before others.
    #[inline]
    pub fn dei(&self) -> bool {
        self.tci & bindings::VLAN_CFI_MASK as u16 != 0
    }
}

impl Skb {
    /// Whether there is anything at all in the fields of the tag: `skb_vlan_tag_present`.
    #[inline(always)]
    fn vlan_tag_present(&self) -> bool {
        // SAFETY: The members of the union are integers, and together of the same size.
        unsafe { self.headers().__bindgen_anon_2.vlan_all != 0 }
    }

    /// The tag beside the packet, if it has one: `skb_vlan_tag_get`. One in the data is not looked
    /// for: [`protocol`](Self::protocol) tells.
    #[inline]
    pub fn vlan_tag(&self) -> Option<VlanTag> {
        if !self.vlan_tag_present() {
            return None;
        }
        // SAFETY: As above.
        let tag = unsafe { self.headers().__bindgen_anon_2.__bindgen_anon_1 };
        let proto = VlanProto::from_ethertype(u16::from_be(tag.vlan_proto))?;
        Some(VlanTag {
            proto,
            tci: tag.vlan_tci,
        })
    }
}

impl<S: State> SkBuff<S> {
    /// Puts a tag beside the packet, in place of one that is there. The device adds it to the data
    /// or, if it cannot, the core.
    ///
    /// C: [`__vlan_hwaccel_put_tag`](srctree/include/linux/if_vlan.h)
    #[inline]
    pub fn vlan_hwaccel_put_tag(&mut self, tag: VlanTag) {
        // SAFETY: The members of the union are integers.
        let fields = unsafe { &mut self.headers_mut().__bindgen_anon_2.__bindgen_anon_1 };
        fields.vlan_proto = (tag.proto as u16).to_be();
        fields.vlan_tci = tag.tci;
    }

    /// Takes away the tag beside the packet.
    ///
    /// C: [`__vlan_hwaccel_clear_tag`](srctree/include/linux/if_vlan.h)
    #[inline]
    pub fn vlan_hwaccel_clear_tag(&mut self) {
        self.headers_mut().__bindgen_anon_2.vlan_all = 0;
    }
}

impl SkBuff<Private> {
    /// Tags the packet. A tag that is beside it already goes into the data, which may need a larger
    /// buffer.
    ///
    /// The Ethernet header moves, therefore the data has to be ours. Context: any; memory is
    /// allocated with `GFP_ATOMIC`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a tag has to go into the data and that does not start with the link-layer
    /// header, or the network header is not behind that; `ENODATA` if there is no whole Ethernet
    /// header; `ENOMEM`. The packet is tagged as before.
    ///
    /// C: [`skb_vlan_push`](srctree/net/core/skbuff.c)
    pub fn vlan_push(&mut self, tag: VlanTag) -> Result {
        if self.vlan_tag_present() {
            // C moves the network header back together with the data.
            if usize::from(self.headers().network_header) < self.headroom() {
                return Err(EINVAL);
            }
            self.check_mac_header()?;
            self.may_pull(size_of::<EthHdr>())?;
        }
        // SAFETY: The packet is ours alone, and so is its data. If C goes to the data, this starts
        // with an Ethernet header.
        to_result(unsafe {
            bindings::skb_vlan_push(self.as_ptr(), (tag.proto as u16).to_be(), tag.tci)
        })
    }

    /// Takes the outer tag off the packet, wherever it is, and moves one that is behind it in the
    /// data to beside the packet. Without a tag nothing happens.
    ///
    /// The Ethernet header moves, therefore the data has to be ours. Context: any; memory is
    /// allocated with `GFP_ATOMIC`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a tag in the data has to go and that does not start with the link-layer header;
    /// `ENODATA` if the packet ends in the tag or right behind it, or there is no memory. The
    /// packet is tagged as before.
    ///
    /// C: [`skb_vlan_pop`](srctree/net/core/skbuff.c)
    pub fn vlan_pop(&mut self) -> Result {
        if VlanProto::from_ethertype(self.protocol()).is_some() {
            self.check_mac_header()?;
            // C looks at the two bytes behind a tag if they follow a length instead of an
            // EtherType.
            self.may_pull(VLAN_ETH_HLEN + 2)?;
            let mut buffer = MaybeUninit::uninit();
            let inner: Option<&U16> = self.header_pointer(VLAN_ETH_HLEN - 2, &mut buffer);
            let second =
                inner.is_some_and(|proto| VlanProto::from_ethertype(proto.get()).is_some());
            if second && !self.vlan_tag_present() {
                // Both come out of the data.
                self.may_pull(VLAN_ETH_HLEN + VLAN_HLEN + 2)?;
            }
        }
        // SAFETY: The packet is ours alone, and so is its data. If C goes to the data, this starts
        // with an Ethernet header and as many tags as it takes off.
        to_result(unsafe { bindings::skb_vlan_pop(self.as_ptr()) })
    }

    /// Sees to it that the data starts with the link-layer header, and that no offset of a header
    /// wraps when a tag goes in or out. C warns of the one and does not look for the other.
    fn check_mac_header(&self) -> Result {
        const LIMIT: u16 = i16::MAX as u16;

        let headers = self.headers();
        if usize::from(headers.mac_header) != self.headroom()
            || headers.mac_header > LIMIT
            || headers.network_header > LIMIT
        {
            return Err(EINVAL);
        }
        Ok(())
    }
}
