// SPDX-License-Identifier: GPL-2.0

//! Headers: typed access to the bytes of a packet, and where its headers are.
//!
//! A header is a type that any bytes make a value of, and that needs no alignment: a structure of
//! bytes and of the integers of [`zerocopy::byteorder`], which say their byte order. [`EthHdr`] is
//! one.
//!
//! The stack remembers where the headers are as offsets from the start of the buffer. Nothing in C
//! keeps such an offset inside of the packet, so what is read through one is checked here.
//!
//! # Examples
//!
//! ```ignore
//! #[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
//! #[repr(C)]
//! struct Header {
//!     version: u8,
//!     kind: u8,
//!     len: network_endian::U16,
//! }
//!
//! let mut buffer = MaybeUninit::uninit();
//! let header: &Header = skb.header_pointer(0, &mut buffer).ok_or(DropReason::PKT_TOO_SMALL)?;
//! let source = skb.mac_header::<EthHdr>().map(|eth| eth.h_source);
//! ```

use super::{
    Private,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::mem::MaybeUninit;
use kernel::prelude::*;
use zerocopy::{
    byteorder::network_endian::U16,
    FromBytes,
    Immutable,
    IntoBytes,
    Unaligned, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    Unaligned, //
};

/// The header of an Ethernet frame: `struct ethhdr`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub struct EthHdr {
    /// Where the frame goes.
    pub h_dest: [u8; bindings::ETH_ALEN as usize],
    /// Where it comes from.
    pub h_source: [u8; bindings::ETH_ALEN as usize],
    /// The EtherType, or a length.
    pub h_proto: U16,
}

/// What `mac_header` and `transport_header` are when they were never set.
const UNSET: u16 = u16::MAX;

/// Where the headers of a packet were that may be unset, in bytes from the start of the buffer.
#[derive(Clone, Copy)]
pub(super) struct HeaderOffsets {
    mac: u16,
    transport: u16,
}

/// Returns a position in the buffer if it was set.
#[inline(always)]
fn if_set(position: u16) -> Option<u16> {
    (position != UNSET).then_some(position)
}

