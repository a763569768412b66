// SPDX-License-Identifier: GPL-2.0

//! What a packet carries besides data.

mod tstamp;
pub(super) mod vlan;

use super::packets::paged_behind;
use crate::{
    bindings,
    net::Namespace,
    skb::{
        OwnerKind,
        PktHashType,
        PktType,
        SkBuff,
        Tstamp,
        TstampType,
        TxMeta, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(32, 100, GFP_KERNEL)?;
    skb.put(100)?;
    Ok(skb)
}

fn init_net() -> &'static Namespace {
    // SAFETY: The initial namespace is always there.
    unsafe { Namespace::from_raw(&raw const bindings::init_net) }
}

/// An IPv4 header and a UDP header without payload.
fn datagram(source_port: u8) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[0] = 0x45;
    bytes[3] = 28;
    bytes[8] = 64;
    bytes[9] = bindings::IPPROTO_UDP as u8;
    bytes[12..16].copy_from_slice(&[192, 0, 2, 1]);
    bytes[16..20].copy_from_slice(&[192, 0, 2, 2]);
    bytes[21] = source_port;
    bytes[23] = 53;
    bytes[25] = 8;
    bytes
}

/// A packet with these bytes, the first `linear` of them in the linear part.
fn datagram_packet(bytes: &[u8], linear: usize) -> Result<SkBuff> {
    let (linear, paged) = bytes.split_at(linear);
    let mut skb = paged_behind(16, linear, paged)?;
    skb.set_protocol(bindings::ETH_P_IP as u16);
    skb.reset_network_header();
    Ok(skb)
}

#[kunit_tests(knet_skb_meta)]
mod tests {
    use super::*;

