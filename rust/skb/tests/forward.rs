// SPDX-License-Identifier: GPL-2.0

//! What a packet that goes on leaves to others: it can be done, or the packet does not go on.

use super::{
    frames::{
        append_frag_list,
        listed_tcp,
        set_raw_type,
        ETH,
        IP,
        SIZE,
        TCP, //
    },
    packets::{
        bytes,
        paged, //
    },
};
use crate::{
    bindings,
    netdev::tests::{
        forward,
        new_device, //
    },
    skb::{
        Cloned,
        GsoType,
        SkBuff, //
    },
    sock::testing::TestSock, //
};
use kernel::prelude::*;

const WHOLE: usize = SIZE as usize;
/// Ethernet, IPv4 and SCTP.
const SCTP_HEADERS: usize = ETH + IP + 12;

/// Sends a packet on, which has to go, and returns whether it still has its list. No byte is lost.
fn keeps_list(skb: SkBuff) -> Result<bool> {
    let before = bytes(&skb)?;
    let skb = forward(skb)?;
    let (list, after) = (skb.has_frag_list(), bytes(&skb)?);
    skb.consume();
    if after[..] == before[ETH..] {
        Ok(list)
    } else {
        Err(EINVAL)
    }
}

/// Whether a packet is refused. It is gone in any case.
fn is_refused(skb: SkBuff) -> bool {
    match forward(skb) {
        Ok(skb) => {
            skb.consume();
            false
        }
        Err(error) => error == EMSGSIZE,
    }
}

/// A packet of SCTP as the stack makes it: headers, and each segment in the list.
fn listed_sctp() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(64, SCTP_HEADERS, GFP_KERNEL)?;
    let headers = skb.put(SCTP_HEADERS)?;
    headers[12] = 0x08;
    headers[ETH] = 0x45;
    headers[ETH + 9] = bindings::IPPROTO_SCTP as u8;
    append_frag_list(&mut skb, 0, 700, 2)?;
    cut_by_list(&mut skb);
    Ok(skb)
}

/// Says that each packet of the list is a segment.
fn cut_by_list(skb: &mut SkBuff) {
    let shinfo = skb.shinfo();
    // SAFETY: The packet is ours alone.
    unsafe {
        (*shinfo).gso_size = bindings::GSO_BY_FRAGS as u16;
        (*shinfo).gso_type = bindings::SKB_GSO_SCTP as u32;
    }
}