impl Skb {
    /// Returns the header that lies `offset` bytes behind the start of the data, or `None` if the
    /// packet ends before it does: `skb_header_pointer`.
    ///
    /// A header in the linear part is returned where it is. One that reaches into page fragments
    /// or into the fragment list is copied to `buffer`. Nothing is allocated and the packet stays
    /// what it is, which is the difference to [`may_pull`](SkBuff::may_pull).
    ///
    /// C: [`skb_header_pointer`](srctree/include/linux/skbuff.h)
    #[inline(always)]
    pub fn header_pointer<'a, T>(
        &'a self,
        offset: usize,
        buffer: &'a mut MaybeUninit<T>,
    ) -> Option<&'a T>
    where
        T: FromBytes + Immutable + Unaligned,
    {
        if self.is_linear_until(offset, size_of::<T>()) {
            // SAFETY: The bytes are in the linear part, to which nobody writes while the packet is
            // borrowed. All of them together are a `T`, wherever they start.
            return Some(unsafe { &*self.raw().data.add(offset).cast::<T>() });
        }
        // SAFETY: It is not negative.
        unsafe { self.copy_header(offset.try_into().ok()?, buffer) }
    }

    /// Whether the `len` bytes from `offset` on are in the linear part.
    #[inline(always)]
    fn is_linear_until(&self, offset: usize, len: usize) -> bool {
        offset
            .checked_add(len)
            .is_some_and(|end| end <= self.headlen())
    }

    /// Copies the header that starts `offset` bytes behind the start of the data to `buffer`.
    ///
    /// # Safety
    ///
    /// A negative `offset` is not before the start of the buffer.
    #[cold]
    unsafe fn copy_header<'a, T: FromBytes>(
        &self,
        offset: isize,
        buffer: &'a mut MaybeUninit<T>,
    ) -> Option<&'a T> {
        let (offset, len) = (offset.try_into().ok()?, size_of::<T>().try_into().ok()?);
        // SAFETY: The packet is valid by the type invariant, and there is room for a `T` in
        // `buffer`. The bytes start in the buffer by the requirements of this function; C finds out
        // whether they end in the packet.
        let result = unsafe {
            bindings::skb_copy_bits(self.as_ptr(), offset, buffer.as_mut_ptr().cast(), len)
        };
        if result != 0 {
            return None;
        }
        // SAFETY: All bytes were written, and together they are a `T`.
        Some(unsafe { buffer.assume_init_ref() })
    }

    /// Reads the header at `position`, counted from the start of the buffer.
    #[inline(always)]
    fn header_at<T: FromBytes>(&self, position: u16) -> Option<T> {
        let mac = self.headers().mac_header;
        let position = usize::from(if_set(position)?);
        // What lies in front of the data was perhaps never written, but for what follows the
        // link-layer header. One that was never set is beyond any position.
        if position < self.headroom() && position < usize::from(mac) {
            return None;
        }
        if position + size_of::<T>() <= self.headroom() + self.headlen() {
            // SAFETY: The bytes lie between the link-layer header, or the start of the data, and
            // the end of the linear part, so they are initialised by the type invariant, and any
            // bytes are a `T`. In front of the data they may belong to a clone that pushes
            // its own headers: that is why the header is copied. It may be seen half, as in C.
            return Some(unsafe { self.raw().head.add(position).cast::<T>().read_unaligned() });
        }
        let mut buffer = MaybeUninit::uninit();
        let offset = position as isize - self.headroom() as isize;
        // SAFETY: `position` is counted from the start of the buffer.
        unsafe { self.copy_header(offset, &mut buffer) }?;
        // SAFETY: It was written.
        Some(unsafe { buffer.assume_init() })
    }

    /// The offsets that may be unset, for [`SkBuff::headers_moved`].
    #[inline]
    pub(super) fn header_offsets(&self) -> HeaderOffsets {
        let headers = self.headers();
        HeaderOffsets {
            mac: headers.mac_header,
            transport: headers.transport_header,
        }
    }

    /// Bytes between the link-layer header and the data, where that lies in front of the data: what
    /// may be read there.
    #[inline]
    pub(super) fn readable_headroom(&self) -> usize {
        let mac = if_set(self.headers().mac_header).map(usize::from);
        mac.map_or(0, |mac| self.headroom().saturating_sub(mac))
    }

    /// Turns a position in the buffer into an offset from the start of the data.
    #[inline(always)]
    fn offset_of(&self, position: u16) -> isize {
        usize::from(position) as isize - self.headroom() as isize
    }

    /// Where the link-layer header is, in bytes from the start of the data: negative if it was
    /// pulled, `None` if it was never set.
    ///
    /// C: [`skb_mac_offset`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn mac_offset(&self) -> Option<isize> {
        if_set(self.headers().mac_header).map(|position| self.offset_of(position))
    }

    /// Where the network header is, in bytes from the start of the data. If it was never set this
    /// is the start of the buffer: C has no mark for it.
    ///
    /// C: [`skb_network_offset`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn network_offset(&self) -> isize {
        self.offset_of(self.headers().network_header)
    }

    /// Where the transport header is, in bytes from the start of the data; `None` if it was never
    /// set.
    ///
    /// C: [`skb_transport_offset`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn transport_offset(&self) -> Option<isize> {
        if_set(self.headers().transport_header).map(|position| self.offset_of(position))
    }

    /// Whether the packet is in a tunnel and the inner headers are valid: `skb->encapsulation`.
    #[inline]
    pub fn encapsulation(&self) -> bool {
        self.headers().encapsulation() != 0
    }

    /// Turns the position of an inner header into an offset, if there are inner headers.
    #[inline(always)]
    fn inner_offset_of(&self, position: u16) -> Option<isize> {
        if !self.encapsulation() {
            return None;
        }
        if_set(position).map(|position| self.offset_of(position))
    }

    /// Where the link-layer header inside of the tunnel is, in bytes from the start of the data;
    /// `None` without [`encapsulation`](Self::encapsulation), or if the tunnel has none.
    #[inline]
    pub fn inner_mac_offset(&self) -> Option<isize> {
        self.inner_offset_of(self.headers().inner_mac_header)
    }

    /// Where the network header inside of the tunnel is; as
    /// [`inner_mac_offset`](Self::inner_mac_offset).
    #[inline]
    pub fn inner_network_offset(&self) -> Option<isize> {
        self.inner_offset_of(self.headers().inner_network_header)
    }

    /// Where the transport header inside of the tunnel is; as
    /// [`inner_mac_offset`](Self::inner_mac_offset).
    #[inline]
    pub fn inner_transport_offset(&self) -> Option<isize> {
        self.inner_offset_of(self.headers().inner_transport_header)
    }

    /// Reads the link-layer header, which may have been pulled already; `None` if it was never set
    /// or the packet ends before it does.
    #[inline(always)]
    pub fn mac_header<T: FromBytes>(&self) -> Option<T> {
        self.header_at(if_set(self.headers().mac_header)?)
    }

    /// Reads the network header; as [`mac_header`](Self::mac_header).
    #[inline(always)]
    pub fn network_header<T: FromBytes>(&self) -> Option<T> {
        self.header_at(self.headers().network_header)
    }

    /// Reads the transport header; as [`mac_header`](Self::mac_header).
    #[inline(always)]
    pub fn transport_header<T: FromBytes>(&self) -> Option<T> {
        self.header_at(if_set(self.headers().transport_header)?)
    }
}

