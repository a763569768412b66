// SPDX-License-Identifier: GPL-2.0

//! Checksums: what is known about them, and who still has to do what.
//!
//! `skb->ip_summed` means one thing on the way up and another on the way down, see [`IpSummed`] and
//! the long comment in C.
//!
//! With [`IpSummed::Complete`] the packet carries the sum of all its bytes, so a step that takes
//! bytes away has to take them off the sum, too: [`SkBuff::pull_rcsum`] and [`SkBuff::trim_rcsum`]
//! do that, [`SkBuff::pull`] and [`SkBuff::trim`] do not. Use the former on received packets whose
//! checksum somebody above still wants; a driver that sets the sum after it has taken its own
//! header off, and all of the transmit side, need them not.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::{
    FrontMovable,
    HeaderWritable,
    Private,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::ops::Add;
use kernel::{
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};

/// A sum of 16-bit words that is not folded yet: `__wsum`.
///
/// It is in the order of bytes in memory, so nothing has to be swapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wsum(u32);

impl Wsum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// Sums up `bytes`. If their number is odd, a zero follows.
    ///
    /// C: [`csum_partial`](srctree/lib/checksum.c)
    pub fn of(bytes: &[u8]) -> Self {
        // C takes the length as an `int`. Only the last chunk may be odd.
        const CHUNK: usize = 1 << 30;

        bytes.chunks(CHUNK).fold(Self::ZERO, |sum, chunk| {
            // SAFETY: The bytes are there.
            Self(unsafe {
                bindings::csum_partial(chunk.as_ptr().cast(), chunk.len() as c_int, sum.0)
            })
        })
    }

    /// Sums up a header, whose length is known when the code is compiled and even: no call.
    #[inline]
    pub const fn of_header<const N: usize>(header: &[u8; N]) -> Self {
        const {
            assert!(N % 2 == 0 && N <= 1 << 16);
        }
        let (mut sum, mut i) = (0u32, 0);
        while i < N {
            sum = sum.wrapping_add(u16::from_ne_bytes([header[i], header[i + 1]]) as u32);
            i += 2;
        }
        Self(sum)
    }

    /// Adds the sum of a block that begins `offset` bytes behind the start of this one.
    ///
    /// C: [`csum_block_add`](srctree/include/net/checksum.h)
    #[inline]
    pub const fn block_add(self, block: Self, offset: usize) -> Self {
        let (sum, carry) = self.0.overflowing_add(block.shift(offset).0);
        Self(sum + carry as u32)
    }

    /// Takes off the sum of a block that begins `offset` bytes behind the start of this one.
    ///
    /// C: [`csum_block_sub`](srctree/include/net/checksum.h)
    #[inline]
    pub const fn block_sub(self, block: Self, offset: usize) -> Self {
        self.block_add(Self(!block.0), offset)
    }

    /// Lets the bytes change places if they are an odd number of bytes away: `csum_shift`.
    #[inline]
    const fn shift(self, offset: usize) -> Self {
        if offset % 2 == 0 {
            self
        } else {
            Self(self.0.rotate_right(8))
        }
    }

    /// Folds the sum to 16 bits and complements it: the bytes of a checksum field. They are zero if
    /// the sum was over a right checksum, too.
    ///
    /// C: [`csum_fold`](srctree/include/asm-generic/checksum.h)
    #[inline]
    pub const fn fold(self) -> [u8; 2] {
        let sum = (self.0 & 0xffff) + (self.0 >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        (!sum as u16).to_ne_bytes()
    }
}

impl Add for Wsum {
    type Output = Self;

    /// Adds the sum of bytes that are an even number of bytes away.
    ///
    /// C: [`csum_add`](srctree/include/net/checksum.h)
    #[inline]
    fn add(self, other: Self) -> Self {
        self.block_add(other, 0)
    }
}

/// What is known about the checksums of a packet: `skb->ip_summed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpSummed {
    /// Received: nothing was checked. Sent: nothing is to be done. `CHECKSUM_NONE`.
    None,
    /// Received: the checksums of `level + 1` headers were checked and are right. Sent: as `None`.
    /// `CHECKSUM_UNNECESSARY`.
    Unnecessary {
        /// `skb->csum_level`, at most 3.
        level: u8,
    },
    /// Received: the sum of all bytes of the packet. Nothing was compared. `CHECKSUM_COMPLETE`.
    Complete(Wsum),
    /// Sent: whoever sends it sums up all bytes from `start` on and puts the checksum `offset`
    /// bytes behind `start`, where the sum of the pseudo header is now. Received: the packet comes
    /// from this host and is right. `CHECKSUM_PARTIAL`.
    Partial {
        /// `skb_checksum_start_offset()`: from the start of the data. Negative if that has been
        /// pulled off.
        start: i32,
        /// `skb->csum_offset`
        offset: u16,
    },
}

