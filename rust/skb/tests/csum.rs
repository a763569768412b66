// SPDX-License-Identifier: GPL-2.0

//! Checksums: what is said about them stays true, and what cannot be is refused.

use super::user::{
    kernel_iter,
    User,
    PAGE_SIZE, //
};
use crate::{
    bindings,
    netdev::NetDevice,
    skb::{
        Cloned,
        GsoType,
        IpSummed,
        SkBuff,
        Wsum, //
    }, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Bytes of many values, the first of which make an even header.
const DATA: [u8; 64] = {
    let mut data = [0; 64];
    let mut i = 0;
    while i < data.len() {
        data[i] = (i as u8).wrapping_mul(37).wrapping_add(11);
        i += 1;
    }
    data
};

fn packet(data: &[u8]) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(32, data.len(), GFP_KERNEL)?;
    skb.put_data(data)?;
    Ok(skb)
}

/// A packet whose first two bytes are its checksum, over all of it and `pseudo`.
fn summed(pseudo: Wsum) -> Result<SkBuff> {
    let mut skb = packet(&DATA)?;
    skb.data_mut()[..2].fill(0);
    let sum = (Wsum::of(skb.data()) + pseudo).fold();
    skb.data_mut()[..2].copy_from_slice(&sum);
    Ok(skb)
}

fn partial(start: i32, offset: u16) -> IpSummed {
    IpSummed::Partial { start, offset }
}

/// Whether `skb` says that its sum is known, and it is that of its data.
fn is_complete(skb: &SkBuff) -> bool {
    match skb.ip_summed() {
        IpSummed::Complete(sum) => sum.fold() == Wsum::of(skb.data()).fold(),
        _ => false,
    }
}