impl SkBuff<Private> {
    /// Returns the header that lies `offset` bytes behind the start of the data, to be written;
    /// `None` if it is not in the linear part: see [`may_pull`](SkBuff::may_pull).
    #[inline(always)]
    pub fn header_mut<T>(&mut self, offset: usize) -> Option<&mut T>
    where
        T: FromBytes + IntoBytes + Unaligned,
    {
        if !self.is_linear_until(offset, size_of::<T>()) {
            return None;
        }
        // SAFETY: The bytes are in the linear part, which is ours alone by the state of the packet.
        // All of them together are a `T`, wherever they start, and any `T` leaves them initialised.
        Some(unsafe { &mut *self.raw_mut().data.add(offset).cast::<T>() })
    }
}

impl<S: State> SkBuff<S> {
    /// Returns the position in the buffer of a header at `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is outside of the buffer, behind the linear part, or too far for a `u16`.
    #[inline]
    fn position_of(&self, offset: isize) -> Result<u16> {
        if offset > self.headlen() as isize {
            return Err(EINVAL);
        }
        let position = (self.headroom() as isize).saturating_add(offset);
        u16::try_from(position).ok().and_then(if_set).ok_or(EINVAL)
    }

    /// Returns the position in the buffer of a header at the start of the data. One that is too far
    /// for a `u16` is as good as none.
    #[inline(always)]
    fn position_of_data(&self) -> u16 {
        u16::try_from(self.headroom()).unwrap_or(UNSET)
    }

    /// Sets the offsets of the headers right, which had the `before` values, after C has added
    /// `moved` to them: it does not look whether they were set, nor whether they still fit.
    pub(super) fn headers_moved(&mut self, before: HeaderOffsets, moved: usize) {
        let position = |before: u16| {
            let moved = usize::from(if_set(before)?) + moved;
            u16::try_from(moved).ok()
        };
        let headers = self.headers_mut();
        headers.mac_header = position(before.mac).unwrap_or(UNSET);
        headers.transport_header = position(before.transport).unwrap_or(UNSET);
    }

    /// Marks the start of the data as the link-layer header: `skb_reset_mac_header`.
    #[inline]
    pub fn reset_mac_header(&mut self) {
        self.headers_mut().mac_header = self.position_of_data();
    }

    /// Forgets where the link-layer header is: `skb_unset_mac_header`.
    #[inline(always)]
    pub(super) fn unset_mac_header(&mut self) {
        self.headers_mut().mac_header = UNSET;
    }

    /// Marks the start of the data as the network header: `skb_reset_network_header`.
    #[inline]
    pub fn reset_network_header(&mut self) {
        self.headers_mut().network_header = self.position_of_data();
    }

