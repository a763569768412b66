// SPDX-License-Identifier: GPL-2.0

//! A NIC whose cable leads back to itself: what it sends, it receives.
//!
//! `ip link add echo0 type knet_echo` makes one.

use kernel::{
    prelude::*,
    str::CStr,
    sync::{
        rcu,
        Arc, //
    },
};
use knet::{
    netdev::{
        ethtool::{
            self,
            Direction, //
        },
        link::{
            Kind,
            NewLink,
            Registration,
            UnregisterList, //
        },
        Completion,
        Counter,
        Device,
        LinkStats,
        Napi,
        NetDevice,
        Operations,
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
};

module! {
    type: EchoModule,
    name: "knet_echo",
    authors: ["The wren authors"],
    description: "An example of knet: a NIC that receives what it sends",
    license: "GPL",
    alias: ["rtnl-link-knet_echo"],
}

/// Entries of a ring.
const RING_SIZE: u32 = 64;
/// A queue is stopped when fewer entries are free, and woken when this many are.
const STOP: u32 = 1;
const START: u32 = RING_SIZE / 2;

/// Each counter has one writer: the transmit function or the poll function.
#[derive(Default)]
struct Stats {
    tx_packets: Counter,
    tx_bytes: Counter,
    rx_packets: Counter,
    rx_bytes: Counter,
    rx_drops: Counter,
}

/// What the transmit function has of a queue. The core holds the lock of the queue, so it is `&mut`
/// there.
struct Sender {
    ring: Producer<SkBuff<Cloned>>,
    lane: Arc<Lane>,
}

/// What the poll function has of a queue. One CPU at a time polls, so it is `&mut` there.
struct Receiver {
    index: u16,
    ring: Consumer<SkBuff<Cloned>>,
    stats: Arc<Stats>,
}

/// What both ends of a queue share.
#[pin_data]
struct Lane {
    #[pin]
    napi: Napi<Receiver>,
    stats: Arc<Stats>,
}

impl Lane {
    fn new(index: u16) -> Result<(Arc<Self>, Sender)> {
        let (tx, rx) = ring::channel(RING_SIZE as usize)?;
        let stats = Arc::new(Stats::default(), GFP_KERNEL)?;
        let receiver = Receiver {
            index,
            ring: rx,
            stats: stats.clone(),
        };
        let lane = Arc::pin_init(
            try_pin_init!(Self {
                napi <- Napi::new(receiver),
                stats,
            }? Error),
            GFP_KERNEL,
        )?;
        let sender = Sender {
            ring: tx,
            lane: lane.clone(),
        };
        Ok((lane, sender))
    }
}

impl Poll for Receiver {
    type Port = Echo;

    fn poll(&mut self, mut ctx: PollContext<'_, Echo>) -> PollResult {
        let dev = ctx.device();
        let (mut packets, mut bytes) = (0, 0);
        // `take` stops at the budget.
        while let Some(mut skb) = ctx.take(|| self.ring.pop()) {
            let len = skb.len() as u32;
            packets += 1;
            bytes += len;
            // Now it has been sent: the sender gets its bytes back.
            skb.orphan();
            match skb.forward(dev, dev, self.index) {
                Ok(skb) => {
                    self.stats.rx_packets.add(1);
                    self.stats.rx_bytes.add(len.into());
                    ctx.gro_receive(skb);
                }
                // The packet is gone, for a reason that dropwatch shows.
                Err(_) => self.stats.rx_drops.add(1),
            }
        }
        if let Ok(mut queue) = Completion::new(dev, self.index) {
            queue.completed_wake(packets, bytes, || self.ring.free(), START);
        }
        ctx.complete_done()
    }
}

/// The private data of a device: a lane for each transmit queue.
struct Echo {
    lanes: KVec<Arc<Lane>>,
}

#[vtable]
impl Operations for Echo {
    type TxQueue = Sender;

    fn open(dev: &Device<Self>) -> Result {
        for (index, lane) in dev.data().lanes.iter().enumerate() {
            if let Err(e) = lane.napi.enable(dev, index as u16) {
                Self::stop(dev);
                return Err(e);
            }
        }
        dev.carrier_on();
        Ok(())
    }

    fn stop(dev: &Device<Self>) {
        dev.carrier_off();
        for (index, lane) in dev.data().lanes.iter().enumerate() {
            lane.napi.disable();
            lane.napi.with_stopped(|receiver| {
                while let Some(skb) = receiver.ring.pop() {
                    skb.drop_with(DropReason::DEV_READY);
                }
            });
            if let Ok(mut queue) = Completion::new(dev, index as u16) {
                queue.reset();
            }
        }
    }

    fn start_xmit(
        _dev: &Device<Self>,
        queue: TxQueue<'_, Sender>,
        mut skb: SkBuff<Cloned>,
    ) -> Xmit {
        let TxQueue {
            mut state,
            data: Sender { ring, lane },
        } = queue;
        let Some(slot) = ring.reserve() else {
            // A queue that is stopped in time comes here only for senders that do not look.
            return Xmit::Busy(skb);
        };
        state.tx_timestamp(&mut skb);
        let len = skb.len() as u32;
        state.sent(len);
        // The poll function may have it from here on; there is no `skb` any more.
        slot.put(skb);
        lane.stats.tx_packets.add(1);
        lane.stats.tx_bytes.add(len.into());
        state.maybe_stop(|| ring.free(), STOP, START);
        if state.doorbell() {
            lane.napi.schedule();
        }
        Xmit::Taken
    }

    fn get_stats64(dev: &Device<Self>, out: &mut LinkStats<'_>) {
        for lane in &dev.data().lanes {
            out.tx_packets(lane.stats.tx_packets.get());
            out.tx_bytes(lane.stats.tx_bytes.get());
            out.rx_packets(lane.stats.rx_packets.get());
            out.rx_bytes(lane.stats.rx_bytes.get());
            out.rx_dropped(lane.stats.rx_drops.get());
        }
    }
}

#[vtable]
impl ethtool::Operations for Echo {
    const DRIVER: &'static CStr = c"knet_echo";
    const TX_STATS: &'static [&'static CStr] = &[c"packets", c"bytes"];
    const RX_STATS: &'static [&'static CStr] = &[c"packets", c"bytes"];

    fn stats(dev: &Device<Self>, direction: Direction, queue: usize, out: &mut [u64]) {
        let Some(lane) = dev.data().lanes.get(queue) else {
            return;
        };
        let counters = match direction {
            Direction::Tx => [&lane.stats.tx_packets, &lane.stats.tx_bytes],
            Direction::Rx => [&lane.stats.rx_packets, &lane.stats.rx_bytes],
        };
        for (to, from) in out.iter_mut().zip(counters) {
            *to = from.get();
        }
    }

    fn speed(_dev: &Device<Self>) -> u32 {
        ethtool::SPEED_UNKNOWN
    }

    fn set_speed(_dev: &Device<Self>, _speed: u32) -> Result {
        Err(EOPNOTSUPP)
    }
}

