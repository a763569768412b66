// SPDX-License-Identifier: GPL-2.0

//! Statistics.

use crate::atomic::AtomicInline;
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

/// What C takes for a statistic that the driver does not have: `ETHTOOL_STAT_NOT_SET` and
/// `NETDEV_STAT_NOT_SET`.
const NOT_SET: u64 = u64::MAX;

/// Adds to a statistic, which from now on is one that the driver has.
#[inline]
pub(super) fn add(statistic: &mut u64, n: u64) {
    *statistic = if *statistic == NOT_SET {
        n
    } else {
        statistic.wrapping_add(n)
    };
}

/// Statistics that C asks for, with a method that adds to each: `method: field of the structure`.
macro_rules! statistics {
    (
        $(#[$type_doc:meta])*
        $type:ident($c:ident) {
            $($(#[$doc:meta])* $name:ident: $field:ident,)*
        }
    ) => {
        $(#[$type_doc])*
        pub struct $type<'a>(pub(in crate::netdev) &'a mut $crate::bindings::$c);

        impl $type<'_> {
            $($(#[$doc])* #[inline] pub fn $name(&mut self, n: u64) {
                $crate::netdev::stats::add(&mut self.0.$field, n);
            })*
        }
    };
}
pub(super) use statistics;

statistics! {
    /// `struct rtnl_link_stats64`, to be filled.
    LinkStats(rtnl_link_stats64) {
        /// Adds received packets.
        rx_packets: rx_packets,
        /// Adds sent packets.
        tx_packets: tx_packets,
        /// Adds received bytes.
        rx_bytes: rx_bytes,
        /// Adds sent bytes.
        tx_bytes: tx_bytes,
        /// Adds packets that were received and dropped.
        rx_dropped: rx_dropped,
        /// Adds packets that were dropped instead of sent.
        tx_dropped: tx_dropped,
        /// Adds packets that were bad, for whatever reason.
        rx_errors: rx_errors,
        /// Adds packets that were bad because of their length: they belong to `rx_errors` as well.
        rx_length_errors: rx_length_errors,
    }
}
