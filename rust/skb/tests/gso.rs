// SPDX-License-Identifier: GPL-2.0

//! Segmentation: what comes out, who is charged for it, and what C must not be given.

use super::{
    claim::{
        counting_sock,
        ws, //
    },
    frames::{
        listed_tcp,
        set_raw_type,
        ETH,
        IP,
        SIZE,
        TCP,
        UDP, //
    },
};
use crate::{
    bindings,
    netdev::{
        features,
        NetDevice, //
    },
    skb::{
        Cloned,
        DropReason,
        Failed,
        GsoType,
        IpSummed,
        OwnerKind,
        SegmentList,
        Segmented,
        SkBuff,
        Skb,
        State,
        TxMeta,
        Wsum, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
};

/// Segments `skb`, which has to be possible.
fn segments<S: State>(skb: SkBuff<S>, features: u64) -> Result<SegmentList> {
    match skb.gso_segment(features) {
        Ok(Segmented::Segments(segments)) => Ok(segments),
        Ok(Segmented::Whole(skb)) => {
            skb.consume();
            Err(EINVAL)
        }
        Err(failed) => Err(failed.drop_with(DropReason::SKB_GSO_SEG)),
    }
}

/// Why `skb` cannot be segmented. It has to come back as long as it was.
fn refused<S: State>(skb: SkBuff<S>) -> Option<Error> {
    let len = skb.len();
    match skb.gso_segment(0) {
        Ok(Segmented::Segments(segments)) => {
            segments.consume();
            None
        }
        Ok(Segmented::Whole(skb)) => {
            skb.consume();
            None
        }
        Err(Failed { skb, error }) => {
            let whole = skb.len() == len;
            skb.consume();
            whole.then_some(error)
        }
    }
}

/// How often the destructor of `charge_privately` has run.
static DESTROYED: Atomic<u32> = Atomic::new(0);

/// Puts a claim with a destructor on the packet that the core does not know.
fn charge_privately(skb: &mut SkBuff, sock: &TestSock) {
    /// # Safety
    ///
    /// Called as a destructor.
    unsafe extern "C" fn destroy(_skb: *mut bindings::sk_buff) {
        DESTROYED.add(1u32, Relaxed);
    }

    DESTROYED.store(0, Relaxed);
    let raw = skb.raw_mut();
    raw.sk = sock.sk().as_ptr();
    raw.__bindgen_anon_3.__bindgen_anon_1.destructor = Some(destroy);
}

#[kunit_tests(knet_skb_gso)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_make_no_segments_are_refused() -> Result {
        let mut skb = UDP.frame(2500)?;
        assert!(!skb.is_gso() && skb.gso_type().is_none());
        let len = skb.len();
        assert_eq!(skb.segmented(), (1, len));
        for (size, payload) in [
            (0, 2500),
            (u16::MAX, 2500),
            (u16::MAX - 119, 2500),
            (SIZE, SIZE.into()),
            (SIZE, 0),
            (SIZE, len + 1),
            (SIZE, usize::MAX),
        ] {
            assert!(skb.set_gso(GsoType::UdpL4, size, payload) == Err(EINVAL));
        }
        assert!(!skb.is_gso());
        skb.set_gso(GsoType::UdpL4, SIZE, 2500)?;
        assert!(skb.is_gso() && skb.gso_type() == Some(GsoType::UdpL4));
        assert_eq!((skb.gso_size(), skb.gso_segs()), (SIZE, 3));
        skb.gso_reset();
        assert!(!skb.is_gso() && skb.gso_type().is_none());
        skb.consume();
        let mut skb = SkBuff::alloc(0, 1 << 17, GFP_KERNEL)?;
        skb.put(1 << 17)?;
        assert!(skb.set_gso(GsoType::Tcpv4, 2, 1 << 17) == Err(EINVAL));
        skb.set_gso(GsoType::Tcpv4, 2, (1 << 17) - 2)?;
        assert_eq!(skb.gso_segs(), u16::MAX);
        skb.consume();
        Ok(())
    }

    #[test]
    fn each_segment_is_a_frame_of_its_own() -> Result {
        for transport in [TCP, UDP] {
            let whole = transport.gso(2500)?;
            let expected = whole.segmented();
            let mut segments = segments(whole, 0)?;
            let bytes = segments.iter().map(|segment| segment.len()).sum();
            assert_eq!((segments.iter().count() as u32, bytes), expected);
            assert_eq!(expected, (3, 3 * transport.headers() + 2500));
            let mut from = 0;
            for len in [1000, 1000, 500] {
                let segment = segments.next().ok_or(EINVAL)?;
                assert!(transport.is_segment(&segment, from, len));
                from += len;
                segment.consume();
            }
            assert!(segments.next().is_none());
            segments.consume();
        }
        Ok(())
    }

    #[test]
    fn segments_leave_the_checksum_to_a_device_that_does_it() -> Result {
        let mut segments = segments(TCP.gso(1500)?, features::SG | features::HW_CSUM)?;
        for _ in 0..2 {
            let mut segment = segments.next().ok_or(EINVAL)?;
            let partial = IpSummed::Partial {
                start: (ETH + IP) as i32,
                offset: TCP.check as u16,
            };
            assert_eq!(segment.ip_summed(), partial);
            segment.checksum_help()?;
            segment.consume();
        }
        assert!(segments.next().is_none());
        Ok(())
    }

    #[test]
    fn a_packet_that_the_device_can_cut_stays_whole() -> Result {
        let all = features::SG | features::HW_CSUM | features::GSO_SOFTWARE;
        for transport in [TCP, UDP] {
            match transport.gso(2500)?.gso_segment(all) {
                Ok(Segmented::Whole(skb)) => {
                    assert_eq!((skb.len(), skb.gso_segs()), (transport.headers() + 2500, 3));
                    skb.consume();
                }
                Ok(Segmented::Segments(segments)) => {
                    segments.consume();
                    return Err(EINVAL);
                }
                Err(failed) => return Err(failed.drop_with(DropReason::SKB_GSO_SEG)),
            }
        }
        Ok(())
    }

    #[test]
    fn c31_the_last_segment_carries_the_claim() -> Result {
        let sock = counting_sock()?;
        let mut skb = TCP.gso(2500)?;
        skb.set_owner_w(sock.sk());
        let (t, w) = (skb.truesize(), sock.w());
        let mut segments = segments(skb, 0)?;
        // The packet is freed, and the claim is not.
        assert_eq!((sock.w(), ws()), (w, 0));
        for _ in 0..2 {
            let segment = segments.next().ok_or(EINVAL)?;
            assert!(segment.owner_kind() == OwnerKind::None);
            segment.consume();
        }
        assert_eq!((sock.w(), ws()), (w, 0));
        let last = segments.next().ok_or(EINVAL)?;
        assert!(last.owner_kind() == OwnerKind::Write && segments.next().is_none());
        assert_eq!(last.truesize(), t);
        last.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c32_a_private_destructor_ends_with_the_packet() -> Result {
        let sock = counting_sock()?;
        let mut skb = TCP.gso(2500)?;
        charge_privately(&mut skb, &sock);
        let segments = segments(skb, 0)?;
        assert_eq!(DESTROYED.load(Relaxed), 1);
        let owned = |skb: &Skb| skb.owner_kind() != OwnerKind::None;
        assert_eq!(
            (segments.iter().count(), segments.iter().any(owned)),
            (3, false)
        );
        segments.consume();
        assert_eq!(DESTROYED.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn c33_udp_charges_each_segment() -> Result {
        let sock = counting_sock()?;
        let mut skb = UDP.gso(2500)?;
        skb.set_owner_w(sock.sk());
        let mut segments = segments(skb, 0)?;
        let sum: u32 = segments.iter().map(|skb| skb.truesize()).sum();
        assert_eq!((sock.w(), ws()), (1 + sum, 0));
        let mut left = sum;
        for freed in 1..=3 {
            let segment = segments.next().ok_or(EINVAL)?;
            assert!(segment.owner_kind() == OwnerKind::Write);
            left -= segment.truesize();
            segment.consume();
            assert_eq!((sock.w(), ws()), (1 + left, freed));
        }
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn what_is_left_of_a_chain_can_be_dropped() -> Result {
        let sock = counting_sock()?;
        let mut skb = UDP.gso(4500)?;
        skb.set_owner_w(sock.sk());
        let mut segments = segments(skb, 0)?;
        segments.next().ok_or(EINVAL)?.consume();
        assert_eq!(ws(), 1);
        segments.drop_with(DropReason::QUEUE_PURGE);
        assert_eq!((sock.w(), ws()), (1, 5));
        Ok(())
    }

    #[test]
    fn what_is_no_gso_packet_comes_back() -> Result {
        assert!(refused(TCP.frame(2500)?) == Some(EINVAL));
        // All of it fits into one segment.
        let mut skb = TCP.gso(2500)?;
        skb.trim(TCP.headers() + usize::from(SIZE))?;
        assert!(refused(skb) == Some(EINVAL));
        // It says TCP, and is UDP.
        let mut skb = UDP.gso(2500)?;
        skb.set_gso(GsoType::Tcpv4, SIZE, 2500)?;
        assert!(refused(skb) == Some(EINVAL));
        // Another protocol.
        let mut skb = TCP.gso(2500)?;
        skb.set_tx_meta(&TxMeta {
            protocol: bindings::ETH_P_8021Q as u16,
            ..TxMeta::default()
        });
        assert!(refused(skb) == Some(EOPNOTSUPP));
        Ok(())
    }

    #[test]
    fn headers_that_are_not_there_are_refused() -> Result {
        // The network header is in front of the data.
        let mut skb = TCP.gso(2500)?;
        skb.pull(ETH + 1)?;
        assert!(refused(skb) == Some(EINVAL));
        // The packet ends in front of the network header, and in the transport header.
        for len in [ETH - 1, ETH + IP - 1, TCP.headers() - 1] {
            let mut skb = TCP.frame(2500)?;
            skb.set_gso(GsoType::Tcpv4, 4, 2500)?;
            skb.trim(len)?;
            assert!(refused(skb) == Some(ENODATA));
        }
        // There is no header at all.
        let mut skb = SkBuff::alloc(64, 2500, GFP_KERNEL)?;
        skb.put(2500)?;
        skb.set_gso(GsoType::Tcpv4, SIZE, 2500)?;
        skb.set_tx_meta(&TxMeta {
            protocol: bindings::ETH_P_IP as u16,
            ..TxMeta::default()
        });
        assert!(refused(skb) == Some(EINVAL));
        Ok(())
    }

    #[test]
    fn kinds_that_c_trusts_blindly_are_refused() -> Result {
        for kind in [
            bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_IPXIP4,
            bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_FRAGLIST,
            bindings::SKB_GSO_UDP,
            0,
        ] {
            let mut skb = TCP.gso(2500)?;
            set_raw_type(&mut skb, kind as u32);
            assert!(refused(skb) == Some(EOPNOTSUPP));
        }
        // A segment size that C looks for in the fragment list.
        let skb = TCP.gso(2500)?;
        // SAFETY: The packet is ours alone.
        unsafe { (*skb.shinfo()).gso_size = bindings::GSO_BY_FRAGS as u16 };
        assert!(refused(skb) == Some(EOPNOTSUPP));
        // Notes do no harm.
        let mut skb = TCP.gso(2500)?;
        let dodgy = bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_DODGY;
        set_raw_type(&mut skb, dodgy as u32);
        assert!(skb.gso_type() == Some(GsoType::Tcpv4));
        segments(skb, 0)?.consume();
        Ok(())
    }

    #[test]
    fn a_fragment_list_of_any_shape_can_be_cut() -> Result {
        // `skb_segment` BUGs on this one: ten bytes, and then members of a segment each.
        for kind in [
            bindings::SKB_GSO_TCPV4,
            bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_DODGY,
        ] {
            let mut skb = listed_tcp(10, usize::from(SIZE), 2)?;
            set_raw_type(&mut skb, kind as u32);
            let mut segments = segments(skb, features::SG | features::HW_CSUM)?;
            let mut from = 0;
            for len in [1000, 1000, 10] {
                let mut segment = segments.next().ok_or(EINVAL)?;
                segment.checksum_help()?;
                assert!(TCP.is_segment(&segment, from, len));
                from += len;
                segment.consume();
            }
            assert!(segments.next().is_none());
        }
        Ok(())
    }

    #[test]
    fn the_header_of_a_clone_is_not_written() -> Result {
        let mut skb = TCP.gso(2500)?;
        // TCP sets its checksum up itself then, in place.
        skb.set_csum_unnecessary(0)?;
        skb.data_mut()[ETH + IP + TCP.check..][..2].fill(0xaa);
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let mut before = KVec::new();
        before.extend_from_slice(clone.data(), GFP_KERNEL)?;
        let segments = segments(skb, 0);
        assert_eq!(clone.data(), &before[..]);
        clone.consume();
        segments?.consume();
        Ok(())
    }

    #[test]
    fn a_sum_of_a_receiver_means_nothing_to_a_segmenter() -> Result {
        let mut skb = UDP.gso(2500)?;
        // C would warn of it, had it segments to warn of.
        skb.set_csum_complete(Wsum::ZERO);
        assert!(refused(skb) == Some(EINVAL));
        let mut skb = TCP.gso(2500)?;
        skb.set_csum_complete(Wsum::ZERO);
        segments(skb, 0)?.consume();
        Ok(())
    }

    #[test]
    fn a_device_gets_no_segmentation_that_it_cannot_do() -> Result {
        let mut skb = TCP.gso(2500)?;
        skb.pull(ETH + 1)?;
        let result = {
            let guard = rcu::read_lock();
            // SAFETY: The loopback device lives as long as its namespace.
            let lo = unsafe { NetDevice::from_raw(bindings::init_net.loopback_dev) };
            skb.dev_queue_xmit(lo, &guard)
        };
        assert!(result == Err(EINVAL));
        Ok(())
    }
}