/// The size of a checksum field.
const FIELD: usize = size_of::<bindings::__sum16>();

impl Skb {
    #[inline(always)]
    fn csum(&self) -> Wsum {
        // SAFETY: All bit patterns are valid, whatever of the union was written.
        Wsum(unsafe { self.headers().__bindgen_anon_1.csum })
    }

    /// Where the sum of a `CHECKSUM_PARTIAL` starts, from the start of the data, and where its
    /// field is from there.
    #[inline(always)]
    fn partial(&self) -> (i32, u16) {
        // SAFETY: As in `csum`.
        let partial = unsafe { self.headers().__bindgen_anon_1.__bindgen_anon_1 };
        let start = i32::from(partial.csum_start) - self.headroom() as i32;
        (start, partial.csum_offset)
    }

    /// What is known about the checksums of the packet.
    #[inline]
    pub fn ip_summed(&self) -> IpSummed {
        let headers = self.headers();
        match u32::from(headers.ip_summed()) {
            bindings::CHECKSUM_UNNECESSARY => IpSummed::Unnecessary {
                level: headers.csum_level(),
            },
            bindings::CHECKSUM_COMPLETE => IpSummed::Complete(self.csum()),
            bindings::CHECKSUM_PARTIAL => {
                let (start, offset) = self.partial();
                IpSummed::Partial { start, offset }
            }
            _ => IpSummed::None,
        }
    }

    /// Whether the sender's device, or whoever is the last to have the packet, has to fill in a
    /// checksum.
    #[inline(always)]
    pub(super) fn is_partial(&self) -> bool {
        u32::from(self.headers().ip_summed()) == bindings::CHECKSUM_PARTIAL
    }

    /// Whether the field of a `CHECKSUM_PARTIAL` is in the linear data. C warns where it is not,
    /// and that may be long after the packet was cut.
    #[inline(always)]
    pub(super) fn partial_is_sound(&self) -> bool {
        let (start, offset) = self.partial();
        start >= 0 && start as usize + usize::from(offset) + FIELD <= self.headlen()
    }

    /// Whether a received packet needs no check: `skb_csum_unnecessary`.
    ///
    /// C: [`skb_csum_unnecessary`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn csum_unnecessary(&self) -> bool {
        match self.ip_summed() {
            IpSummed::Unnecessary { .. } => true,
            IpSummed::Partial { start, .. } if start >= 0 => true,
            _ => self.headers().csum_valid() != 0,
        }
    }

    /// Sums up `len` bytes from `offset` on, wherever they are: `skb_checksum`.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the packet is shorter, `EFAULT` if the CPU cannot read its fragments.
    ///
    /// C: [`skb_checksum`](srctree/net/core/skbuff.c)
    pub fn checksum(&self, offset: usize, len: usize) -> Result<Wsum> {
        // C BUGs if the packet is shorter.
        if len > self.len() || offset > self.len() - len {
            return Err(ENODATA);
        }
        self.check_readable()?;
        // SAFETY: The packet is valid and has these bytes; the length of a packet is below 2^31.
        Ok(Wsum(unsafe {
            bindings::skb_checksum(self.as_ptr(), offset as c_int, len as c_int, 0)
        }))
    }

    /// Fails with `EFAULT` if there are bytes that the CPU cannot read: memory of a device.
    #[inline]
    pub(super) fn check_readable(&self) -> Result {
        if self.data_len() != 0 && !self.frags_readable() {
            return Err(EFAULT);
        }
        Ok(())
    }
}

impl<S: State> SkBuff<S> {
    /// Makes the field of a `CHECKSUM_PARTIAL` linear, if the packet still has it.
    #[cold]
    pub(super) fn pull_partial(&mut self) -> Result {
        let (start, offset) = self.partial();
        self.may_pull(usize::try_from(start)? + usize::from(offset) + FIELD)?;
        Ok(())
    }

    #[inline(always)]
    fn set_ip_summed(&mut self, value: u32) {
        self.headers_mut().set_ip_summed(value as u8);
    }

    /// Says that nothing is known, or nothing to be done.
    #[inline]
    pub fn set_csum_none(&mut self) {
        self.set_ip_summed(bindings::CHECKSUM_NONE);
    }

    /// Says that a device has checked the checksums of `level + 1` headers, and that they are
    /// right.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `level` is more than 3.
    #[inline]
    pub fn set_csum_unnecessary(&mut self, level: u8) -> Result {
        if u32::from(level) > bindings::SKB_MAX_CSUM_LEVEL {
            return Err(EINVAL);
        }
        self.set_ip_summed(bindings::CHECKSUM_UNNECESSARY);
        self.headers_mut().set_csum_level(level);
        Ok(())
    }

