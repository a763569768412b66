// SPDX-License-Identifier: GPL-2.0

//! The speed of the wire in one direction.

#[cfg(CONFIG_KUNIT)]
use kernel::prelude::*;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use knet::{
    atomic::AtomicInline,
    netdev::{
        ethtool::SPEED_UNKNOWN,
        GSO_LEGACY_MAX_SIZE, //
    },
    skb::Skb,
    time::ktime_get_ns, //
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

/// When a packet has crossed the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// At this time of the monotonic clock, in nanoseconds.
    At(i64),
    /// When the speed is changed: the wire stands still.
    Never,
}

/// The speed of one direction of a wire, shared by its lanes.
pub(crate) struct Pace {
    /// In Mb/s; 0 stops the wire, [`SPEED_UNKNOWN`] means no limit.
    speed: Atomic<u32>,
    /// When the wire is free for the next packet.
    free_at: Atomic<i64>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            speed: Atomic::new(SPEED_UNKNOWN),
            free_at: Atomic::new(0),
        }
    }

    pub(crate) fn speed(&self) -> u32 {
        self.speed.read_once()
    }

    /// Sets the speed. What waited for the old one does not count.
    pub(crate) fn set_speed(&self, speed: u32) {
        self.speed.write_once(speed);
        self.reset(ktime_get_ns());
    }

    /// From `now` on the wire is free: whoever has taken it does not need it any more.
    pub(crate) fn reset(&self, now: i64) {
        self.free_at.write_once(now);
    }

    /// Takes the wire for `ns`, not before `earliest`, and returns when it will have done.
    fn take(&self, ns: i64, earliest: i64) -> i64 {
        let mut old = self.free_at.read_once();
        loop {
            let done = old.max(earliest) + ns;
            match self.free_at.cmpxchg(old, done, Relaxed) {
                Ok(_) => return done,
                Err(current) => old = current,
            }
        }
    }
}

/// What a lane remembers of the wire.
pub(crate) struct LanePace {
    /// When the packet on the wire will have crossed.
    on_wire: Option<i64>,
    /// The ring was empty when it was looked at last, so a packet is announced when it comes.
    idle: bool,
    /// The speed of the last packet, and what its time had beyond whole nanoseconds, in parts of
    /// one.
    speed: u32,
    rest: u64,
}

impl LanePace {
    pub(crate) fn new() -> Self {
        Self {
            on_wire: None,
            idle: true,
            speed: 0,
            rest: 0,
        }
    }

    /// Tells when the next packet will have crossed the wire, one of `bytes` as [`wire_bytes`]
    /// counts them, at `speed`.
    ///
    /// If the lane was idle the packet has just come, and starts now at the earliest. Else it
    /// follows the one before it, however late the timer is, for a wire does not wait for the CPU;
    /// it may have come when the ring was looked at last, at `looked`, but not before.
    pub(crate) fn arrival(
        &mut self,
        wire: &Pace,
        speed: u32,
        bytes: u64,
        now: i64,
        looked: i64,
    ) -> i64 {
        if let Some(done) = self.on_wire {
            return done;
        }
        if self.speed != speed {
            self.speed = speed;
            self.rest = 0;
        }
        // Bits by Mb/s are microseconds. What is left of the division is carried over, or a fast
        // wire would be too fast.
        let time = bytes * 8 * 1000 + self.rest;
        let speed = u64::from(speed);
        self.rest = time % speed;
        let earliest = if self.idle { now } else { looked };
        self.idle = false;
        let done = wire.take((time / speed) as i64, earliest);
        self.on_wire = Some(done);
        done
    }

    /// The packet on the wire has crossed.
    pub(crate) fn crossed(&mut self) {
        self.on_wire = None;
    }

    /// The ring is empty.
    pub(crate) fn emptied(&mut self) {
        self.idle = true;
    }

    /// The wire is not paced now, or stands still: what was on it starts anew.
    pub(crate) fn off(&mut self) {
        self.on_wire = None;
        self.idle = true;
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(wren_nic_pace)]
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
