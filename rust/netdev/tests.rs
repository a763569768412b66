// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the transmit contract, with a real device in a real stack.

mod forward;
mod napi;
mod queues;
mod receive;

use super::{
    ethtool::{
        self,
        Direction, //
    },
    link::{
        Kind,
        NewDevice,
        NewLink,
        Registration,
        UnregisterList, //
    },
    Completion,
    Device,
    LinkStats,
    NetDevice,
    Operations,
    TxQueue,
    Xmit,
    GSO_LEGACY_MAX_SIZE, //
};
use crate::{
    bindings,
    net::Namespace,
    skb::{
        tests::packets::{
            linear,
            paged, //
        },
        Cloned,
        DropReason,
        SkBuff,
        TxMeta, //
    },
    sock::testing::TestSock, //
};
use core::{
    pin::Pin,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    str::CStr,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// EtherType of the packets that the tests send; the stack may have its own to send.
const ETHERTYPE: u16 = 0x88b5;

/// How often the transmit function is to answer "busy" before it sends.
static BUSY: Atomic<u32> = Atomic::new(0);
/// Whether it answers "busy" with a packet that nobody has given to it.
static SWAP: Atomic<bool> = Atomic::new(false);
/// Whether it drops what it gets.
static DROP: Atomic<bool> = Atomic::new(false);
/// What it has seen: calls, packets sent, the first and the last packet with its length.
static CALLS: Atomic<u32> = Atomic::new(0);
static SENT: Atomic<u32> = Atomic::new(0);
static FIRST: Atomic<usize> = Atomic::new(0);
static LAST: Atomic<usize> = Atomic::new(0);
static LAST_LEN: Atomic<usize> = Atomic::new(0);
static LAST_HEADLEN: Atomic<usize> = Atomic::new(0);
/// The device.
static IFINDEX: Atomic<i32> = Atomic::new(0);

/// A device that says "busy" a number of times and sends into nowhere after that.
pub(crate) struct TestPort;

#[vtable]
impl Operations for TestPort {
    type TxQueue = ();

    fn open(_dev: &Device<Self>) -> Result {
        Ok(())
    }

    fn stop(_dev: &Device<Self>) {}

    fn start_xmit(_dev: &Device<Self>, _queue: TxQueue<'_, ()>, skb: SkBuff<Cloned>) -> Xmit {
        if skb.protocol() != ETHERTYPE {
            skb.consume();
            return Xmit::Taken;
        }
        let address = skb.as_ptr() as usize;
        if CALLS.fetch_add(1, Relaxed) == 0 {
            FIRST.store(address, Relaxed);
        }
        if BUSY.load(Relaxed) > 0 {
            BUSY.fetch_sub(1, Relaxed);
            return Xmit::Busy(skb);
        }
        if SWAP.load(Relaxed) {
            // Two packets at a time have two addresses.
            let other = SkBuff::alloc(0, 0, GFP_ATOMIC);
            skb.consume();
            return other.map_or(Xmit::Taken, |other| Xmit::Busy(other.into()));
        }
        if DROP.load(Relaxed) {
            skb.drop_any_with(DropReason::DEV_READY);
            return Xmit::Taken;
        }
        LAST.store(address, Relaxed);
        LAST_LEN.store(skb.len(), Relaxed);
        LAST_HEADLEN.store(skb.headlen(), Relaxed);
        SENT.add(1, Relaxed);
        skb.consume();
        Xmit::Taken
    }

    fn get_stats64(_dev: &Device<Self>, _stats: &mut LinkStats<'_>) {}
}

#[vtable]
impl ethtool::Operations for TestPort {
    const DRIVER: &'static CStr = c"knet_test";

    const TX_STATS: &'static [&'static CStr] = &[];
    const RX_STATS: &'static [&'static CStr] = &[];

    fn stats(_dev: &Device<Self>, _direction: Direction, _queue: usize, _out: &mut [u64]) {}

    fn speed(_dev: &Device<Self>) -> u32 {
        ethtool::SPEED_UNKNOWN
    }

    fn set_speed(_dev: &Device<Self>, _speed: u32) -> Result {
        Err(EOPNOTSUPP)
    }
}

