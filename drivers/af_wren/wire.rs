// SPDX-License-Identifier: GPL-2.0

//! What is in a frame: `struct wrenhdr`, see `include/uapi/linux/wren.h`, and the payload.

#[cfg(CONFIG_KUNIT)]
use kernel::prelude::*;
use knet::skb::{
    DropReason,
    Wsum, //
};

/// Bytes of a `struct wrenhdr`.
pub(crate) const SIZE: usize = 12;

/// `WREN_VERSION`
const VERSION: u8 = 1;

/// `WREN_TYPE_DGRAM`
const DGRAM: u8 = 1;

/// Where the checksum is in the header.
const CHECK: usize = 8;

/// The header of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) source: u16,
    pub(crate) dest: u16,
    /// Bytes of payload.
    pub(crate) len: u16,
    /// There is a checksum. It is not checked here.
    pub(crate) check: bool,
}

impl Header {
    /// Reads the header at the start of `frame`.
    ///
    /// # Errors
    ///
    /// Why the frame has to be dropped: it is too short, or not a datagram of this version.
    #[inline]
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, DropReason> {
        let Some([version, kind, s0, s1, d0, d1, l0, l1, c0, c1, zero @ ..]) =
            frame.first_chunk::<SIZE>()
        else {
            return Err(DropReason::PKT_TOO_SMALL);
        };
        if (*version, *kind, *zero) != (VERSION, DGRAM, [0; 2]) {
            return Err(DropReason::UNHANDLED_PROTO);
        }
        Ok(Self {
            source: u16::from_be_bytes([*s0, *s1]),
            dest: u16::from_be_bytes([*d0, *d1]),
            len: u16::from_be_bytes([*l0, *l1]),
            check: [*c0, *c1] != [0; 2],
        })
    }

    /// Returns the header as it goes on the wire, less the checksum.
    #[inline]
    pub(crate) fn to_bytes(self) -> [u8; SIZE] {
        let [s0, s1] = self.source.to_be_bytes();
        let [d0, d1] = self.dest.to_be_bytes();
        let [l0, l1] = self.len.to_be_bytes();
        [VERSION, DGRAM, s0, s1, d0, d1, l0, l1, 0, 0, 0, 0]
    }

    /// Returns the header with the checksum in it: over the header and `payload`.
    #[inline]
    pub(crate) fn to_bytes_with(self, payload: Wsum) -> [u8; SIZE] {
        let mut bytes = self.to_bytes();
        let check = match (Wsum::of_header(&bytes) + payload).fold() {
            // Zero says that there is none; this is zero, too.
            [0, 0] => [0xff; 2],
            check => check,
        };
        bytes[CHECK..CHECK + 2].copy_from_slice(&check);
        bytes
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(af_wren_wire)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        source: 0x1122,
        dest: 0x3344,
        len: 5,
        check: false,
    };

    #[test]
    fn layout_is_that_of_the_uapi_header() {
        assert_eq!(
            HEADER.to_bytes(),
            [1, 1, 0x11, 0x22, 0x33, 0x44, 0, 5, 0, 0, 0, 0]
        );
        assert!(Header::parse(&HEADER.to_bytes()) == Ok(HEADER));
    }

    #[test]
    fn a_checksum_is_any_value_but_zero() {
        for n in [CHECK, CHECK + 1] {
            let mut frame = HEADER.to_bytes();
            frame[n] = 1;
            let check = true;
            assert!(Header::parse(&frame) == Ok(Header { check, ..HEADER }));
        }
    }

    #[test]
    fn checksum_is_over_header_and_payload() {
        for payload in [&b""[..], b"a", b"ab", b"hello, world"] {
            let payload = Wsum::of(payload);
            let bytes = HEADER.to_bytes_with(payload);
            assert_eq!((Wsum::of(&bytes) + payload).fold(), [0; 2]);
            assert!(Header::parse(&bytes).is_ok_and(|header| header.check));
        }
        // What makes the sum of all 0xffff, so that its complement is zero.
        let rest = (Wsum::of(&HEADER.to_bytes())).fold();
        let bytes = HEADER.to_bytes_with(Wsum::of(&rest));
        assert_eq!(bytes[CHECK..CHECK + 2], [0xff; 2]);
    }

    #[test]
    fn other_frames_are_refused() {
        let good = HEADER.to_bytes();
        assert!(Header::parse(&good[..SIZE - 1]) == Err(DropReason::PKT_TOO_SMALL));
        // Version, type, and the two bytes that have to be zero.
        for n in [0, 1, 10, 11] {
            let mut bad = good;
            bad[n] ^= 0x80;
            assert!(Header::parse(&bad) == Err(DropReason::UNHANDLED_PROTO));
        }
    }
}
