// SPDX-License-Identifier: GPL-2.0

//! What lanes count, by which names, and added up: all that is shown of a queue or a device comes
//! from here, so that it agrees.

use crate::lane::Lane;
use kernel::{
    str::CStr,
    sync::Arc, //
};
use knet::netdev::{
    Counter,
    QueueStatsRx,
    QueueStatsTx, //
};

/// Statistics of a lane. Each counter has one writer at a time: the transmit function, the poll
/// function, or who has stopped both.
#[derive(Default)]
pub(crate) struct LaneStats {
    /// Packets and bytes that the wire has taken, whatever became of them at the other end.
    pub(crate) tx_packets: Counter,
    pub(crate) tx_bytes: Counter,
    /// Packets that came while the link was down.
    pub(crate) tx_drops: Counter,
    /// Packets that were in the ring when the link went down.
    pub(crate) tx_purged: Counter,
    /// Packets that came while the ring was full.
    pub(crate) tx_busy: Counter,
    /// How often the queue was stopped because the ring was nearly full, and woken again.
    pub(crate) tx_stops: Counter,
    pub(crate) tx_wakes: Counter,
    /// How often the transmit function told the other end.
    pub(crate) tx_doorbells: Counter,
    /// How often the core found the queue stopped for too long.
    pub(crate) tx_timeouts: Counter,
    /// Packets and bytes that the peer's stack got.
    pub(crate) rx_packets: Counter,
    pub(crate) rx_bytes: Counter,
    /// Packets that were too long for the peer.
    pub(crate) rx_length_errors: Counter,
    /// Packets for which the backlog had no room. The core counts them, too.
    pub(crate) rx_backlog: Counter,
    /// Packets that it could not receive for want of memory, or because it is not quite up, or they
    /// have no whole header.
    pub(crate) rx_drops: Counter,
}

/// A counter of a lane, and what `ethtool -S` calls it.
type Entry = (&'static CStr, fn(&LaneStats) -> &Counter);

/// What is shown of a lane at the end that transmits.
pub(crate) const TX: [Entry; 9] = [
    (c"packets", |stats| &stats.tx_packets),
    (c"bytes", |stats| &stats.tx_bytes),
    (c"drops", |stats| &stats.tx_drops),
    (c"purged", |stats| &stats.tx_purged),
    (c"busy", |stats| &stats.tx_busy),
    (c"stops", |stats| &stats.tx_stops),
    (c"wakes", |stats| &stats.tx_wakes),
    (c"doorbells", |stats| &stats.tx_doorbells),
    (c"timeouts", |stats| &stats.tx_timeouts),
];

/// What is shown of it at the end that receives.
pub(crate) const RX: [Entry; 5] = [
    (c"packets", |stats| &stats.rx_packets),
    (c"bytes", |stats| &stats.rx_bytes),
    (c"length_errors", |stats| &stats.rx_length_errors),
    (c"backlog_drops", |stats| &stats.rx_backlog),
    (c"drops", |stats| &stats.rx_drops),
];

/// The names in a table.
pub(crate) const fn names<const N: usize>(table: &[Entry; N]) -> [&'static CStr; N] {
    let mut names = [c""; N];
    let mut n = 0;
    while n < N {
        names[n] = table[n].0;
        n += 1;
    }
    names
}

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