#[vtable]
impl Kind for TestPort {
    const KIND: &'static CStr = c"knettest";
    // What is paged stays so on its way here.
    const FEATURES: u64 = crate::netdev::features::SG | crate::netdev::features::HIGHDMA;
    const PEER_ATTR: u16 = 1;

    fn newlink(_link: NewLink<'_, Self>) -> Result {
        Err(EOPNOTSUPP)
    }

    fn dellink(dev: &Device<Self>, list: &mut UnregisterList) {
        list.queue(dev);
    }

    fn peer<'a>(_dev: &'a Device<Self>, _guard: &'a rcu::Guard) -> Option<&'a NetDevice> {
        None
    }
}

/// Runs `f` with RTNL held.
fn rtnl<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: KUnit runs in a thread that holds no lock.
    unsafe { bindings::rtnl_lock() };
    let result = f();
    // SAFETY: It was taken above.
    unsafe { bindings::rtnl_unlock() };
    result
}

/// Makes a device that is up. It goes with the registration of its kind.
fn device(kind: &Registration<TestPort>) -> Result {
    rtnl(|| {
        let dev = NewDevice::<TestPort>::for_test(kind)?;
        let mut queues = KVec::new();
        for _ in 0..dev.num_tx_queues() {
            queues.push((), GFP_KERNEL)?;
        }
        let dev = dev.init(TestPort, queues, 0)?.register()?;
        dev.device().carrier_on();
        // SAFETY: RTNL is held, and the device is registered.
        to_result(unsafe { bindings::dev_open(dev.device().as_ptr(), ptr::null_mut()) })?;
        IFINDEX.store(dev.device().ifindex(), Relaxed);
        dev.keep();
        Ok(())
    })
}

/// A kind of devices with one that is up.
pub(crate) fn new_device() -> Result<Pin<KBox<Registration<TestPort>>>> {
    let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
    device(&kind)?;
    Ok(kind)
}

/// Lets the device receive what it has sent.
pub(crate) fn forward(skb: SkBuff) -> Result<SkBuff<Cloned>> {
    let guard = rcu::read_lock();
    let Some(dev) = find(&guard) else {
        skb.consume();
        return Err(ENODEV);
    };
    let received = crate::bh::disabled(|| skb.forward(dev, dev, 0).map(|received| received.0));
    received.map_err(|_| EMSGSIZE)
}

/// Makes a packet that is charged to `sock`.
fn packet(sock: &TestSock) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(64, 100, GFP_KERNEL)?;
    skb.set_owner_w(sock.sk());
    skb.set_tx_meta(&TxMeta {
        protocol: ETHERTYPE,
        ..TxMeta::default()
    });
    if let Err(e) = skb.put(100).map(|_| ()) {
        skb.consume();
        return Err(e);
    }
    Ok(skb)
}

/// Finds the device.
fn find<'a>(guard: &'a rcu::Guard) -> Option<&'a Device<TestPort>> {
    // SAFETY: The initial namespace is always there.
    let net = unsafe { Namespace::from_raw(&raw const bindings::init_net) };
    let dev = net.dev_get_by_index(IFINDEX.load(Relaxed), guard)?;
    // SAFETY: The index is that of a device of this kind that `device` has made.
    Some(unsafe { Device::from_raw(dev.as_ptr()) })
}

/// Gives a packet to the device, through its qdisc.
fn send(skb: SkBuff) -> Result {
    let guard = rcu::read_lock();
    match find(&guard) {
        Some(dev) => skb.dev_queue_xmit(dev, &guard),
        None => {
            skb.consume();
            Err(ENODEV)
        }
    }
}

