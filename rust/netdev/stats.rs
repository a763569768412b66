// SPDX-License-Identifier: GPL-2.0

//! Statistics.

use crate::{
    atomic::AtomicInline,
    bindings, //
};
use kernel::sync::atomic::Atomic;

#[cfg(not(CONFIG_64BIT))]
compile_error!("a 64-bit counter without a lock needs a 64-bit kernel");

/// A 64-bit counter with one writer at a time and any number of readers: what `u64_stats_t` is on
/// a 64-bit kernel. Adding to it is an ordinary addition, not a locked one.
pub struct Counter(Atomic<u64>);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Adds `n`. Two writers at the same time lose a count, nothing worse.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.write_once(self.0.read_once().wrapping_add(n));
    }

    /// Reads the counter.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.read_once()
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

/// `struct rtnl_link_stats64`, to be filled.
pub struct LinkStats<'a>(pub(super) &'a mut bindings::rtnl_link_stats64);

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        impl LinkStats<'_> {
            $($(#[$doc])* #[inline] pub fn $name(&mut self, n: u64) {
                self.0.$name = self.0.$name.wrapping_add(n);
            })*
        }
    };
}

setters! {
    /// Adds received packets.
    rx_packets,
    /// Adds sent packets.
    tx_packets,
    /// Adds received bytes.
    rx_bytes,
    /// Adds sent bytes.
    tx_bytes,
    /// Adds packets that were received and dropped.
    rx_dropped,
    /// Adds packets that were dropped instead of sent.
    tx_dropped,
}
