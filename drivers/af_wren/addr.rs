// SPDX-License-Identifier: GPL-2.0

//! `struct sockaddr_wren`, see `include/uapi/linux/wren.h`.

use kernel::prelude::*;

/// Bytes of a `struct sockaddr_wren`.
pub(crate) const SIZE: usize = 16;

/// An address of a socket.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub(crate) port: u16,
    /// 0 for any or the bound interface.
    pub(crate) ifindex: i32,
    pub(crate) mac: [u8; 6],
}

impl Address {
    /// Reads an address that a program has passed.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is too short or has something where zeroes belong, `EAFNOSUPPORT` if it is of
    /// another family.
    pub(crate) fn parse(bytes: &[u8], family: u16) -> Result<Self> {
        let Some([f0, f1, p0, p1, i0, i1, i2, i3, mac @ .., z0, z1]) = bytes.first_chunk::<SIZE>()
        else {
            return Err(EINVAL);
        };
        if u16::from_ne_bytes([*f0, *f1]) != family {
            return Err(EAFNOSUPPORT);
        }
        if [*z0, *z1] != [0, 0] {
            return Err(EINVAL);
        }
        Ok(Self {
            port: u16::from_be_bytes([*p0, *p1]),
            ifindex: i32::from_ne_bytes([*i0, *i1, *i2, *i3]),
            mac: *mac,
        })
    }

    /// Whether all of the segment is meant.
    #[inline]
    pub(crate) fn is_broadcast(&self) -> bool {
        self.mac == [0xff; 6]
    }

    /// Returns the address as a program gets it.
    pub(crate) fn to_bytes(self, family: u16) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..2].copy_from_slice(&family.to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.port.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.ifindex.to_ne_bytes());
        bytes[8..14].copy_from_slice(&self.mac);
        bytes
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(af_wren_addr)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address {
        port: 0x1234,
        ifindex: 7,
        mac: [2, 0, 0, 0, 0, 1],
    };

    #[test]
    fn what_is_written_is_read() {
        let bytes = ADDRESS.to_bytes(18);
        assert_eq!(bytes[2..4], [0x12, 0x34]);
        assert!(Address::parse(&bytes, 18) == Ok(ADDRESS));
        // A longer one is a sockaddr_storage.
        let mut storage = [0xff; 128];
        storage[..SIZE].copy_from_slice(&bytes);
        assert!(Address::parse(&storage, 18) == Ok(ADDRESS));
    }

    #[test]
    fn foreign_addresses_are_refused() {
        let bytes = ADDRESS.to_bytes(18);
        assert!(Address::parse(&bytes[..SIZE - 1], 18) == Err(EINVAL));
        assert!(Address::parse(&[], 18) == Err(EINVAL));
        assert!(Address::parse(&bytes, 17) == Err(EAFNOSUPPORT));
        for n in [14, 15] {
            let mut bytes = bytes;
            bytes[n] = 1;
            assert!(Address::parse(&bytes, 18) == Err(EINVAL));
        }
    }
}