/// Waits until the device has sent `n` packets, for ten seconds at most.
fn wait_sent(n: u32) -> bool {
    for _ in 0..1000 {
        if SENT.load(Relaxed) >= n {
            return true;
        }
        fsleep(Delta::from_millis(10));
    }
    false
}

fn start(busy: u32) {
    DROP.store(false, Relaxed);
    SWAP.store(false, Relaxed);
    BUSY.store(busy, Relaxed);
    CALLS.store(0, Relaxed);
    SENT.store(0, Relaxed);
}

#[kunit_tests(knet_netdev)]
mod tests {
    use super::*;

    #[test]
    fn c34_a_packet_is_credited_when_the_device_has_sent_it() -> Result {
        let _kind = new_device()?;
        let sock = TestSock::new()?;
        start(0);
        for _ in 0..3 {
            send(packet(&sock)?)?;
        }
        assert!(wait_sent(3));
        assert_eq!((CALLS.load(Relaxed), sock.w()), (3, 1));
        Ok(())
    }

    #[test]
    fn c35_busy_presents_the_same_packet_again() -> Result {
        let _kind = new_device()?;
        let sock = TestSock::new()?;
        start(5);
        send(packet(&sock)?)?;
        assert!(wait_sent(1));
        assert_eq!(CALLS.load(Relaxed), 6);
        assert_eq!(FIRST.load(Relaxed), LAST.load(Relaxed));
        assert_eq!(LAST_LEN.load(Relaxed), 100);
        // No reference was left in the driver, or the bytes would not have come back.
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn busy_with_another_packet_is_not_believed() -> Result {
        let _kind = new_device()?;
        let sock = TestSock::new()?;
        start(0);
        SWAP.store(true, Relaxed);
        send(packet(&sock)?)?;
        // The core does not present a packet again that is gone.
        assert_eq!((CALLS.load(Relaxed), sock.w()), (1, 1));
        Ok(())
    }

    #[test]
    fn a_device_gets_its_header_in_the_linear_part() -> Result {
        let _kind = new_device()?;
        start(0);
        let mut skb = paged(&[], &[1; 64])?;
        skb.set_protocol(ETHERTYPE);
        send(skb)?;
        assert!(wait_sent(1));
        assert!(LAST_HEADLEN.load(Relaxed) >= 14);
        Ok(())
    }

    #[test]
    fn c37_a_drop_in_the_device_is_credited_once() -> Result {
        let _kind = new_device()?;
        let sock = TestSock::new()?;
        start(0);
        DROP.store(true, Relaxed);
        for _ in 0..3 {
            // The packet was taken: the sender hears of no error.
            send(packet(&sock)?)?;
        }
        assert_eq!(
            (CALLS.load(Relaxed), SENT.load(Relaxed), sock.w()),
            (3, 0, 1)
        );
        Ok(())
    }

    #[test]
    fn c40_a_round_without_packets_wakes_nobody() -> Result {
        let _kind = new_device()?;
        let guard = rcu::read_lock();
        let dev = find(&guard).ok_or(ENODEV)?;
        let stopped = |txq: *mut bindings::netdev_queue| {
            // SAFETY: The device, and so its queue, is valid while RCU is read-locked.
            let state = unsafe { (&raw const (*txq).state).read_volatile() };
            state & (1 << bindings::netdev_queue_state_t___QUEUE_STATE_DRV_XOFF) != 0
        };
        let mut queue = Completion::new(dev, 0)?;
        let txq = queue.as_ptr();
        // As in a driver: what a transmit function asks is kept for each CPU.
        let rounds = crate::bh::disabled(|| {
            let mut round = |packets, free| {
                // SAFETY: As above; nobody transmits on this queue.
                unsafe {
                    bindings::netif_tx_stop_queue_mb(txq);
                    bindings::netdev_tx_sent_queue_more(txq, packets * 100);
                }
                let woken = queue.completed_wake(packets, packets * 100, || free, 1);
                (woken, stopped(txq))
            };
            [round(0, 256), round(1, 0), round(1, 256)]
        });
        drop(queue);
        drop(guard);
        // None completed, no room, room.
        assert_eq!(rounds, [(false, true), (false, true), (true, false)]);
        Ok(())
    }

    #[test]
    fn a_queue_is_completed_by_one_at_a_time() -> Result {
        let _kind = new_device()?;
        let guard = rcu::read_lock();
        let dev = find(&guard).ok_or(ENODEV)?;
        let first = Completion::new(dev, 0)?;
        assert_eq!(Completion::new(dev, 0).err(), Some(EBUSY));
        drop(first);
        assert!(Completion::new(dev, 0).is_ok());
        assert!(Completion::new(dev, 0).is_ok());
        let none = dev.num_tx_queues() as u16;
        assert_eq!(Completion::new(dev, none).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn what_was_not_sent_cannot_be_completed() -> Result {
        let _kind = new_device()?;
        let guard = rcu::read_lock();
        let dev = find(&guard).ok_or(ENODEV)?;
        let mut queue = Completion::new(dev, 0)?;
        let txq = queue.as_ptr();
        crate::bh::disabled(|| {
            // C BUGs when more is completed than was sent, and warns of what no packet can have.
            queue.completed_wake(1, 1000, || 256, 1);
            // SAFETY: The queue is valid while RCU is read-locked; nobody transmits on it.
            unsafe { bindings::netdev_tx_sent_queue_more(txq, u32::MAX) };
            queue.completed_wake(1, u32::MAX, || 256, 1);
            // SAFETY: As above.
            unsafe { bindings::netif_tx_stop_queue_mb(txq) };
            assert!(queue.reset());
            assert!(!queue.reset());
        });
        // SAFETY: As above.
        let left = unsafe { (*txq).dql.num_queued.wrapping_sub((*txq).dql.num_completed) };
        drop(queue);
        drop(guard);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_frame_with_nothing_linear_is_received() -> Result {
        let _kind = new_device()?;
        let mut frame = [0; 64];
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        let skb = paged(&[], &frame)?;
        // One that has no header at all.
        let short = linear(&frame[..13])?;
        let whole = forward(skb)?;
        assert_eq!((whole.protocol(), whole.len()), (ETHERTYPE, 50));
        whole.consume();
        assert!(forward(short).map(|skb| skb.consume()) == Err(EMSGSIZE));
        Ok(())
    }

    #[test]
    fn a_limit_of_segmentation_leaves_room_for_a_segment() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        // Without RTNL, which an assertion that fails would keep: nobody else changes this device.
        let guard = rcu::read_lock();
        let dev = find(&guard).ok_or(ENODEV)?;
        assert_eq!(dev.gso_max_size(), GSO_LEGACY_MAX_SIZE);
        for size in [0, bindings::MAX_TCP_HEADER_VALUE, u32::MAX] {
            assert_eq!(dev.set_gso_max_size(size), Err(EINVAL));
            assert_eq!(dev.set_gso_ipv4_max_size(size), Err(EINVAL));
        }
        assert_eq!(dev.gso_max_size(), GSO_LEGACY_MAX_SIZE);
        let sizes = || (dev.gso_max_size(), dev.gso_ipv4_max_size());
        dev.set_gso_max_size(5000)?;
        assert_eq!(sizes(), (5000, 5000));
        dev.set_gso_ipv4_max_size(4000)?;
        assert_eq!(sizes(), (5000, 4000));
        drop(guard);
        Ok(())
    }

    #[test]
    fn c44_packets_are_not_shared_with_the_device() -> Result {
        let _kind = new_device()?;
        let guard = rcu::read_lock();
        let dev = find(&guard).ok_or(ENODEV)?;
        // SAFETY: The device is valid while RCU is read-locked.
        let flags = unsafe {
            (*dev.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .priv_flags()
        };
        assert_eq!(
            flags & bindings::netdev_priv_flags_IFF_TX_SKB_SHARING as c_ulong,
            0
        );
        drop(guard);
        Ok(())
    }
}
