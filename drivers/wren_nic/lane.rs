// SPDX-License-Identifier: GPL-2.0

//! One ring: from a transmit queue of one port to a NAPI instance of the other.

use crate::{
    bell::Bell,
    frame::wire_bytes,
    gate::{
        Gate,
        Packets, //
    },
    link::{
        Link,
        Side, //
    },
    port::Port,
    stats::LaneStats, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use knet::{
    netdev::{
        Completion,
        Device,
        Napi,
        NapiRef,
        Poll,
        PollContext,
        PollResult,
        TxQueue,
        Xmit, //
    },
    ring::{
        self,
        Consumer,
        Producer, //
    },
    skb::{
        Cloned,
        DropReason,
        SkBuff, //
    },
    time::ktime_get_ns, //
};

/// The queue is stopped when fewer entries are free, so the ring is never full when a packet comes.
const STOP: u32 = 2;

/// A stopped queue is woken when this many entries of its ring are free: often enough that the wire
/// does not run dry, seldom enough that a wake-up is worth it. It is not less than [`STOP`].
#[inline(always)]
fn start(ring_size: u32) -> u32 {
    ring_size / 4
}

/// Both ends of a ring.
pub(crate) type Ring = (Producer<SkBuff<Cloned>>, Consumer<SkBuff<Cloned>>);

/// What both ends know of a lane.
#[pin_data]
pub(crate) struct Lane {
    #[pin]
    napi: Napi<Receiver>,
    stats: Arc<LaneStats>,
    bell: Arc<Bell>,
}

impl Lane {
    /// Makes the lane from queue `index` of `side` to receive queue `rx_queue` of its peer, and its
    /// transmitting end.
    pub(crate) fn new(
        link: &Arc<Link>,
        side: Side,
        index: u16,
        rx_queue: u16,
        (tx, rx): Ring,
    ) -> Result<(Arc<Self>, Sender)> {
        let stats = Arc::new(LaneStats::default(), GFP_KERNEL_ACCOUNT)?;
        let bell = Arc::new(Bell::new(), GFP_KERNEL_ACCOUNT)?;
        let receiver = Receiver {
            link: link.clone(),
            side,
            index,
            rx_queue,
            ring: rx,
            gate: Gate::new(),
            stats: stats.clone(),
            bell: bell.clone(),
        };
        let lane = Arc::pin_init(
            try_pin_init!(Self {
                napi <- Napi::new(receiver),
                stats,
                bell,
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let sender = Sender {
            ring: tx,
            lane: lane.clone(),
        };
        Ok((lane, sender))
    }

    pub(crate) fn stats(&self) -> &LaneStats {
        &self.stats
    }

    /// The instance that polls the lane.
    pub(crate) fn napi(&self) -> NapiRef<'_> {
        self.napi.handle()
    }

    /// Whether packets can be put into the lane: it has a channel, or had one.
    pub(crate) fn has_ring(&self) -> bool {
        self.napi.with_stopped(|receiver| receiver.ring.size() != 0)
    }

    /// Lets `dev`, the receiving port, poll the lane as its NAPI instance `index`, if it does not
    /// yet.
    pub(crate) fn enable(self: &Arc<Self>, dev: &Device<Port>, index: u16) -> Result {
        match self.napi.enable(dev, index) {
            Err(EBUSY) => Ok(()),
            result => result,
        }
    }

    /// Ends what [`enable`](Self::enable) began.
    pub(crate) fn disable(&self) {
        self.napi.disable();
    }

    /// Has the lane polled, because the speed of the wire has changed, or when to be interrupted.
    pub(crate) fn kick(&self) {
        knet::bh::disabled(|| self.napi.schedule());
    }

    /// Tells by which receive queue the packets come in from now on.
    pub(crate) fn set_rx_queue(&self, queue: u16) {
        self.napi.with_stopped(|receiver| receiver.rx_queue = queue);
    }

    /// Gives the lane another ring. What waits in the old one goes on waiting, in its order, and
    /// stays accounted to the byte queue limits: nothing polls meanwhile, and nothing is sent by
    /// queue `index` of `dev`, the transmitting port.
    pub(crate) fn set_ring(&self, dev: &Device<Port>, index: u16, new: Ring) -> Result {
        self.napi.with_stopped(|receiver| {
            let old = dev.with_tx_queue(index, |mut queue| {
                let Sender { ring, lane } = queue.data;
                let old = ring::replace(ring, &mut receiver.ring, new);
                // Stopped or not as the new ring demands. What was stopped and stays so does not
                // count; nobody sends meanwhile.
                let was_stopped = queue.state.wake();
                let stopped = queue
                    .state
                    .maybe_stop(|| ring.free(), STOP, start(ring.size()));
                match (was_stopped, stopped) {
                    (false, true) => lane.stats.tx_stops.add(1),
                    (true, false) => lane.stats.tx_wakes.add(1),
                    _ => (),
                }
                old
            })?;
            drop(old);
            Ok(())
        })
    }

    /// The queue has been stopped for too long. What has crossed the wire is taken now, so that
    /// nothing but the wire can hold it up.
    pub(crate) fn timed_out(&self) {
        self.stats.tx_timeouts.add(1);
        self.bell.hurry();
        self.napi.schedule();
    }

    /// Empties the ring. The link is down: nobody transmits.
    pub(crate) fn purge(&self) {
        self.napi.with_stopped(|receiver| {
            while let Some(skb) = receiver.ring.pop() {
                receiver.stats.tx_purged.add(1);
                skb.drop_with(DropReason::DEV_READY);
            }
            receiver.gate.reset(&receiver.bell);
        });
    }
}

/// The transmitting end: what a port keeps for a transmit queue.
pub(crate) struct Sender {
    ring: Producer<SkBuff<Cloned>>,
    lane: Arc<Lane>,
}

/// Puts a packet into the ring of its queue.
#[inline(always)]
pub(crate) fn transmit(
    link: &Link,
    mut queue: TxQueue<'_, Sender>,
    mut skb: SkBuff<Cloned>,
) -> Xmit {
    let Sender { ring, lane } = queue.data;
    let stats = &*lane.stats;
    if !link.is_up() {
        stats.tx_drops.add(1);
        skb.drop_any_with(DropReason::DEV_READY);
        return Xmit::Taken;
    }
    let Some(slot) = ring.reserve() else {
        // The queue is stopped before this happens, but a sender without a qdisc may not look.
        stats.tx_busy.add(1);
        lane.napi.schedule();
        return Xmit::Busy(skb);
    };
    queue.state.tx_timestamp(&mut skb);
    skb.nf_reset_ct();
    let len = skb.len() as u32;
    queue.state.sent(len);
    slot.put(skb);
    if !ring.has_free(STOP)
        && queue
            .state
            .maybe_stop(|| ring.free(), STOP, start(ring.size()))
    {
        stats.tx_stops.add(1);
    }
    if queue.state.doorbell() {
        stats.tx_doorbells.add(1);
        if lane.bell.is_heard(|| waiting(ring)) {
            lane.napi.schedule();
        }
    }
    Xmit::Taken
}

/// What the bell is rung for: so many packets wait. A ring that is full is as good as any number.
fn waiting(ring: &Producer<SkBuff<Cloned>>) -> u32 {
    match ring.free() {
        free if free < STOP => u32::MAX,
        free => ring.size() - free,
    }
}

/// The receiving end: what NAPI polls.
struct Receiver {
    link: Arc<Link>,
    /// The end that transmits into this ring.
    side: Side,
    index: u16,
    /// The queue of the other end that the packets come in by.
    rx_queue: u16,
    ring: Consumer<SkBuff<Cloned>>,
    gate: Gate,
    stats: Arc<LaneStats>,
    bell: Arc<Bell>,
}

impl Packets for Consumer<SkBuff<Cloned>> {
    fn waiting(&self) -> u32 {
        self.len()
    }

    fn is_full(&self) -> bool {
        self.free() < STOP
    }

    fn bytes(&mut self, n: u32) -> u64 {
        self.peek_nth(n).map_or(0, |skb| wire_bytes(skb))
    }
}

impl Poll for Receiver {
    type Port = Port;

    #[inline(always)]
    fn poll(&mut self, mut ctx: PollContext<'_, Port>) -> PollResult {
        let Self {
            link,
            side,
            index,
            rx_queue,
            ring,
            gate,
            stats,
            bell,
        } = self;
        let wire = link.wire(*side);
        let rules = wire.rules(|| ctx.is_busy_poll() || bell.take_hurry());
        gate.begin(bell, rules.is_some());
        let (receiver, guard) = (ctx.device(), ctx.rcu());
        let Some(sender) = link.port(*side, &guard) else {
            return ctx.complete_done();
        };
        if !link.is_up() {
            return ctx.complete_done();
        }

        let netif_rx = wire.is_netif_rx();
        let (mut packets, mut bytes, mut wait) = (0, 0, None);
        let (mut lost, mut lost_bytes) = (0, 0);
        while let Some(mut skb) = ctx.take(|| {
            if let Some(rules) = &rules {
                if let Err(reason) = gate.admit(rules, wire.pace(), ring, ktime_get_ns) {
                    wait = reason;
                    return None;
                }
            }
            ring.pop()
        }) {
            let len = skb.len() as u32;
            packets += 1;
            bytes += len;
            // The wire has it: the sender gets its bytes back.
            skb.orphan();
            let reason = match skb.forward(sender, receiver, *rx_queue) {
                Ok(skb) if netif_rx => match ctx.netif_rx(skb) {
                    Ok(()) => continue,
                    Err(_) => &stats.rx_backlog,
                },
                Ok(skb) => {
                    ctx.receive(skb, !ring.is_empty());
                    continue;
                }
                Err(DropReason::PKT_TOO_BIG) => &stats.rx_length_errors,
                Err(_) => &stats.rx_drops,
            };
            reason.add(1);
            lost += 1;
            lost_bytes += len;
        }
        // What one end has sent is what the other one has received or dropped.
        stats.tx_packets.add(packets.into());
        stats.tx_bytes.add(bytes.into());
        stats.rx_packets.add((packets - lost).into());
        stats.rx_bytes.add((bytes - lost_bytes).into());

        if let Ok(mut queue) = Completion::new(sender, *index) {
            if queue.completed_wake(packets, bytes, || ring.free(), start(ring.size())) {
                stats.tx_wakes.add(1);
            }
            if wait.is_some_and(|wait| wait.crossing) {
                queue.trans_update();
            }
        }
        match wait {
            Some(wait) => {
                gate.end(bell, &wait);
                ctx.complete_until(wait.until)
            }
            None => ctx.complete_done(),
        }
    }
}
