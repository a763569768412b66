// SPDX-License-Identifier: GPL-2.0

//! Headers: typed access to linear and paged data, and offsets that point nowhere.

use super::packets::{
    paged_behind,
    pattern, //
};
use crate::skb::{
    EthHdr,
    SkBuff, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use zerocopy::byteorder::network_endian::U32;

/// A header of twelve bytes.
type Header = [U32; 3];

fn packet(headroom: usize, data: &[u8]) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(headroom, data.len(), GFP_KERNEL)?;
    skb.put_data(data)?;
    Ok(skb)
}

/// Says where the stack finds the headers, as C can: unchecked.
fn set_positions(skb: &SkBuff, mac: u16, network: u16, transport: u16) {
    // SAFETY: The packet is valid.
    let headers = unsafe { (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_mut() };
    headers.mac_header = mac;
    headers.network_header = network;
    headers.transport_header = transport;
}

#[kunit_tests(knet_skb_header)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_header_is_not_copied() -> Result {
        let bytes = pattern(64)?;
        let skb = packet(16, &bytes)?;
        let mut buffer = MaybeUninit::uninit();
        // At each offset, aligned or not, up to the last one that fits.
        for offset in 0..=64 - size_of::<Header>() {
            let header: Option<&Header> = skb.header_pointer(offset, &mut buffer);
            let at = header.map(|header| ptr::from_ref(header).cast::<u8>());
            assert_eq!(at, Some(skb.data()[offset..].as_ptr()));
        }
        let mut buffer = MaybeUninit::uninit();
        let third: Option<&U32> = skb.header_pointer(3, &mut buffer);
        assert_eq!(third.map(|value| value.get()), Some(0x03040506));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_header_that_is_not_whole_is_none() -> Result {
        let skb = packet(16, &[0; 20])?;
        let mut buffer = MaybeUninit::uninit();
        for offset in [
            9,
            20,
            21,
            1 << 20,
            1 << 31,
            1 << 32,
            usize::MAX / 2,
            usize::MAX - 11,
            usize::MAX,
        ] {
            let header: Option<&Header> = skb.header_pointer(offset, &mut buffer);
            assert!(header.is_none());
        }
        // One that has no bytes fits to the very end.
        assert!(skb
            .header_pointer::<[u8; 0]>(20, &mut MaybeUninit::uninit())
            .is_some());
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_header_may_lie_across_linear_and_paged_data() -> Result {
        const LINEAR: usize = 30;
        let bytes = pattern(LINEAR + 2 * PAGE_SIZE + 100)?;
        let (linear, paged) = bytes.split_at(LINEAR);
        let skb = paged_behind(16, linear, paged)?;
        let mut buffer = MaybeUninit::uninit();
        let last = bytes.len() - size_of::<Header>();
        let page = LINEAR + PAGE_SIZE;
        for offsets in [0..LINEAR + 2, page - 14..page + 2, last - 1..last + 1] {
            for offset in offsets {
                let header: Option<&[u8; 12]> = skb.header_pointer(offset, &mut buffer);
                assert_eq!(header.map(|h| &h[..]), Some(&bytes[offset..offset + 12]));
            }
        }
        let header: Option<&[u8; 12]> = skb.header_pointer(last + 1, &mut buffer);
        assert!(header.is_none());
        // Nothing was pulled.
        assert_eq!((skb.headlen(), skb.len()), (LINEAR, bytes.len()));
        skb.consume();
        Ok(())
    }

    #[test]
    fn header_mut_writes_linear_data_only() -> Result {
        let mut skb = paged_behind(0, &[0; 8], &[0; 8])?;
        let len = skb.header_mut::<U32>(3).ok_or(EINVAL)?;
        len.set(0x01020304);
        assert_eq!(skb.data(), [0, 0, 0, 1, 2, 3, 4, 0]);
        assert!(skb.header_mut::<U32>(4).is_some());
        for offset in [5, 8, 12, usize::MAX - 3, usize::MAX] {
            assert!(skb.header_mut::<U32>(offset).is_none());
        }
        skb.consume();
        Ok(())
    }

    #[test]
    fn offsets_are_counted_from_the_data() -> Result {
        let mut skb = packet(32, &[0; 60])?;
        assert_eq!((skb.mac_offset(), skb.transport_offset()), (None, None));
        assert!(skb.mac_header::<EthHdr>().is_none() && skb.transport_header::<U32>().is_none());
        skb.reset_mac_header();
        skb.set_network_header(14)?;
        skb.set_transport_header(34)?;
        skb.pull(14)?;
        assert_eq!(skb.mac_offset(), Some(-14));
        assert_eq!(skb.network_offset(), 0);
        assert_eq!(skb.transport_offset(), Some(20));
        skb.push(2)?;
        skb.reset_network_header();
        skb.reset_transport_header();
        assert_eq!((skb.network_offset(), skb.transport_offset()), (0, Some(0)));
        assert_eq!(skb.mac_offset(), Some(-12));
        skb.consume();
        Ok(())
    }

    #[test]
    fn offsets_outside_of_the_buffer_are_refused() -> Result {
        let mut skb = paged_behind(32, &[0; 60], &[0; 40])?;
        for offset in [-32, 0, 60] {
            skb.set_network_header(offset)?;
            skb.set_transport_header(offset)?;
            skb.set_inner_mac_header(offset)?;
            skb.set_inner_network_header(offset)?;
            skb.set_inner_transport_header(offset)?;
            skb.set_encapsulation(true)?;
            assert_eq!(skb.network_offset(), offset);
            assert_eq!(skb.transport_offset(), Some(offset));
            assert_eq!(skb.inner_mac_offset(), Some(offset));
            assert_eq!(skb.inner_network_offset(), Some(offset));
            assert_eq!(skb.inner_transport_offset(), Some(offset));
        }
        for offset in [-33, 61, 65536 - 32, isize::MAX, isize::MIN] {
            assert!(skb.set_mac_header(offset) == Err(EINVAL));
            assert!(skb.set_network_header(offset) == Err(EINVAL));
            assert!(skb.set_transport_header(offset) == Err(EINVAL));
            assert!(skb.set_inner_mac_header(offset) == Err(EINVAL));
            assert!(skb.set_inner_network_header(offset) == Err(EINVAL));
            assert!(skb.set_inner_transport_header(offset) == Err(EINVAL));
        }
        assert_eq!((skb.mac_offset(), skb.network_offset()), (None, 60));
        skb.consume();
        Ok(())
    }

    #[test]
    fn offsets_do_not_wrap_in_a_large_buffer() -> Result {
        let mut skb = packet(70_000, &[0; 16])?;
        skb.reset_mac_header();
        skb.reset_transport_header();
        assert_eq!((skb.mac_offset(), skb.transport_offset()), (None, None));
        assert!(skb.set_mac_header(0) == Err(EINVAL));
        // 65535 stands for none.
        assert!(skb.set_transport_header(65_535 - 70_000) == Err(EINVAL));
        skb.set_transport_header(65_534 - 70_000)?;
        assert_eq!(skb.transport_offset(), Some(65_534 - 70_000));
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_header_that_was_pulled_can_be_read() -> Result {
        let frame = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x88, 0xb5, 9];
        let mut skb = packet(3, &frame)?;
        skb.reset_mac_header();
        skb.pull(14)?;
        let eth = skb.mac_header::<EthHdr>().ok_or(EINVAL)?;
        assert_eq!((eth.h_dest, eth.h_source), ([1; 6], [2; 6]));
        assert_eq!(eth.h_proto.get(), 0x88b5);
        // The same bytes, one too many.
        assert_eq!(skb.mac_header::<[u8; 15]>(), Some(frame));
        assert!(skb.mac_header::<[u8; 16]>().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn what_was_never_written_is_not_read() -> Result {
        let mut skb = packet(32, &[1; 40])?;
        // A network header that was never set is at the start of the buffer.
        assert!(skb.network_header::<U32>().is_none());
        skb.set_network_header(-4)?;
        skb.set_transport_header(-1)?;
        assert!(skb.network_header::<U32>().is_none() && skb.transport_header::<u8>().is_none());
        assert!(skb.set_mac_header(-1) == Err(EINVAL));
        // What was pulled has been written.
        skb.reset_mac_header();
        skb.pull(14)?;
        skb.set_network_header(-4)?;
        assert_eq!(skb.network_header::<[u8; 8]>(), Some([1; 8]));
        assert!(skb.set_mac_header(-15) == Err(EINVAL));
        skb.set_mac_header(-13)?;
        assert!(skb.set_mac_header(-14) == Err(EINVAL));
        assert_eq!(skb.mac_header::<u8>(), Some(1));
        skb.consume();
        // Room that is made later was not there when the header was.
        let mut skb = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        skb.reset_mac_header();
        skb.reserve(50)?;
        assert!(skb.mac_header::<EthHdr>().is_none() && skb.mac_offset().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn headers_move_with_their_bytes_or_are_lost() -> Result {
        let frame = pattern(40)?;
        let eth = &frame[..14];
        let mut skb = packet(32, &frame)?;
        skb.reset_mac_header();
        skb.pull(14)?;
        // C copies the offset without the bytes.
        for copy in [skb.pskb_copy(GFP_KERNEL)?, skb.realloc_headroom(100)?] {
            assert_eq!(
                copy.mac_header::<[u8; 14]>().as_ref().map(|h| &h[..]),
                Some(eth)
            );
            assert!(copy.transport_offset().is_none());
            copy.consume();
        }
        let expand = |skb: SkBuff, nhead| {
            skb.expand_head(nhead, 0, GFP_KERNEL).map_err(|failed| {
                failed.skb.consume();
                failed.error
            })
        };
        // C would make an offset of the mark for none.
        let skb = expand(skb, 100)?;
        assert_eq!(
            (skb.mac_offset(), skb.transport_offset()),
            (Some(-14), None)
        );
        assert_eq!(
            skb.mac_header::<[u8; 14]>().as_ref().map(|h| &h[..]),
            Some(eth)
        );
        // And it would wrap.
        let far = skb.copy_expand(65_535, 0, GFP_KERNEL)?;
        assert!(far.mac_offset() == Some(-14));
        let copy = expand(far, 65)?;
        assert!(copy.mac_offset().is_none() && copy.mac_header::<u8>().is_none());
        copy.consume();
        let skb = expand(skb, 65_535)?;
        assert!(skb.mac_offset().is_none() && skb.mac_header::<u8>().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_header_behind_the_linear_part_is_found() -> Result {
        let bytes = pattern(200)?;
        let (linear, paged) = bytes.split_at(20);
        let mut skb = paged_behind(8, linear, paged)?;
        // Before the data, in it, and in a page, and one that lies across all three.
        skb.reset_mac_header();
        skb.set_network_header(12)?;
        skb.set_transport_header(20)?;
        skb.pull(4)?;
        let read = |range: core::ops::Range<usize>| bytes.get(range);
        assert_eq!(
            skb.mac_header::<[u8; 4]>().as_ref().map(|h| &h[..]),
            read(0..4)
        );
        assert_eq!(
            skb.mac_header::<[u8; 90]>().as_ref().map(|h| &h[..]),
            read(0..90)
        );
        assert_eq!(
            skb.network_header::<[u8; 16]>().as_ref().map(|h| &h[..]),
            read(12..28)
        );
        assert_eq!(
            skb.transport_header::<[u8; 20]>().as_ref().map(|h| &h[..]),
            read(20..40)
        );
        assert!(skb.transport_header::<[u8; 181]>().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn an_offset_that_points_nowhere_is_none() -> Result {
        let mut skb = packet(8, &[0; 40])?;
        skb.set_transport_header(20)?;
        skb.trim(23)?;
        // Its bytes are still in the buffer, but no longer in the packet.
        assert!(skb.transport_header::<U32>().is_none());
        assert!(skb.transport_header::<[u8; 3]>().is_some());
        set_positions(&skb, 65_534, 65_535, 65_000);
        assert!(skb.mac_header::<EthHdr>().is_none());
        assert!(skb.network_header::<U32>().is_none());
        assert!(skb.transport_header::<U32>().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn inner_headers_count_with_encapsulation() -> Result {
        let mut skb = packet(64, &[0; 60])?;
        skb.reset_mac_header();
        skb.set_network_header(14)?;
        skb.reset_inner_headers();
        // The transport header was never set.
        assert!(skb.set_encapsulation(true) == Err(EINVAL));
        assert!(!skb.encapsulation());
        skb.set_transport_header(34)?;
        skb.reset_inner_headers();
        assert_eq!(
            (skb.inner_mac_offset(), skb.inner_network_offset()),
            (None, None)
        );
        assert!(skb.inner_transport_offset().is_none());
        skb.set_encapsulation(true)?;
        skb.push(50)?;
        skb.reset_mac_header();
        assert_eq!(
            (skb.mac_offset(), skb.inner_mac_offset()),
            (Some(0), Some(50))
        );
        assert_eq!(skb.inner_network_offset(), Some(64));
        assert_eq!(skb.inner_transport_offset(), Some(84));
        skb.set_encapsulation(false)?;
        assert!(skb.inner_mac_offset().is_none());
        skb.set_encapsulation(true)?;
        // There may be none yet to become the inner ones.
        skb.reset_inner_headers();
        assert!(!skb.encapsulation());
        // Cut off.
        skb.trim(70)?;
        assert!(skb.set_encapsulation(true) == Err(EINVAL));
        skb.consume();
        Ok(())
    }
}
