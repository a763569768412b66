// SPDX-License-Identifier: GPL-2.0

//! Frames that stand for many.

use crate::{
    bindings,
    skb::{
        GsoType,
        SkBuff, //
        Skb,
        TxMeta,
        Wsum,
    },
};
use core::mem::ManuallyDrop;
use kernel::prelude::*;

pub(crate) const SIZE: u16 = 1000;
pub(crate) const ETH: usize = 14;
pub(crate) const IP: usize = 20;
const ADDRESSES: [u8; 8] = [10, 0, 0, 1, 10, 0, 0, 2];

/// A transport protocol, and where its header has what.
#[derive(Clone, Copy)]
pub(crate) struct Transport {
    kind: GsoType,
    protocol: u8,
    header: usize,
    /// Where its checksum is.
    pub(crate) check: usize,
}

pub(crate) const TCP: Transport = Transport {
    kind: GsoType::Tcpv4,
    protocol: 6,
    header: 20,
    check: 16,
};

pub(crate) const UDP: Transport = Transport {
    kind: GsoType::UdpL4,
    protocol: 17,
    header: 8,
    check: 6,
};

impl Transport {
    /// Bytes of all headers.
    pub(crate) fn headers(self) -> usize {
        ETH + IP + self.header
    }

    /// The sum of the pseudo header of `len` bytes.
    fn pseudo(self, len: usize) -> Wsum {
        Wsum::of(&ADDRESSES) + Wsum::of(&[0, self.protocol]) + Wsum::of(&(len as u16).to_be_bytes())
    }

    /// A frame with `payload` bytes that count up, its checksum left to the device.
    pub(crate) fn frame(self, payload: usize) -> Result<SkBuff> {
        let mut skb = SkBuff::alloc(64, payload, GFP_KERNEL)?;
        for (i, byte) in skb.put(payload)?.iter_mut().enumerate() {
            *byte = value(i);
        }
        let len = self.header + payload;
        let check = self.pseudo(len).fold().map(|byte| !byte);
        let header = skb.push(self.header)?;
        if self.protocol == TCP.protocol {
            // The data offset, and the flags PSH and ACK.
            header[12..14].copy_from_slice(&[5 << 4, 0x18]);
        } else {
            header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
        }
        header[..4].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]);
        header[self.check..][..2].copy_from_slice(&check);
        skb.set_csum_partial(0, self.check)?;
        let ip = skb.push(IP)?;
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&((IP + len) as u16).to_be_bytes());
        ip[8] = 64;
        ip[9] = self.protocol;
        ip[12..].copy_from_slice(&ADDRESSES);
        skb.reset_network_header();
        skb.push(ETH)?[12..].copy_from_slice(&[0x08, 0x00]);
        skb.set_tx_meta(&TxMeta {
            protocol: bindings::ETH_P_IP as u16,
            ..TxMeta::default()
        });
        Ok(skb)
    }

    /// As `frame`, to be cut into segments of `SIZE`.
    pub(crate) fn gso(self, payload: usize) -> Result<SkBuff> {
        let mut skb = self.frame(payload)?;
        skb.set_gso(self.kind, SIZE, payload)?;
        Ok(skb)
    }

    /// Whether `skb` is a right frame with the payload from `from` on.
    pub(crate) fn is_segment(self, skb: &Skb, from: usize, len: usize) -> bool {
        let (headers, payload) = match skb.data().split_at_checked(self.headers()) {
            Some(split) if skb.data_len() == 0 && !skb.is_gso() => split,
            _ => return false,
        };
        let (ip, transport) = (&headers[ETH..ETH + IP], &skb.data()[ETH + IP..]);
        let place = if self.protocol == TCP.protocol {
            // The sequence number.
            transport[4..8] == (from as u32).to_be_bytes()
        } else {
            transport[4..6] == (transport.len() as u16).to_be_bytes()
        };
        place
            && payload.len() == len
            && payload
                .iter()
                .enumerate()
                .all(|(i, byte)| *byte == value(from + i))
            && ip[2..4] == ((IP + transport.len()) as u16).to_be_bytes()
            && Wsum::of(ip).fold() == [0; 2]
            && (Wsum::of(transport) + self.pseudo(transport.len())).fold() == [0; 2]
    }
}

fn value(i: usize) -> u8 {
    (i * 7 + i / 256) as u8
}

/// Sets `gso_type` to what safe code cannot set it to, but a packet from the stack may have.
pub(crate) fn set_raw_type(skb: &mut SkBuff, kind: u32) {
    // SAFETY: The packet is ours alone.
    unsafe { (*skb.shinfo()).gso_type = kind };
}

/// Appends packets with payload from `from` on, of `len` bytes each, as the fragment list.
pub(crate) fn append_frag_list(
    skb: &mut SkBuff,
    mut from: usize,
    len: usize,
    count: usize,
) -> Result {
    // SAFETY: The packet is ours alone, here and below; it frees the members of its list.
    let mut link = unsafe { &raw mut (*skb.shinfo()).frag_list };
    for _ in 0..count {
        let mut member = SkBuff::alloc(64, len, GFP_KERNEL)?;
        // Its headers were pulled.
        member.set_network_header(-((IP + TCP.header) as isize))?;
        for byte in member.put(len)? {
            *byte = value(from);
            from += 1;
        }
        let raw = skb.raw_mut();
        raw.len += len as u32;
        raw.data_len += len as u32;
        raw.truesize += member.truesize();
        let member = ManuallyDrop::new(member).as_ptr();
        // SAFETY: As above.
        unsafe {
            *link = member;
            link = &raw mut (*member).__bindgen_anon_1.__bindgen_anon_1.next;
        }
    }
    Ok(())
}

/// A TCP packet with `head` bytes of payload, and `count` packets with `len` each in its list, to
/// be cut into segments of `SIZE`.
pub(crate) fn listed_tcp(head: usize, len: usize, count: usize) -> Result<SkBuff> {
    let payload = head + count * len;
    let mut skb = TCP.frame(payload)?;
    skb.trim(TCP.headers() + head)?;
    append_frag_list(&mut skb, head, len, count)?;
    skb.set_gso(GsoType::Tcpv4, SIZE, payload)?;
    Ok(skb)
}