    #[test]
    fn a_new_packet_has_nothing() -> Result {
        let skb = packet()?;
        assert_eq!((skb.protocol(), skb.priority(), skb.mark()), (0, 0, 0));
        assert_eq!((skb.iif(), skb.pkt_type()), (0, PktType::Host));
        assert_eq!(
            (skb.hash(), skb.l4_hash(), skb.sw_hash()),
            (0, false, false)
        );
        assert_eq!((skb.queue_mapping(), skb.rx_queue()), (0, None));
        assert!(skb.tstamp().is_none() && skb.hwtstamp().is_none());
        assert!(!skb.ooo_okay() && skb.vlan_tag().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn what_is_set_is_read() -> Result {
        let mut skb = packet()?;
        skb.set_tx_meta(&TxMeta {
            protocol: 0x88b5,
            priority: 6,
            mark: 0xdead_beef,
        });
        assert_eq!(
            (skb.protocol(), skb.priority(), skb.mark()),
            (0x88b5, 6, 0xdead_beef)
        );
        // The protocol is kept as it goes on the wire.
        // SAFETY: The packet is valid.
        let raw = unsafe { (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref() }.protocol;
        assert_eq!(raw.to_ne_bytes(), [0x88, 0xb5]);
        skb.set_ooo_okay(true);
        assert!(skb.ooo_okay());
        skb.set_ooo_okay(false);
        assert!(!skb.ooo_okay());
        skb.consume();
        Ok(())
    }

    #[test]
    fn each_packet_type_is_that_of_c() -> Result {
        let mut skb = packet()?;
        for (n, pkt_type) in (0..).zip([
            PktType::Host,
            PktType::Broadcast,
            PktType::Multicast,
            PktType::OtherHost,
            PktType::Outgoing,
            PktType::Loopback,
            PktType::User,
            PktType::Kernel,
        ]) {
            skb.set_pkt_type(pkt_type);
            // SAFETY: The packet is valid.
            let headers = unsafe { (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref() };
            assert_eq!((headers.pkt_type(), skb.pkt_type()), (n, pkt_type));
        }
        skb.consume();
        Ok(())
    }

    #[test]
    fn the_device_can_be_compared() -> Result {
        let guard = rcu::read_lock();
        let lo = init_net()
            .dev_get_by_index(1, &guard)
            .ok_or(ENODEV)?
            .as_ptr();
        drop(guard);
        let skb = packet()?;
        // SAFETY: The loopback device of the initial namespace is always there.
        let lo = unsafe { crate::netdev::NetDevice::from_raw(lo) };
        assert!(!skb.is_dev(lo));
        let mut skb = skb;
        skb.set_dev(Some(lo));
        assert!(skb.is_dev(lo));
        // The dissector is not shown the device, and it is still there afterwards.
        skb.get_hash(init_net());
        assert!(skb.is_dev(lo));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_receive_queue_is_recorded_as_one_more() -> Result {
        let mut skb = packet()?;
        for queue in [0, 1, 65_534] {
            skb.record_rx_queue(queue);
            assert_eq!(
                (skb.rx_queue(), skb.queue_mapping()),
                (Some(queue), queue + 1)
            );
        }
        skb.record_rx_queue(65_535);
        assert_eq!(skb.rx_queue(), None);
        skb.set_queue_mapping(3);
        assert_eq!(skb.queue_mapping(), 3);
        skb.consume();
        Ok(())
    }

    #[test]
    fn the_hash_is_computed_once_and_from_the_flow() -> Result {
        let net = init_net();
        let mut one = datagram_packet(&datagram(1), 28)?;
        let hash = one.get_hash(net);
        assert!(hash != 0);
        assert_eq!(
            (one.hash(), one.l4_hash(), one.sw_hash()),
            (hash, true, true)
        );
        // In pages, and split within the addresses: the same flow, the same hash.
        for linear in [0, 14, 21] {
            let mut same = datagram_packet(&datagram(1), linear)?;
            assert_eq!((same.get_hash(net), same.headlen()), (hash, linear));
            same.consume();
        }
        let mut other = datagram_packet(&datagram(2), 28)?;
        assert!(other.get_hash(net) != hash);
        // What is there is not computed again.
        other.set_sw_hash(5, PktHashType::L3);
        assert_eq!(
            (other.get_hash(net), other.l4_hash(), other.sw_hash()),
            (5, false, true)
        );
        other.set_hash(6, PktHashType::L4);
        assert_eq!(
            (other.get_hash(net), other.l4_hash(), other.sw_hash()),
            (6, true, false)
        );
        // A hash by hardware that knows no ports is not good enough.
        other.set_hash(hash, PktHashType::L3);
        assert!(other.get_hash(net) != hash);
        other.set_hash(7, PktHashType::L2);
        other.clear_hash();
        assert_eq!(
            (other.hash(), other.l4_hash(), other.sw_hash()),
            (0, false, false)
        );
        one.consume();
        other.consume();
        Ok(())
    }

    #[test]
    fn a_socket_gives_its_packets_its_hash() -> Result {
        let (sock, mut skb) = (TestSock::new()?, packet()?);
        // Of a socket that has none nothing is taken.
        skb.set_hash(3, PktHashType::L2);
        skb.set_hash_from_sk(sock.sk());
        assert_eq!((skb.hash(), skb.l4_hash()), (3, false));
        // SAFETY: Nobody else knows the socket.
        unsafe { (*sock.sk().as_ptr()).sk_txhash = 4 };
        skb.set_hash_from_sk(sock.sk());
        assert_eq!((skb.hash(), skb.l4_hash(), skb.sw_hash()), (4, true, false));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_packet_without_headers_has_a_hash_too() -> Result {
        let mut skb = SkBuff::alloc(0, 8, GFP_KERNEL)?;
        skb.set_protocol(bindings::ETH_P_IP as u16);
        skb.get_hash(init_net());
        assert!(skb.sw_hash() && !skb.l4_hash());
        skb.consume();
        Ok(())
    }

    #[test]
    fn c3_only_the_first_charged_packet_may_go_out_of_order() -> Result {
        let sock = TestSock::new()?;
        let (mut one, mut two) = (packet()?, packet()?);
        two.set_ooo_okay(true);
        one.set_owner_w(sock.sk());
        two.set_owner_w(sock.sk());
        assert_eq!((one.ooo_okay(), two.ooo_okay()), (true, false));
        one.consume();
        two.consume();
        // With nothing in flight it is the first one again.
        let mut three = packet()?;
        three.set_owner_w(sock.sk());
        assert!(three.ooo_okay());
        three.consume();
        Ok(())
    }

    #[test]
    fn c4_the_hash_of_the_socket_is_that_of_the_packet() -> Result {
        let sock = TestSock::new()?;
        let sk = sock.sk().as_ptr();
        let mut skb = packet()?;
        skb.set_sw_hash(0x1234, PktHashType::L3);
        // SAFETY: Nobody else has the socket.
        unsafe { (*sk).sk_txhash = 0 };
        skb.set_owner_w(sock.sk());
        assert_eq!((skb.hash(), skb.l4_hash()), (0x1234, false));
        // SAFETY: As above.
        unsafe { (*sk).sk_txhash = 0x5678 };
        skb.set_owner_w(sock.sk());
        assert_eq!((skb.hash(), skb.l4_hash()), (0x5678, true));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_time_stamp_has_a_clock() -> Result {
        let mut skb = packet()?;
        for clock in [TstampType::Realtime, TstampType::Monotonic, TstampType::Tai] {
            let time = Tstamp { ns: 1 << 60, clock };
            skb.set_delivery_time(time);
            assert_eq!(skb.tstamp(), Some(time));
            // Only a time of arrival is cleared.
            skb.clear_tstamp();
            assert_eq!(skb.tstamp().is_none(), clock == TstampType::Realtime);
        }
        // No time, no clock.
        skb.set_delivery_time(Tstamp {
            ns: 0,
            clock: TstampType::Tai,
        });
        assert!(skb.tstamp().is_none());
        // SAFETY: The packet is valid.
        let headers = unsafe { (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref() };
        assert_eq!(headers.tstamp_type(), 0);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_hardware_time_stamp_is_no_cookie() -> Result {
        let skb = packet()?;
        let shinfo = skb.shinfo();
        // SAFETY: The packet is valid, and its buffer is ours alone.
        unsafe {
            (*shinfo)
                .__bindgen_anon_1
                .hwtstamps
                .__bindgen_anon_1
                .hwtstamp = 42
        };
        assert_eq!(skb.hwtstamp(), Some(42));
        // SAFETY: As above.
        unsafe { (*shinfo).tx_flags = bindings::SKBTX_HW_TSTAMP_NETDEV as u8 };
        assert_eq!(skb.hwtstamp(), None);
        // SAFETY: As above.
        unsafe { (*shinfo).tx_flags = 0 };
        skb.consume();
        Ok(())
    }

    #[test]
    fn scrub_leaves_the_claim_and_what_stays_in_a_namespace() -> Result {
        let sock = TestSock::new()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let w = sock.w();
        let arrival = Tstamp {
            ns: 1,
            clock: TstampType::Realtime,
        };
        skb.set_delivery_time(arrival);
        skb.set_mark(5);
        skb.set_pkt_type(PktType::OtherHost);
        // SAFETY: The packet is valid.
        unsafe { (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_mut() }.skb_iif = 9;
        skb.scrub(false);
        assert_eq!((skb.pkt_type(), skb.iif()), (PktType::Host, 0));
        assert_eq!((skb.mark(), skb.tstamp()), (5, Some(arrival)));
        skb.scrub(true);
        assert_eq!((skb.mark(), skb.tstamp()), (0, None));
        // A time of departure goes with the packet.
        let departure = Tstamp {
            ns: 2,
            clock: TstampType::Monotonic,
        };
        skb.set_delivery_time(departure);
        skb.scrub(true);
        assert_eq!(skb.tstamp(), Some(departure));
        assert!(skb.owner_kind() == OwnerKind::Write);
        assert_eq!(sock.w(), w);
        skb.consume();
        Ok(())
    }

    #[test]
    fn resets_without_anything_to_reset_do_nothing() -> Result {
        let mut skb = packet()?;
        skb.nf_reset_ct();
        skb.nf_reset_trace();
        skb.ext_reset();
        skb.secpath_reset();
        assert_eq!(skb.len(), 100);
        skb.consume();
        Ok(())
    }
}