#[kunit_tests(knet_skb_forward)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_that_nobody_can_fill_in_stops_a_packet() -> Result {
        let _kind = new_device()?;
        // The field is cut off.
        let mut skb = TCP.frame(100)?;
        skb.trim(ETH + IP + TCP.check + 1)?;
        assert!(is_refused(skb));
        // The start is pulled off.
        let mut skb = TCP.frame(100)?;
        skb.pull(ETH + IP + 2)?;
        assert!(is_refused(skb));
        // It is all there.
        let mut skb = TCP.frame(100)?;
        skb.trim(ETH + IP + TCP.check + 2)?;
        assert!(!is_refused(skb));
        Ok(())
    }

    #[test]
    fn a_checksum_in_a_page_is_made_linear() -> Result {
        let _kind = new_device()?;
        let frame = TCP.frame(100)?;
        let mut skb = paged(&frame.data()[..ETH], &frame.data()[ETH..])?;
        frame.consume();
        let start = skb.headroom() + ETH + IP;
        let headers = skb.headers_mut();
        headers.set_ip_summed(bindings::CHECKSUM_PARTIAL as u8);
        headers.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::sk_buff__bindgen_ty_4__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
                csum_start: start as u16,
                csum_offset: TCP.check as u16,
            };
        let skb = forward(skb)?;
        let linear = skb.headlen();
        skb.consume();
        assert!(linear >= IP + TCP.check + 2);
        Ok(())
    }

    #[test]
    fn a_list_of_segments_goes_on_as_it_is() -> Result {
        let _kind = new_device()?;
        assert!(keeps_list(listed_tcp(WHOLE, WHOLE, 3)?)?);
        // The last one may be short. (A packet without a claim would be condensed.)
        let sock = TestSock::new()?;
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        skb.set_owner_w(sock.sk());
        skb.trim(skb.len() - 300)?;
        assert!(keeps_list(skb)?);
        Ok(())
    }

    #[test]
    fn a_list_of_another_shape_is_made_linear() -> Result {
        let _kind = new_device()?;
        // C BUGs on each of them. The head has not a whole segment.
        assert!(!keeps_list(listed_tcp(10, WHOLE, 2)?)?);
        // Members that are longer than a segment, and shorter.
        assert!(!keeps_list(listed_tcp(WHOLE, WHOLE + 1, 2)?)?);
        assert!(!keeps_list(listed_tcp(WHOLE, WHOLE - 1, 2)?)?);
        // A header that says another length than the one that was right.
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        skb.data_mut()[ETH + IP + 12] = 6 << 4;
        assert!(!keeps_list(skb)?);
        // Protocols that the segmenters skip, or do not know here.
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        skb.data_mut()[ETH + 9] = bindings::IPPROTO_UDP as u8;
        assert!(!keeps_list(skb)?);
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        skb.data_mut()[12] = 0x89;
        assert!(!keeps_list(skb)?);
        // Inside of a tunnel nobody knows.
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        skb.set_inner_network_header(ETH as isize)?;
        skb.set_inner_transport_header((ETH + IP) as isize)?;
        skb.set_encapsulation(true)?;
        assert!(!keeps_list(skb)?);
        Ok(())
    }

    #[test]
    fn a_list_of_whole_packets_goes_on_if_it_is_one() -> Result {
        let _kind = new_device()?;
        let kind = (bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_FRAGLIST) as u32;
        let mut skb = listed_tcp(WHOLE, WHOLE, 2)?;
        set_raw_type(&mut skb, kind);
        assert!(keeps_list(skb)?);
        let mut skb = listed_tcp(WHOLE - 1, WHOLE, 2)?;
        set_raw_type(&mut skb, kind);
        assert!(!keeps_list(skb)?);
        Ok(())
    }

    #[test]
    fn a_packet_of_sctp_goes_on_as_long_as_its_list_is_its_payload() -> Result {
        let _kind = new_device()?;
        assert!(keeps_list(listed_sctp()?)?);
        // C follows the list beyond its end.
        let mut skb = listed_sctp()?;
        skb.may_pull(SCTP_HEADERS + 1)?;
        assert!(is_refused(skb));
        let mut skb = listed_sctp()?;
        skb.trim(SCTP_HEADERS)?;
        assert!(is_refused(skb));
        let skb = listed_sctp()?.linearize().map_err(|failed| {
            failed.skb.consume();
            failed.error
        })?;
        assert!(is_refused(skb));
        let mut skb = listed_sctp()?;
        skb.data_mut()[ETH] = 0x46;
        assert!(is_refused(skb));
        // In a tunnel, the stack says where it is.
        for (transport, refused) in [(ETH + IP, false), (ETH + IP - 1, true)] {
            let mut skb = listed_sctp()?;
            skb.set_inner_network_header(ETH as isize)?;
            skb.set_inner_transport_header(transport as isize)?;
            skb.set_encapsulation(true)?;
            assert_eq!(is_refused(skb), refused);
        }
        Ok(())
    }

    #[test]
    fn what_the_cpu_cannot_read_is_not_copied() -> Result {
        let mut member = SkBuff::alloc(0, 8, GFP_KERNEL)?;
        member.put(8)?;
        // The mark is a lie, but C goes by it.
        let raw = member.as_ptr();
        let mut skb = TCP.frame(10)?;
        skb.frag_list_append(member).map_err(|failed| {
            failed.skb.consume();
            failed.error
        })?;
        // SAFETY: The packet is in the list, which is ours alone.
        unsafe { (*raw).__bindgen_anon_4.__bindgen_anon_1.as_mut() }.set_unreadable(1);
        let len = skb.len();
        assert!(skb.copy(GFP_KERNEL).is_err() && skb.copy_expand(0, 0, GFP_KERNEL).is_err());
        assert!(skb.may_pull(len) == Err(ENODATA));
        assert!(skb.checksum(0, len) == Err(EFAULT));
        let skb: SkBuff<Cloned> = match skb.linearize() {
            Ok(skb) => {
                skb.consume();
                return Err(EINVAL);
            }
            Err(failed) => failed.skb.into(),
        };
        assert!(skb.has_frag_list());
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_packet_without_a_list_goes_on_whatever_its_kind() -> Result {
        let _kind = new_device()?;
        assert!(!is_refused(TCP.gso(2500)?));
        let mut skb = TCP.gso(2500)?;
        set_raw_type(&mut skb, bindings::SKB_GSO_GRE as u32);
        assert!(!is_refused(skb));
        // So many segments cannot be counted.
        let mut skb = TCP.frame(65500)?;
        skb.set_gso(GsoType::Tcpv4, 1, 65500)?;
        assert!(is_refused(skb));
        Ok(())
    }
}