#[vtable]
impl Kind for Echo {
    const KIND: &'static CStr = c"knet_echo";
    const FEATURES: u64 = 0;
    const PEER_ATTR: u16 = 1;

    fn newlink(request: NewLink<'_, Self>) -> Result {
        let dev = request.dev;
        let (mut lanes, mut senders) = (KVec::new(), KVec::new());
        for index in 0..dev.num_tx_queues() {
            let (lane, sender) = Lane::new(u16::try_from(index)?)?;
            lanes.push(lane, GFP_KERNEL)?;
            senders.push(sender, GFP_KERNEL)?;
        }
        let rx_lanes = lanes.len();
        dev.init(Self { lanes }, senders, rx_lanes)?
            .register()?
            .keep();
        Ok(())
    }

    fn dellink(dev: &Device<Self>, list: &mut UnregisterList) {
        list.queue(dev);
    }

    fn peer<'a>(_dev: &'a Device<Self>, _guard: &'a rcu::Guard) -> Option<&'a NetDevice> {
        None
    }
}

/// The module: as long as the kind is registered, devices can be made.
#[pin_data]
struct EchoModule {
    #[pin]
    kind: Registration<Echo>,
}

impl kernel::InPlaceModule for EchoModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            kind <- Registration::register(),
        }? Error)
    }
}