    /// Says that a device has summed up all bytes of the packet, from the present start of the data
    /// on.
    #[inline]
    pub fn set_csum_complete(&mut self, sum: Wsum) {
        self.set_ip_summed(bindings::CHECKSUM_COMPLETE);
        let headers = self.headers_mut();
        headers.set_csum_valid(0);
        headers.set_csum_complete_sw(0);
        headers.__bindgen_anon_1.csum = sum.0;
    }

    /// Leaves a checksum to the device: over all bytes from `start` on, into the field `offset`
    /// bytes behind `start`. There has to be the folded sum of the pseudo header, without the
    /// complement. The transport header is taken to be at `start`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the field is not in the linear data, or too far from the start of the buffer.
    ///
    /// C: [`skb_partial_csum_set`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn set_csum_partial(&mut self, start: usize, offset: usize) -> Result {
        let headlen = self.headlen();
        if start > headlen || offset > headlen || start + offset + FIELD > headlen {
            return Err(EINVAL);
        }
        let csum_start = self.headroom() + start;
        if csum_start >= usize::from(u16::MAX) || offset > usize::from(u16::MAX) {
            return Err(EINVAL);
        }
        self.set_ip_summed(bindings::CHECKSUM_PARTIAL);
        let headers = self.headers_mut();
        headers.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::sk_buff__bindgen_ty_4__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
                csum_start: csum_start as u16,
                csum_offset: offset as u16,
            };
        headers.transport_header = csum_start as u16;
        Ok(())
    }

    /// Fills in the checksum that was left to the device: `skb_checksum_help`. After that nothing
    /// is left to be done. Data that is shared with a clone is copied before it is written.
    ///
    /// Context: any but hard interrupt.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the packet has to be segmented first, or was cut so that the field is gone;
    /// `EOPNOTSUPP` for the CRC of SCTP; `EFAULT` if the CPU cannot read it all; `ENOMEM`. The
    /// checksum is still to be done then.
    ///
    /// C: [`skb_checksum_help`](srctree/net/core/dev.c)
    pub fn checksum_help(&mut self) -> Result {
        if !self.is_partial() {
            if let IpSummed::Complete(_) = self.ip_summed() {
                self.set_csum_none();
            }
            return Ok(());
        }
        // C warns in these cases.
        if self.is_gso() || !self.partial_is_sound() {
            return Err(EINVAL);
        }
        #[cfg(CONFIG_IP_SCTP)]
        if self.headers().csum_not_inet() != 0 {
            return Err(EOPNOTSUPP);
        }
        self.check_readable()?;
        // SAFETY: The packet is ours alone; what has to be true of it was just checked.
        to_result(unsafe { bindings::skb_checksum_help(self.as_ptr()) })
    }

    /// Checks the checksum of a received packet whose data starts at the header that has it:
    /// `skb_checksum_validate`. `pseudo` sums up the pseudo header; it is called only if a sum is
    /// needed at all.
    ///
    /// After success [`csum_unnecessary`](Skb::csum_unnecessary) is true, or one
    /// [level](IpSummed::Unnecessary) less is.
    ///
    /// # Errors
    ///
    /// `EBADMSG` if the checksum is wrong, `EFAULT` if the CPU cannot read all of the packet.
    ///
    /// C: [`__skb_checksum_complete`](srctree/net/core/skbuff.c), `skb_checksum_validate`
    pub fn checksum_validate(&mut self, pseudo: impl FnOnce(&Skb) -> Wsum) -> Result {
        self.headers_mut().set_csum_valid(0);
        if self.csum_unnecessary() {
            self.headers_mut().set_csum_valid(1);
            // Each level vouches for one header.
            if let IpSummed::Unnecessary { level } = self.ip_summed() {
                match level.checked_sub(1) {
                    Some(level) => self.headers_mut().set_csum_level(level),
                    None => self.set_csum_none(),
                }
            }
            return Ok(());
        }
        let pseudo = pseudo(self);
        if let IpSummed::Complete(sum) = self.ip_summed() {
            if (sum + pseudo).fold() == [0; 2] {
                self.headers_mut().set_csum_valid(1);
                return Ok(());
            }
        }
        if self.data_len() == 0 {
            return self.checksum_complete(pseudo);
        }
        self.check_readable()?;
        // The sum that came with the packet did not fit and is of no use. C would blame the device
        // in the log should the packet be right nevertheless; but it follows `skb->dev`, and
        // nothing here says that the device is still there.
        self.set_csum_none();
        self.headers_mut().__bindgen_anon_1.csum = pseudo.0;
        // SAFETY: The packet is ours alone, and can be read.
        match unsafe { bindings::__skb_checksum_complete(self.as_ptr()) } {
            0 => Ok(()),
            _ => Err(EBADMSG),
        }
    }

    /// What `__skb_checksum_complete` does, for a packet that is linear: one call instead of three.
    #[inline]
    fn checksum_complete(&mut self, pseudo: Wsum) -> Result {
        let data = self.data();
        let (start, len) = (data.as_ptr().cast(), data.len() as c_int);
        // SAFETY: The bytes are there; the length of a packet is below 2^31.
        let sum = Wsum(unsafe { bindings::csum_partial(start, len, 0) });
        let right = (sum + pseudo).fold() == [0; 2];
        self.set_csum_complete(sum);
        let headers = self.headers_mut();
        headers.set_csum_complete_sw(1);
        headers.set_csum_valid(right.into());
        right.then_some(()).ok_or(EBADMSG)
    }

    /// Cuts the packet to `len` bytes and takes the others off the sum: `pskb_trim_rcsum`. A longer
    /// `len` changes nothing.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a checksum is left to the device and its field would be cut off; `EFAULT` if the
    /// CPU cannot read what is cut off; `ENOMEM`.
    ///
    /// C: [`pskb_trim_rcsum`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn trim_rcsum(&mut self, len: usize) -> Result {
        if len >= self.len() {
            return Ok(());
        }
        let before = self.ip_summed();
        // SAFETY: The packet is ours alone, and `len` is less than its length.
        let error = unsafe { bindings::pskb_trim_rcsum_slow(self.as_ptr(), len as c_uint) };
        if error != 0 {
            // C takes the bytes off the sum before it may run out of memory.
            if let IpSummed::Complete(sum) = before {
                self.headers_mut().__bindgen_anon_1.csum = sum.0;
            }
        }
        to_result(error)
    }
}

