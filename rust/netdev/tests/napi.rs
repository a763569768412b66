// SPDX-License-Identifier: GPL-2.0

//! What a poll function can do: allocate from the caches of its CPU.

use super::{
    device,
    find,
    new_device,
    TestPort,
    ETHERTYPE, //
};
use crate::{
    bindings,
    netdev::{
        Device,
        Napi,
        NetDevice,
        PacketHandler,
        PacketType,
        Poll,
        PollContext,
        PollResult, //
    },
    rcu::BhDisabled,
    skb::{
        tests::packets::linear,
        Cloned,
        PageFrag,
        SkBuff, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// What the poll function has found, and whether it was called at all. A failed assertion sleeps,
/// so none is made in it.
static FOUND: Atomic<u32> = Atomic::new(0);
const CALLED: u32 = 1 << 31;

/// Allocates in each way and notes what is as it should be, a bit for each.
struct Allocate;

impl Poll for Allocate {
    type Port = TestPort;

    fn poll(&mut self, mut ctx: PollContext<'_, TestPort>) -> PollResult {
        let results = [
            alloc_skb(&mut ctx, 1500),
            alloc_skb(&mut ctx, 16),
            ctx.alloc_skb(u32::MAX as usize)
                .map(|skb| skb.consume())
                .is_err(),
            build_skb(&mut ctx).is_ok(),
            no_room(&mut ctx).is_ok(),
        ];
        let mut found = CALLED;
        for (bit, result) in results.into_iter().enumerate() {
            found |= u32::from(result) << bit;
        }
        FOUND.store(found, Relaxed);
        ctx.complete_done()
    }
}

fn has_device(skb: &SkBuff) -> bool {
    // SAFETY: The packet is valid.
    let dev = unsafe {
        (*skb.as_ptr())
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev
    };
    !dev.is_null()
}

/// A frame for everybody, of the tests' EtherType.
const FRAME: [u8; 64] = {
    let mut frame = [0xff; 64];
    [frame[12], frame[13]] = ETHERTYPE.to_be_bytes();
    frame
};

/// Frames of the test that have gone up the stack.
static RECEIVED: Atomic<u32> = Atomic::new(0);

struct Count;

impl PacketHandler for Count {
    fn receive(&self, skb: SkBuff<Cloned>, _dev: &NetDevice, _softirq: &BhDisabled<'_>) {
        RECEIVED.add(1, Relaxed);
        skb.consume();
    }
}

/// Hands packets up that came in on other devices, or are charged, and notes what it sees.
struct HandUp {
    /// A device, and a packet for it.
    packets: [Option<(ARef<Device<TestPort>>, SkBuff)>; 2],
    /// The socket that the packets are charged to.
    sock: Arc<TestSock>,
}

impl Poll for HandUp {
    type Port = TestPort;

    fn poll(&mut self, mut ctx: PollContext<'_, TestPort>) -> PollResult {
        let mut found = CALLED;
        for (bit, packet) in self.packets.iter_mut().enumerate() {
            let Some((dev, skb)) = packet.take() else {
                continue;
            };
            if let Ok(skb) = skb.forward(&dev, &dev, 0) {
                let (before, w) = (RECEIVED.load(Relaxed), self.sock.w());
                ctx.gro_receive(skb);
                let at_once = RECEIVED.load(Relaxed) != before;
                let credited = self.sock.w() < w;
                found |= (u32::from(at_once) | u32::from(credited) << 1) << (2 * bit);
            }
        }
        FOUND.store(found, Relaxed);
        ctx.complete_done()
    }
}

/// Ends a round and notes whether it is still its round, and whether it was the second one.
struct EndTwice(bool);

impl Poll for EndTwice {
    type Port = TestPort;

    fn poll(&mut self, ctx: PollContext<'_, TestPort>) -> PollResult {
        let napi = ctx.as_ptr();
        let result = if self.0 {
            ctx.complete_done()
        } else {
            // Long over.
            ctx.complete_until(i64::MIN)
        };
        // SAFETY: The instance is being polled.
        let state = unsafe { (&raw const (*napi).state).read_volatile() };
        let polled = state & (1 << bindings::NAPI_STATE_SCHED) != 0;
        let before = FOUND.load(Relaxed);
        let found = before | u32::from(polled) << u32::from(self.0);
        FOUND.store(if self.0 { found | CALLED } else { found }, Relaxed);
        self.0 = true;
        result
    }
}

/// The device that was made last.
fn last_device() -> Result<ARef<Device<TestPort>>> {
    let guard = rcu::read_lock();
    Ok(find(&guard).ok_or(ENODEV)?.into())
}

/// Polls once, and returns what was found.
fn poll_once<P: Poll<Port = TestPort>>(poll: P, dev: &Device<TestPort>) -> Result<u32> {
    let napi = KBox::pin_init(Napi::new(poll), GFP_KERNEL)?;
    FOUND.store(0, Relaxed);
    napi.enable(dev, 0)?;
    crate::bh::disabled(|| napi.schedule());
    // Ten seconds at most.
    for _ in 0..1000 {
        if FOUND.load(Relaxed) & CALLED != 0 {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    napi.disable();
    Ok(FOUND.load(Relaxed))
}

/// An empty packet with room and headroom, which can be filled.
fn alloc_skb(ctx: &mut PollContext<'_, TestPort>, size: usize) -> bool {
    let Ok(mut skb) = ctx.alloc_skb(size) else {
        return false;
    };
    let new = skb.is_empty() && skb.headroom() >= 32 && skb.tailroom() >= size;
    let good = new && !has_device(&skb) && skb.put(size).is_ok();
    skb.napi_consume(ctx.budget());
    good
}

/// A packet around a fragment, with another one added.
fn build_skb(ctx: &mut PollContext<'_, TestPort>) -> Result {
    let mut head = PageFrag::alloc_head(32, 100)?;
    head.put_data(b"head")?;
    let mut skb = ctx.build_skb(head).map_err(|(_, e)| e)?;
    let mut tail = ctx.alloc_frag(100)?;
    let full = tail.truesize() == 128 && ctx.alloc_frag(0).is_err();
    tail.put_data(b"tail")?;
    skb.add_frag(tail).map_err(|(_, e)| e)?;
    let good = (skb.data(), skb.len(), skb.headroom()) == (&b"head"[..], 8, 32);
    skb.napi_consume(ctx.budget());
    if good && full {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// A fragment without room for the bookkeeping comes back.
fn no_room(ctx: &mut PollContext<'_, TestPort>) -> Result {
    let mut frag = ctx.alloc_frag(size_of::<bindings::skb_shared_info>())?;
    frag.put_data(b"data")?;
    match ctx.build_skb(frag) {
        Ok(skb) => {
            skb.consume();
            Err(EINVAL)
        }
        Err((frag, error)) if error == ENOSPC && frag.data() == b"data" => Ok(()),
        Err((_, error)) => Err(error),
    }
}

#[kunit_tests(knet_napi)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_allocates_from_the_caches_of_its_cpu() -> Result {
        let _kind = new_device()?;
        let found = poll_once(Allocate, &*last_device()?)?;
        assert_eq!(found, CALLED | 0b1_1111);
        Ok(())
    }

    #[test]
    fn a_round_ends_when_the_poll_function_has_returned() -> Result {
        let _kind = new_device()?;
        let found = poll_once(EndTwice(false), &*last_device()?)?;
        assert_eq!(found, CALLED | 0b11);
        Ok(())
    }

    #[test]
    fn only_packets_of_its_device_wait_in_an_instance() -> Result {
        let kind = new_device()?;
        let own = last_device()?;
        device(&kind)?;
        let other = last_device()?;
        let sock = Arc::new(TestSock::new()?, GFP_KERNEL)?;
        let frame = || {
            let mut skb = linear(&FRAME)?;
            skb.set_owner_w(sock.sk());
            Ok::<_, Error>(skb)
        };
        let handler = KBox::pin_init(PacketType::register(ETHERTYPE, Count), GFP_KERNEL)?;
        RECEIVED.store(0, Relaxed);
        let packets = [Some((own.clone(), frame()?)), Some((other, frame()?))];
        let poll = HandUp {
            packets,
            sock: sock.clone(),
        };
        let found = poll_once(poll, &own)?;
        drop(handler);
        // The other's went up at once, and both claims have ended.
        assert_eq!(found, CALLED | 0b11_10);
        assert_eq!((RECEIVED.load(Relaxed), sock.w()), (2, 1));
        Ok(())
    }

    /// The number of the configuration that an instance has, and its identifier.
    fn config(napi: &Napi<Allocate>) -> (Option<i32>, u32) {
        // SAFETY: The instance was initialised; nobody changes it meanwhile.
        let napi = unsafe { &*napi.as_ptr() };
        let index = (!napi.config.is_null()).then_some(napi.index);
        (index, napi.napi_id)
    }

    #[test]
    fn each_instance_has_a_configuration_of_its_own() -> Result {
        let _kind = new_device()?;
        let dev = last_device()?;
        let first = KBox::pin_init(Napi::new(Allocate), GFP_KERNEL)?;
        let second = KBox::pin_init(Napi::new(Allocate), GFP_KERNEL)?;
        first.enable(&dev, 0)?;
        let (index, id) = config(&first);
        assert!(index == Some(0) && id != 0);
        assert_eq!(first.enable(&dev, 0), Err(EBUSY));
        // One that is taken, and one that is not there.
        for index in [0, u16::MAX] {
            second.enable(&dev, index)?;
            assert!(config(&second).0.is_none() && config(&second).1 != id);
            second.disable();
        }
        // It is kept for the next one.
        first.disable();
        second.enable(&dev, 0)?;
        assert_eq!(config(&second), (Some(0), id));
        second.disable();
        Ok(())
    }
}
