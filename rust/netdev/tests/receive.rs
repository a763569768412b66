// SPDX-License-Identifier: GPL-2.0

//! How a poll function gives packets to the stack: at once, or by way of GRO.

use super::{
    device,
    find,
    Registration,
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
        Cloned,
        GsoType,
        SkBuff, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
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

/// The packets that have come up, a hexadecimal digit each, the last one lowest.
static ARRIVED: Atomic<u32> = Atomic::new(0);
/// The same after each step of the round: what a failed assertion would say in it sleeps.
static STEPS: [Atomic<u32>; 3] = [Atomic::new(0), Atomic::new(0), Atomic::new(0)];
/// The NAPI instances that the packets name, as they come.
static NAPI_IDS: [Atomic<u32>; 3] = [Atomic::new(0), Atomic::new(0), Atomic::new(0)];
/// Rounds that have begun.
static ROUNDS: Atomic<u32> = Atomic::new(0);

/// Notes who comes up.
struct Note;

impl PacketHandler for Note {
    fn receive(&self, skb: SkBuff<Cloned>, _dev: &NetDevice, _softirq: &BhDisabled<'_>) {
        if let Some(&digit @ 1..=3) = skb.data().first() {
            ARRIVED.store(ARRIVED.load(Relaxed) << 4 | u32::from(digit), Relaxed);
            NAPI_IDS[usize::from(digit) - 1].store(napi_id(&skb), Relaxed);
        }
        skb.consume();
    }
}

fn napi_id(skb: &SkBuff<Cloned>) -> u32 {
    #[cfg(CONFIG_NET_RX_BUSY_POLL)]
    // SAFETY: The packet is valid; both members of the union are integers of this size.
    return unsafe {
        let headers = (*skb.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref();
        headers.__bindgen_anon_3.napi_id
    };
    #[cfg(not(CONFIG_NET_RX_BUSY_POLL))]
    {
        let _ = skb;
        bindings::MIN_NAPI_ID_VALUE
    }
}

/// A frame whose payload starts with `digit`, and which perhaps stands for several.
fn frame(ctx: &mut PollContext<'_, TestPort>, digit: u8, gso: bool) -> Result<SkBuff> {
    let mut frame = [0; 64];
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    frame[14] = digit;
    let mut skb = ctx.alloc_skb(frame.len())?;
    let mut filled = skb.put_data(&frame);
    if gso {
        filled = filled.and_then(|()| skb.set_gso(GsoType::Tcpv4, 20, 50));
    }
    if let Err(e) = filled {
        skb.consume();
        return Err(e);
    }
    Ok(skb)
}

/// Receives three packets in one round, with what is said of each: whether more follow.
struct Receive {
    more: [bool; 3],
    gso: bool,
}

impl Poll for Receive {
    type Port = TestPort;

    fn poll(&mut self, mut ctx: PollContext<'_, TestPort>) -> PollResult {
        let dev = ctx.device();
        if ROUNDS.fetch_add(1, Relaxed) == 0 {
            for (n, more) in self.more.into_iter().enumerate() {
                let Ok(skb) = frame(&mut ctx, n as u8 + 1, self.gso) else {
                    break;
                };
                // The budget is for many more.
                if let Some(Ok(skb)) = ctx.take(|| Some(skb.forward(dev, dev, 0))) {
                    ctx.receive(skb, more);
                }
                STEPS[n].store(ARRIVED.load(Relaxed), Relaxed);
            }
        }
        ctx.complete_done()
    }
}

/// What has arrived after each packet, and after the round.
fn round(more: [bool; 3], gso: bool, gro_flush_timeout: c_ulong) -> Result<[u32; 4]> {
    let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
    device(&kind)?;
    let dev: ARef<Device<TestPort>> = {
        let guard = rcu::read_lock();
        find(&guard).ok_or(ENODEV)?.into()
    };
    // SAFETY: The device is valid. What is written by sysfs at other times is a word, and read
    // once.
    unsafe { (&raw mut (*dev.as_ptr()).gro_flush_timeout).write_volatile(gro_flush_timeout) };
    let handler = KBox::pin_init(PacketType::register(ETHERTYPE, Note), GFP_KERNEL)?;
    let napi = KBox::pin_init(Napi::new(Receive { more, gso }), GFP_KERNEL)?;
    ARRIVED.store(0, Relaxed);
    ROUNDS.store(0, Relaxed);
    // One that is not there: an instance without settings of its own has those of the device.
    napi.enable(&dev, u16::MAX)?;
    crate::bh::disabled(|| napi.schedule());
    // Ten seconds at most.
    for _ in 0..1000 {
        if ARRIVED.load(Relaxed) == 0x123 {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    napi.disable();
    drop(handler);
    let steps = STEPS.each_ref().map(|step| step.load(Relaxed));
    Ok([steps[0], steps[1], steps[2], ARRIVED.load(Relaxed)])
}

#[kunit_tests(knet_receive)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_are_alone_go_up_at_once() -> Result {
        assert_eq!(round([false; 3], false, 0)?, [0x1, 0x12, 0x123, 0x123]);
        Ok(())
    }

    #[test]
    fn packets_keep_their_order_behind_one_that_waits() -> Result {
        // The second one waits for others, so the third one, which is said to be the last, does,
        // too.
        assert_eq!(
            round([false, true, false], false, 0)?,
            [0x1, 0x1, 0x1, 0x123]
        );
        Ok(())
    }

    #[test]
    fn gro_gets_all_when_it_waits_for_later_rounds() -> Result {
        assert_eq!(round([false; 3], false, 1_000_000)?, [0, 0, 0, 0x123]);
        assert_eq!(round([false; 3], true, 1_000_000)?, [0, 0, 0, 0x123]);
        Ok(())
    }

    #[test]
    fn what_stands_for_several_waits_for_no_more() -> Result {
        assert_eq!(round([true; 3], false, 0)?, [0, 0, 0, 0x123]);
        assert_eq!(round([true; 3], true, 0)?, [0x1, 0x12, 0x123, 0x123]);
        Ok(())
    }

    #[test]
    fn a_packet_names_its_instance_however_it_goes_up() -> Result {
        round([false, true, false], false, 0)?;
        let ids = NAPI_IDS.each_ref().map(|id| id.load(Relaxed));
        assert!(ids[0] >= bindings::MIN_NAPI_ID_VALUE);
        assert_eq!(ids, [ids[0]; 3]);
        Ok(())
    }
}
