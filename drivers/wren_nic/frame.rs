// SPDX-License-Identifier: GPL-2.0

//! What a packet is on the wire: the frames that it stands for, and how many it may stand for.

#[cfg(CONFIG_KUNIT)]
use kernel::prelude::*;
use knet::{
    netdev::{
        ethtool::SPEED_UNKNOWN,
        GSO_LEGACY_MAX_SIZE, //
    },
    skb::Skb, //
};

/// What Ethernet adds to a frame on the wire: preamble and start delimiter, check sequence, gap.
const OVERHEAD: u64 = 8 + 4 + 12;
/// The shortest frame, without the check sequence.
const SHORTEST: u64 = 60;
/// A VLAN tag that the device would put into the frame.
const TAG: u64 = 4;

/// The time that a packet takes on the wire, in bytes: that of all the frames it stands for.
pub(crate) fn wire_bytes(skb: &Skb) -> u64 {
    let (frames, bytes) = skb.segmented();
    let (frames, mut bytes) = (u64::from(frames), bytes as u64);
    if skb.vlan_tag().is_some() {
        bytes += frames * TAG;
    }
    bytes.max(frames * SHORTEST) + frames * OVERHEAD
}

/// Two segments on Ethernet and their headers: TCP makes no shorter packets.
const MIN_GSO_SIZE: u32 = 4096;

/// The longest packet that a wire of `speed` Mb/s should be left to segment: it has the wire for
/// itself for a millisecond, as TCP sizes its packets. With 64 KB at 100 Mb/s whoever comes behind
/// two of them, which is what BQL keeps in the ring, would wait for 10 ms.
fn gso_limit(speed: u32) -> u32 {
    match speed {
        SPEED_UNKNOWN | 0 => u32::MAX,
        // 1 Mb/s is 125 bytes in a millisecond.
        speed => speed.saturating_mul(125).max(MIN_GSO_SIZE),
    }
}

/// What becomes of such a size of a device when the speed changes. What a user has chosen stays,
/// unless it is too much now; what the speed has made of it follows the speed.
pub(crate) fn gso_max_size(size: u32, old_speed: u32, new_speed: u32) -> u32 {
    let (old, new) = (gso_limit(old_speed), gso_limit(new_speed));
    if size > new || size == old.min(GSO_LEGACY_MAX_SIZE) {
        new.min(GSO_LEGACY_MAX_SIZE)
    } else {
        size
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(wren_nic_frame)]
mod tests {
    use super::*;
    use knet::skb::{
        GsoType,
        SkBuff,
        VlanProto,
        VlanTag, //
    };

    #[test]
    fn a_chosen_size_stays_unless_it_is_too_much() {
        // Follows the speed.
        for stopped in [0, SPEED_UNKNOWN] {
            assert_eq!(gso_max_size(65536, stopped, 100), 12500);
            assert_eq!(gso_max_size(12500, 100, stopped), 65536);
        }
        assert_eq!(gso_max_size(12500, 100, 1), 4096);
        assert_eq!(gso_max_size(4096, 1, u32::MAX - 1), 65536);
        // Chosen
        assert_eq!(gso_max_size(8000, SPEED_UNKNOWN, 100), 8000);
        assert_eq!(gso_max_size(8000, 100, SPEED_UNKNOWN), 8000);
        assert_eq!(gso_max_size(8000, 100, 10), 4096);
        // More than a device gets by itself
        for fast in [0, 10_000, SPEED_UNKNOWN] {
            assert_eq!(gso_max_size(500_000, SPEED_UNKNOWN, fast), 500_000);
            assert_eq!(gso_max_size(500_000, fast, 100), 12500);
        }
        assert_eq!(gso_max_size(500_000, SPEED_UNKNOWN, 1000), 65536);
    }

    /// A frame of so many bytes.
    fn frame(len: usize) -> Result<SkBuff> {
        let mut skb = SkBuff::alloc(0, len, GFP_KERNEL)?;
        skb.put(len)?;
        Ok(skb)
    }

    #[test]
    fn a_frame_has_what_ethernet_adds() -> Result {
        for (len, bytes) in [(14, 84), (60, 84), (61, 85), (1042, 1066), (1514, 1538)] {
            let skb = frame(len)?;
            assert_eq!(wire_bytes(&skb), bytes);
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn a_tag_that_the_device_inserts_counts() -> Result {
        let mut skb = frame(1514)?;
        skb.vlan_hwaccel_put_tag(VlanTag {
            proto: VlanProto::Ctag,
            tci: 1,
        });
        assert_eq!(wire_bytes(&skb), 1542);
        skb.consume();
        Ok(())
    }

    #[test]
    fn each_segment_is_a_frame() -> Result {
        let mut skb = frame(42 + 2500)?;
        // Ethernet and IPv4
        skb.set_transport_header(34)?;
        skb.set_gso(GsoType::UdpL4, 1000, 2500)?;
        assert_eq!(wire_bytes(&skb), 2 * (42 + 1000 + 24) + (42 + 500 + 24));
        // Segments that are too short for a frame
        skb.set_gso(GsoType::UdpL4, 10, 2500)?;
        assert_eq!(wire_bytes(&skb), 250 * 84);
        skb.consume();
        Ok(())
    }
}