    /// Marks the start of the data as the transport header: `skb_reset_transport_header`.
    #[inline]
    pub fn reset_transport_header(&mut self) {
        self.headers_mut().transport_header = self.position_of_data();
    }

    /// Says where the link-layer header is: `offset` bytes behind the start of the data, or before
    /// it: `skb_set_mac_header`.
    ///
    /// What lies before the data was perhaps never written. So the header can only move there to
    /// behind the place where it is.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is in front of the data and of the present header, behind the linear part,
    /// or more than 65534 bytes behind the start of the buffer.
    #[inline]
    pub fn set_mac_header(&mut self, offset: isize) -> Result {
        let position = self.position_of(offset)?;
        if offset < 0 && position < self.headers().mac_header {
            return Err(EINVAL);
        }
        self.headers_mut().mac_header = position;
        Ok(())
    }

    /// Says where the network header is: `skb_set_network_header`. It can be read if it is not in
    /// front of the data and of the link-layer header.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is not in the headroom or the linear part, or more than 65534 bytes behind
    /// the start of the buffer.
    #[inline]
    pub fn set_network_header(&mut self, offset: isize) -> Result {
        self.headers_mut().network_header = self.position_of(offset)?;
        Ok(())
    }

    /// Says where the transport header is: `skb_set_transport_header`.
    ///
    /// # Errors
    ///
    /// As [`set_network_header`](Self::set_network_header).
    #[inline]
    pub fn set_transport_header(&mut self, offset: isize) -> Result {
        self.headers_mut().transport_header = self.position_of(offset)?;
        Ok(())
    }

    /// Says where the link-layer header inside of a tunnel is: `skb_set_inner_mac_header`. It
    /// counts with [`set_encapsulation`](Self::set_encapsulation).
    ///
    /// # Errors
    ///
    /// As [`set_network_header`](Self::set_network_header).
    #[inline]
    pub fn set_inner_mac_header(&mut self, offset: isize) -> Result {
        self.headers_mut().inner_mac_header = self.position_of(offset)?;
        Ok(())
    }

    /// Says where the network header inside of a tunnel is: `skb_set_inner_network_header`.
    ///
    /// # Errors
    ///
    /// As [`set_network_header`](Self::set_network_header).
    #[inline]
    pub fn set_inner_network_header(&mut self, offset: isize) -> Result {
        self.headers_mut().inner_network_header = self.position_of(offset)?;
        Ok(())
    }

    /// Says where the transport header inside of a tunnel is: `skb_set_inner_transport_header`.
    ///
    /// # Errors
    ///
    /// As [`set_network_header`](Self::set_network_header).
    #[inline]
    pub fn set_inner_transport_header(&mut self, offset: isize) -> Result {
        self.headers_mut().inner_transport_header = self.position_of(offset)?;
        Ok(())
    }

    /// Makes the present headers the inner ones, before those of the tunnel are pushed:
    /// `skb_reset_inner_headers`. They count with [`set_encapsulation`](Self::set_encapsulation),
    /// which is off after this.
    #[inline]
    pub fn reset_inner_headers(&mut self) {
        let headers = self.headers_mut();
        // Nobody has looked whether they are there.
        headers.set_encapsulation(0);
        headers.inner_mac_header = headers.mac_header;
        headers.inner_network_header = headers.network_header;
        headers.inner_transport_header = headers.transport_header;
    }

    /// Says whether the inner headers are valid: `skb->encapsulation`. Devices and segmentation
    /// look there when it is set.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the inner network or transport header lies behind the linear part.
    pub fn set_encapsulation(&mut self, on: bool) -> Result {
        let headers = self.headers();
        let end = self.headroom() + self.headlen();
        let inside =
            |position| if_set(position).is_some_and(|position| usize::from(position) <= end);
        if on && !(inside(headers.inner_network_header) && inside(headers.inner_transport_header)) {
            return Err(EINVAL);
        }
        self.headers_mut().set_encapsulation(on.into());
        Ok(())
    }
}