#[kunit_tests(knet_skb_csum)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_rfc_1071() {
        // The example of the RFC, whose sum is ddf2.
        let sum = Wsum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), [!0xdd, !0xf2]);
        assert_eq!(Wsum::ZERO.fold(), [0xff, 0xff]);
        // A sum over a right checksum is zero.
        assert_eq!((sum + Wsum::of(&sum.fold())).fold(), [0, 0]);
        // An odd number of bytes is followed by a zero.
        assert_eq!(Wsum::of(&[1]).fold(), Wsum::of(&[1, 0]).fold());
    }

    #[test]
    fn a_header_has_the_sum_of_its_bytes() {
        assert_eq!(Wsum::of_header(&[]), Wsum::ZERO);
        let header: [u8; 20] = DATA[..20].try_into().unwrap_or_default();
        assert_eq!(
            Wsum::of_header(&header).fold(),
            Wsum::of(&DATA[..20]).fold()
        );
        assert_eq!(Wsum::of_header(&[0xff; 64]).fold(), [0, 0]);
    }

    #[test]
    fn what_is_copied_is_summed_up() -> Result {
        for len in [0, 1, 7, 64] {
            let mut skb = SkBuff::alloc(0, 64, GFP_KERNEL)?;
            let sum = kernel_iter(&DATA, |from| skb.put_iter_csum(from, len))?;
            assert_eq!(skb.data(), &DATA[..len]);
            assert_eq!(sum.fold(), Wsum::of(&DATA[..len]).fold());
            skb.consume();
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_copied_is_not_there() -> Result {
        let mut user = User::new(&[7; 2 * PAGE_SIZE])?;
        user.unmap(PAGE_SIZE)?;
        let mut skb = SkBuff::alloc(0, 6000, GFP_KERNEL)?;
        skb.put_data(b"head")?;
        let result = user.iter(6000, |from| skb.put_iter_csum(from, 5000))?;
        assert_eq!((result, skb.data()), (Err(EFAULT), &b"head"[..]));
        let more = skb.tailroom() + 1;
        let result = user.iter(more, |from| skb.put_iter_csum(from, more))?;
        assert!(result == Err(ENOSPC));
        let sum = user.iter(100, |from| skb.put_iter_csum(from, 99))??;
        assert_eq!(sum.fold(), Wsum::of(&[7; 99]).fold());
        assert_eq!(skb.len(), 103);
        skb.consume();
        Ok(())
    }

    #[test]
    fn blocks_are_added_and_taken_off_wherever_they_are() {
        let whole = Wsum::of(&DATA);
        for at in [1, 8, 13, 64] {
            let (front, back) = (Wsum::of(&DATA[..at]), Wsum::of(&DATA[at..]));
            assert_eq!(front.block_add(back, at).fold(), whole.fold());
            assert_eq!(whole.block_sub(back, at).fold(), front.fold());
        }
    }

    #[test]
    fn what_is_set_is_what_is_read() -> Result {
        let mut skb = packet(&DATA)?;
        assert_eq!(skb.ip_summed(), IpSummed::None);
        assert!(!skb.csum_unnecessary());
        skb.set_csum_unnecessary(3)?;
        assert_eq!(skb.ip_summed(), IpSummed::Unnecessary { level: 3 });
        assert!(skb.csum_unnecessary());
        assert!(skb.set_csum_unnecessary(4) == Err(EINVAL));
        skb.set_csum_complete(Wsum::of(&DATA));
        assert_eq!(skb.ip_summed(), IpSummed::Complete(Wsum::of(&DATA)));
        assert!(!skb.csum_unnecessary());
        skb.set_csum_partial(8, 6)?;
        assert_eq!(skb.ip_summed(), partial(8, 6));
        assert!(skb.csum_unnecessary());
        skb.pull(10)?;
        assert_eq!(skb.ip_summed(), partial(-2, 6));
        assert!(!skb.csum_unnecessary());
        skb.set_csum_none();
        assert_eq!(skb.ip_summed(), IpSummed::None);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_partial_checksum_lies_in_the_packet() -> Result {
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(40, 22)?;
        for (start, offset) in [(40, 23), (64, 0), (0, 63), (usize::MAX, 3), (3, usize::MAX)] {
            assert!(skb.set_csum_partial(start, offset) == Err(EINVAL));
        }
        // What was there before is still there.
        assert_eq!(skb.ip_summed(), partial(40, 22));
        skb.consume();
        // An offset from the start of the buffer has 16 bits.
        let mut skb = SkBuff::alloc(usize::from(u16::MAX) - 4, 64, GFP_KERNEL)?;
        skb.put(64)?;
        assert!(skb.set_csum_partial(4, 0) == Err(EINVAL));
        assert!(skb.set_csum_partial(3, 0).is_ok());
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_range_is_summed_up_and_no_more_than_there_is() -> Result {
        let skb = packet(&DATA)?;
        assert_eq!(skb.checksum(0, 64)?.fold(), Wsum::of(&DATA).fold());
        assert_eq!(skb.checksum(5, 9)?.fold(), Wsum::of(&DATA[5..14]).fold());
        assert_eq!(skb.checksum(64, 0)?.fold(), Wsum::ZERO.fold());
        for (offset, len) in [(0, 65), (1, 64), (65, 0), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(skb.checksum(offset, len) == Err(ENODATA));
        }
        skb.consume();
        Ok(())
    }

    #[test]
    fn help_fills_in_what_was_left_to_the_device() -> Result {
        let mut skb = packet(&DATA)?;
        let pseudo = Wsum::of(b"pseudo");
        // The field has the sum of the pseudo header, not complemented.
        let field: [u8; 2] = pseudo.fold().map(|byte| !byte);
        skb.data_mut()[14..16].copy_from_slice(&field);
        skb.set_csum_partial(8, 6)?;
        skb.checksum_help()?;
        assert_eq!(skb.ip_summed(), IpSummed::None);
        // The receiver sums up the pseudo header and all bytes, the checksum included.
        assert_eq!((skb.checksum(8, 56)? + pseudo).fold(), [0, 0]);
        assert_eq!(skb.data()[..14], DATA[..14]);
        assert_eq!(skb.data()[16..], DATA[16..]);
        // There is nothing left to do.
        let after = skb.data()[14];
        skb.checksum_help()?;
        assert_eq!(skb.data()[14], after);
        skb.consume();
        Ok(())
    }

    #[test]
    fn help_leaves_a_clones_data_alone() -> Result {
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(0, 0)?;
        let mut skb: SkBuff<Cloned> = skb.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        skb.checksum_help()?;
        assert_eq!(clone.data(), DATA);
        assert!(skb.data()[..2] != DATA[..2]);
        clone.consume();
        skb.consume();
        Ok(())
    }

    #[test]
    fn help_refuses_what_c_warns_of() -> Result {
        // Cut, so that the field is gone.
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(8, 6)?;
        skb.trim(15)?;
        assert!(skb.checksum_help() == Err(EINVAL));
        skb.trim(7)?;
        assert!(skb.checksum_help() == Err(EINVAL));
        skb.consume();
        // The start is gone.
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(8, 6)?;
        skb.pull(9)?;
        assert!(skb.checksum_help() == Err(EINVAL));
        skb.consume();
        // It has to be segmented first.
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(8, 6)?;
        skb.set_gso(GsoType::UdpL4, 8, 32)?;
        assert!(skb.checksum_help() == Err(EINVAL));
        assert!(matches!(skb.ip_summed(), IpSummed::Partial { .. }));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_received_checksum_is_checked() -> Result {
        let pseudo = Wsum::of(b"pseudo");
        // Nothing is known: it is computed.
        let mut skb = summed(pseudo)?;
        skb.checksum_validate(|_| pseudo)?;
        assert!(skb.csum_unnecessary());
        assert!(is_complete(&skb));
        skb.consume();
        let mut skb = summed(pseudo)?;
        skb.data_mut()[63] ^= 1;
        assert!(skb.checksum_validate(|_| pseudo) == Err(EBADMSG));
        assert!(!skb.csum_unnecessary());
        skb.consume();
        // The device has the sum.
        let mut skb = summed(pseudo)?;
        skb.set_csum_complete(Wsum::of(skb.data()));
        skb.checksum_validate(|_| pseudo)?;
        assert!(skb.csum_unnecessary());
        skb.consume();
        // It has that of a packet that is wrong.
        let mut skb = summed(pseudo)?;
        skb.data_mut()[63] ^= 1;
        skb.set_csum_complete(Wsum::of(skb.data()));
        assert!(skb.checksum_validate(|_| pseudo) == Err(EBADMSG));
        assert!(!skb.csum_unnecessary());
        skb.consume();
        // It has a wrong one, and the packet is right.
        let mut skb = summed(pseudo)?;
        skb.set_csum_complete(Wsum::of(b"wrong"));
        skb.checksum_validate(|_| pseudo)?;
        assert!(skb.csum_unnecessary() && is_complete(&skb));
        skb.consume();
        Ok(())
    }

    #[test]
    fn each_level_vouches_for_one_header() -> Result {
        let mut skb = packet(&DATA)?;
        let wrong = |skb: &mut SkBuff| skb.checksum_validate(|_| Wsum::ZERO);
        skb.set_csum_unnecessary(1)?;
        wrong(&mut skb)?;
        assert_eq!(skb.ip_summed(), IpSummed::Unnecessary { level: 0 });
        wrong(&mut skb)?;
        assert_eq!(skb.ip_summed(), IpSummed::None);
        assert!(wrong(&mut skb) == Err(EBADMSG));
        skb.consume();
        Ok(())
    }

    #[test]
    fn pull_push_and_trim_keep_the_sum_right() -> Result {
        let mut skb = packet(&DATA)?;
        skb.set_csum_complete(Wsum::of(&DATA));
        skb.pull_rcsum(4)?;
        assert!(is_complete(&skb));
        skb.pull_rcsum(3)?;
        assert!(is_complete(&skb));
        skb.trim_rcsum(50)?;
        assert!(is_complete(&skb) && skb.len() == 50);
        skb.trim_rcsum(33)?;
        assert!(is_complete(&skb) && skb.len() == 33);
        skb.trim_rcsum(100)?;
        assert_eq!(skb.len(), 33);
        skb.push_rcsum(b"four")?;
        assert!(is_complete(&skb) && &skb.data()[..5] == b"four\x0e");
        skb.push_rcsum(b"odd")?;
        assert!(is_complete(&skb));
        // Bounds are those of the functions without a sum.
        assert!(skb.pull_rcsum(skb.len() + 1) == Err(ENODATA));
        assert!(skb.push_rcsum(&[0; 128]) == Err(ENOSPC));
        assert!(is_complete(&skb));
        // Plain ones do not keep it.
        skb.pull(4)?;
        assert!(!is_complete(&skb));
        skb.consume();
        Ok(())
    }

    #[test]
    fn what_is_left_to_the_device_is_not_cut_off() -> Result {
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(8, 6)?;
        assert!(skb.trim_rcsum(15) == Err(EINVAL));
        assert_eq!(skb.len(), 64);
        skb.trim_rcsum(16)?;
        skb.pull_rcsum(8)?;
        assert_eq!(skb.ip_summed(), partial(0, 6));
        skb.pull_rcsum(1)?;
        assert_eq!(skb.ip_summed(), IpSummed::None);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_device_gets_no_checksum_that_it_cannot_do() -> Result {
        let mut skb = packet(&DATA)?;
        skb.set_csum_partial(8, 6)?;
        skb.trim(15)?;
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
