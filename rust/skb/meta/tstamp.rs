// SPDX-License-Identifier: GPL-2.0

//! Time stamps of packets.
//!
//! `skb->tstamp` is when the packet came in, by the real-time clock, or when it is to go out, by
//! the clock that the packet names.

use crate::{
    bindings,
    netdev::NetDevice,
    skb::{
        Cloned,
        SkBuff, //
        Skb,
        State,
    }, //
};

/// The clock of a time stamp: `enum skb_tstamp_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TstampType {
    /// `CLOCK_REALTIME`: time of arrival, or of departure.
    Realtime = bindings::skb_tstamp_type_SKB_CLOCK_REALTIME as u8,
    /// `CLOCK_MONOTONIC`: earliest time of departure.
    Monotonic = bindings::skb_tstamp_type_SKB_CLOCK_MONOTONIC as u8,
    /// `CLOCK_TAI`: earliest time of departure.
    Tai = bindings::skb_tstamp_type_SKB_CLOCK_TAI as u8,
}

/// A time stamp and its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tstamp {
    /// Nanoseconds of the clock; 0 is no time.
    pub ns: i64,
    /// The clock.
    pub clock: TstampType,
}

impl Skb {
    /// The time stamp of the packet, if it has one: `skb->tstamp` and `skb->tstamp_type`.
    #[inline]
    pub fn tstamp(&self) -> Option<Tstamp> {
        // SAFETY: Both members of the union are integers of this size.
        let ns = unsafe { self.raw().__bindgen_anon_2.tstamp };
        if ns == 0 {
            return None;
        }
        let clock = match u32::from(self.headers().tstamp_type()) {
            bindings::skb_tstamp_type_SKB_CLOCK_REALTIME => TstampType::Realtime,
            bindings::skb_tstamp_type_SKB_CLOCK_MONOTONIC => TstampType::Monotonic,
            // There is no fourth clock.
            _ => TstampType::Tai,
        };
        Some(Tstamp { ns, clock })
    }

    /// The time by the clock of the device that has received the packet, in nanoseconds, if the
    /// device has stamped it. Only stamps of one device can be compared.
    ///
    /// C: [`skb_hwtstamps`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn hwtstamp(&self) -> Option<i64> {
        // SAFETY: The shared info is valid. Clones share it, so the field is read once, as
        // READ_ONCE does; both members of the union are of this size.
        let ns = unsafe {
            (&raw const (*self.shinfo())
                .__bindgen_anon_1
                .hwtstamps
                .__bindgen_anon_1
                .hwtstamp)
                .read_volatile()
        };
        // With this flag it is a cookie of the driver.
        let is_cookie = self.tx_flags() & bindings::SKBTX_HW_TSTAMP_NETDEV != 0;
        (ns != 0 && !is_cookie).then_some(ns)
    }

    /// Which time stamps the sender wants: `skb_shinfo()->tx_flags`.
    #[inline(always)]
    fn tx_flags(&self) -> u32 {
        // SAFETY: The shared info is valid. Clones share it, so the field is read once, as
        // READ_ONCE does.
        unsafe { (&raw const (*self.shinfo()).tx_flags).read_volatile() }.into()
    }
}

impl SkBuff<Cloned> {
    /// Takes the transmit time stamp that the sender may have asked for, see
    /// [`TxState::tx_timestamp`](crate::netdev::TxState::tx_timestamp).
    #[inline(always)]
    pub(crate) fn tx_timestamp(&mut self, dev: &NetDevice) {
        const WANTED: u32 =
            bindings::SKBTX_HW_TSTAMP_NOBPF | bindings::SKBTX_SW_TSTAMP | bindings::SKBTX_BPF;

        if self.tx_flags() & WANTED != 0 {
            self.report_tx_timestamp(dev);
        }
    }

    #[cold]
    fn report_tx_timestamp(&mut self, dev: &NetDevice) {
        if self.full_owner().is_none() {
            return;
        }
        // The stamp names it.
        self.set_dev(Some(dev));
        // SAFETY: The packet is ours alone. Its claim keeps a whole socket, and its device is
        // valid: that is what C follows.
        unsafe { bindings::skb_tx_timestamp(self.as_ptr()) };
    }
}

impl<S: State> SkBuff<S> {
    /// Sets the time stamp. A time of 0 leaves the packet without.
    ///
    /// C: [`skb_set_delivery_time`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn set_delivery_time(&mut self, time: Tstamp) {
        let clock = if time.ns != 0 {
            time.clock
        } else {
            TstampType::Realtime
        };
        self.raw_mut().__bindgen_anon_2.tstamp = time.ns;
        self.headers_mut().set_tstamp_type(clock as u8);
    }

    /// Clears a time of arrival. A time of departure by another clock than the real-time clock
    /// stays, as in C.
    ///
    /// C: [`skb_clear_tstamp`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn clear_tstamp(&mut self) {
        if self.headers().tstamp_type() == TstampType::Realtime as u8 {
            self.raw_mut().__bindgen_anon_2.tstamp = 0;
        }
    }
}
