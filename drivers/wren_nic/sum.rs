// SPDX-License-Identifier: GPL-2.0

//! What lanes have counted, added up: all that is shown of a queue or a device comes from here, so
//! that it agrees.

use crate::lane::Lane;
use kernel::sync::Arc;
use knet::netdev::{
    QueueStatsRx,
    QueueStatsTx, //
};

/// Bytes of the header of a frame.
const ETH_HLEN: u64 = 14;

/// Bytes behind the headers of `packets` that have `bytes`. The two are read one after the other.
pub(crate) fn payload(packets: u64, bytes: u64) -> u64 {
    bytes.saturating_sub(packets * ETH_HLEN)
}

/// What was sent into lanes.
#[derive(Default)]
pub(crate) struct TxSum {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that came while the link was down, or were in the ring when it went down.
    pub(crate) drops: u64,
    stops: u64,
    wakes: u64,
}

impl TxSum {
    pub(crate) fn of<'a>(lanes: impl IntoIterator<Item = &'a Arc<Lane>>) -> Self {
        let mut sum = Self::default();
        for lane in lanes {
            let stats = lane.stats();
            sum.packets += stats.tx_packets.get();
            sum.bytes += stats.tx_bytes.get();
            sum.drops += stats.tx_drops.get() + stats.tx_purged.get();
            sum.stops += stats.tx_stops.get();
            sum.wakes += stats.tx_wakes.get();
        }
        sum
    }

    pub(crate) fn report(&self, out: &mut QueueStatsTx<'_>) {
        out.packets(self.packets);
        out.bytes(self.bytes);
        out.hw_drops(self.drops);
        out.stop(self.stops);
        out.wake(self.wakes);
    }
}

/// What was received from lanes.
#[derive(Default)]
pub(crate) struct RxSum {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that were too long to be received.
    pub(crate) length_errors: u64,
    /// Packets that could not be received for another reason.
    pub(crate) drops: u64,
}

impl RxSum {
    pub(crate) fn of<'a>(lanes: impl IntoIterator<Item = &'a Arc<Lane>>) -> Self {
        let mut sum = Self::default();
        for lane in lanes {
            let stats = lane.stats();
            sum.packets += stats.rx_packets.get();
            sum.bytes += stats.rx_bytes.get();
            sum.length_errors += stats.rx_length_errors.get();
            sum.drops += stats.rx_drops.get();
        }
        sum
    }

    pub(crate) fn report(&self, out: &mut QueueStatsRx<'_>) {
        out.packets(self.packets);
        out.bytes(self.bytes);
        out.hw_drops(self.length_errors + self.drops);
    }
}
