// SPDX-License-Identifier: GPL-2.0

//! VLAN tags, beside a frame and in it.

use crate::skb::{
    tests::packets::paged_behind,
    SkBuff,
    VlanProto,
    VlanTag, //
};
use kernel::prelude::*;

const INNER: VlanTag = VlanTag {
    proto: VlanProto::Ctag,
    tci: 0xb064,
};
pub(in crate::skb::tests) const OUTER: VlanTag = VlanTag {
    proto: VlanProto::Stag,
    tci: 0x1fff,
};

/// Addresses, EtherType, payload.
const PLAIN: [u8; 18] = *b"destinsource\x08\x00load";

/// The same with `INNER` in it.
const TAGGED: [u8; 22] = *b"destinsource\x81\x00\xb0\x64\x08\x00load";

/// The same with `OUTER` in front of `INNER`.
const TWICE: [u8; 26] = *b"destinsource\x88\xa8\x1f\xff\x81\x00\xb0\x64\x08\x00load";

/// Returns a frame as the core presents it to a device: the data starts with the header. The first
/// `linear` bytes are linear.
fn frame(bytes: &[u8], linear: usize, protocol: u16) -> Result<SkBuff> {
    let (linear, paged) = bytes.split_at(linear);
    let mut skb = paged_behind(0, linear, paged)?;
    skb.set_protocol(protocol);
    skb.reset_mac_header();
    skb.set_network_header(14.min(skb.headlen() as isize))?;
    Ok(skb)
}

/// A frame with a tag beside it, and no room for one in front.
pub(in crate::skb::tests) fn tagged_without_room() -> Result<SkBuff> {
    let mut skb = frame(&PLAIN, 18, 0x0800)?;
    skb.vlan_hwaccel_put_tag(INNER);
    Ok(skb)
}

#[kunit_tests(knet_skb_vlan)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_three_parts() {
        assert_eq!((INNER.vid(), INNER.prio(), INNER.dei()), (0x64, 5, true));
        assert_eq!((OUTER.vid(), OUTER.prio(), OUTER.dei()), (0xfff, 0, true));
        assert_eq!(VlanProto::from_ethertype(0x8100), Some(VlanProto::Ctag));
        assert_eq!(VlanProto::from_ethertype(0x88a8), Some(VlanProto::Stag));
        assert_eq!(VlanProto::from_ethertype(0x0081), None);
    }

    #[test]
    fn a_tag_beside_the_packet_can_be_put_and_cleared() -> Result {
        let mut skb = frame(&PLAIN, 18, 0x0800)?;
        assert_eq!(skb.vlan_tag(), None);
        // A tag of zeros is one, too.
        let zero = VlanTag {
            proto: VlanProto::Ctag,
            tci: 0,
        };
        for tag in [zero, INNER, OUTER] {
            skb.vlan_hwaccel_put_tag(tag);
            assert_eq!(skb.vlan_tag(), Some(tag));
        }
        skb.vlan_hwaccel_clear_tag();
        assert_eq!(skb.vlan_tag(), None);
        assert_eq!((skb.data(), skb.protocol()), (&PLAIN[..], 0x0800));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_second_tag_pushes_the_first_into_the_data() -> Result {
        // Without headroom, and with a header that is in a page: the buffer has to grow.
        for linear in [18, 0] {
            let mut skb = frame(&PLAIN, linear, 0x0800)?;
            skb.vlan_push(INNER)?;
            assert_eq!((skb.vlan_tag(), skb.len()), (Some(INNER), 18));
            skb.vlan_push(OUTER)?;
            assert_eq!((skb.vlan_tag(), skb.protocol()), (Some(OUTER), 0x8100));
            skb.may_pull(22)?;
            assert_eq!(skb.data(), TAGGED);
            assert_eq!(skb.mac_offset(), Some(0));

            // And back.
            skb.vlan_pop()?;
            assert_eq!((skb.vlan_tag(), skb.protocol()), (Some(INNER), 0x0800));
            assert_eq!((skb.data(), skb.mac_offset()), (&PLAIN[..], Some(0)));
            assert_eq!(skb.network_offset(), 14);
            skb.vlan_pop()?;
            assert_eq!((skb.vlan_tag(), skb.data()), (None, &PLAIN[..]));
            // Without a tag nothing happens.
            skb.vlan_pop()?;
            assert_eq!((skb.vlan_tag(), skb.data()), (None, &PLAIN[..]));
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn the_second_tag_in_the_data_comes_to_be_beside_it() -> Result {
        for linear in [0, 14, 18, 26] {
            let mut skb = frame(&TWICE, linear, 0x88a8)?;
            skb.vlan_pop()?;
            assert_eq!((skb.vlan_tag(), skb.protocol()), (Some(INNER), 0x0800));
            assert_eq!((skb.len(), skb.mac_offset()), (18, Some(0)));
            assert_eq!(skb.network_offset(), 14);
            skb.may_pull(18)?;
            assert_eq!(skb.data(), PLAIN);
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn a_frame_that_ends_in_a_tag_is_left_alone() -> Result {
        for (whole, needed) in [(&TAGGED[..], 20), (&TWICE[..], 24)] {
            let protocol = u16::from_be_bytes([whole[12], whole[13]]);
            for len in 0..needed {
                let mut skb = frame(&whole[..len], len, protocol)?;
                assert!(skb.vlan_pop() == Err(ENODATA));
                assert_eq!((skb.data(), skb.protocol()), (&whole[..len], protocol));
                assert_eq!(skb.vlan_tag(), None);
                skb.consume();
            }
            let mut skb = frame(&whole[..needed], needed, protocol)?;
            skb.vlan_pop()?;
            assert_eq!(skb.len(), 16);
            skb.consume();
        }
        for len in 0..14 {
            let mut skb = frame(&PLAIN[..len], len, 0x0800)?;
            skb.vlan_push(INNER)?;
            assert!(skb.vlan_push(OUTER) == Err(ENODATA));
            assert_eq!((skb.vlan_tag(), skb.data()), (Some(INNER), &PLAIN[..len]));
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn data_that_starts_elsewhere_is_refused() -> Result {
        let mut skb = frame(&TAGGED, 22, 0x8100)?;
        skb.vlan_push(OUTER)?;
        skb.pull(1)?;
        assert!(skb.vlan_push(OUTER) == Err(EINVAL));
        assert!(skb.vlan_pop() == Err(EINVAL));
        assert_eq!((skb.vlan_tag(), skb.len()), (Some(OUTER), 21));
        // The network header must not be in front of the other.
        skb.reset_mac_header();
        skb.set_network_header(-1)?;
        assert!(skb.vlan_push(OUTER) == Err(EINVAL));
        skb.consume();

        // Offsets that would wrap.
        let mut skb = SkBuff::alloc(40_000, 40, GFP_KERNEL)?;
        skb.put_data(&TAGGED)?;
        skb.set_protocol(0x8100);
        skb.reset_mac_header();
        skb.set_network_header(14)?;
        assert!(skb.vlan_pop() == Err(EINVAL));
        skb.vlan_push(INNER)?;
        assert!(skb.vlan_push(OUTER) == Err(EINVAL));
        assert_eq!((skb.vlan_tag(), skb.data()), (Some(INNER), &TAGGED[..]));
        skb.consume();
        Ok(())
    }
}