impl<S: FrontMovable> SkBuff<S> {
    /// Takes `len` bytes off the front and off the sum: `skb_pull_rcsum`.
    ///
    /// If a checksum is left to the device and its start is pulled off, nothing is left to it any
    /// more.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the linear part is shorter.
    ///
    /// C: [`skb_pull_rcsum`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn pull_rcsum(&mut self, len: usize) -> Result {
        self.prepull_rcsum(len)?;
        self.pull(len)
    }
}

impl<S: State> SkBuff<S> {
    /// Takes the first `len` bytes off what is known about the checksum, before they are pulled.
    #[inline(always)]
    pub(super) fn prepull_rcsum(&mut self, len: usize) -> Result {
        let Some(front) = self.data().get(..len) else {
            return Err(ENODATA);
        };
        match self.ip_summed() {
            IpSummed::Complete(sum) => {
                // C does not shift, and is wrong where `len` is odd.
                let sum = sum.block_sub(Wsum::of(front), 0).shift(len);
                self.headers_mut().__bindgen_anon_1.csum = sum.0;
            }
            IpSummed::Partial { start, .. } if i64::from(start) < len as i64 => {
                self.set_csum_none();
            }
            _ => {}
        }
        Ok(())
    }
}

impl SkBuff<Private> {
    /// As [`put_iter`](Self::put_iter), and sums up the bytes on the way, which costs less than to
    /// read them again.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// C: [`csum_and_copy_from_iter_full`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn put_iter_csum(&mut self, from: &mut IovIterSource<'_>, len: usize) -> Result<Wsum> {
        let tail = self.grow(len)?;
        let mut sum = 0;
        // SAFETY: `grow` found `len` bytes at `tail`, ours alone; the iterator is a source.
        let whole = unsafe {
            bindings::csum_and_copy_from_iter_full(tail.cast(), len, &mut sum, from.as_raw())
        };
        if !whole {
            self.shrink(len);
            return Err(EFAULT);
        }
        Ok(Wsum(sum))
    }
}

impl<S: HeaderWritable> SkBuff<S> {
    /// Prepends `bytes` and adds them to the sum: `skb_push_rcsum`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` without that much headroom.
    ///
    /// C: [`skb_push_rcsum`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn push_rcsum(&mut self, bytes: &[u8]) -> Result {
        self.push_data(bytes)?;
        if let IpSummed::Complete(sum) = self.ip_summed() {
            // As in `pull_rcsum`.
            let sum = Wsum::of(bytes).block_add(sum, bytes.len());
            self.headers_mut().__bindgen_anon_1.csum = sum.0;
        }
        Ok(())
    }
}
