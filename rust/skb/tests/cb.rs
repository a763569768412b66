// SPDX-License-Identifier: GPL-2.0

//! The control buffer: what was written is there, until the packet is a plain one again.

use crate::{
    ring,
    skb::{
        Private,
        SkBuff,
        WithCb, //
    },
    sock::testing::TestSock, //
};
use kernel::prelude::*;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Stamp {
    number: u16,
    when: u64,
}

fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(16, 100, GFP_KERNEL)?;
    skb.put_data(b"data")?;
    Ok(skb)
}

fn stamp(number: u16) -> Stamp {
    Stamp {
        number,
        when: u64::from(number) << 40,
    }
}

/// The control buffer as C sees it.
fn bytes(skb: &SkBuff) -> [u8; 48] {
    // SAFETY: The packet is valid, and the whole control buffer was written.
    unsafe { (&raw const (*skb.as_ptr()).cb).cast::<[u8; 48]>().read() }
}

#[kunit_tests(knet_skb_cb)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() -> Result {
        let mut skb = packet()?.with_cb(stamp(1));
        assert_eq!(*skb.cb(), stamp(1));
        skb.cb_mut().number = 7;
        assert_eq!((skb.cb().number, skb.cb().when), (7, 1 << 40));
        // The packet can be read as before.
        assert_eq!(skb.data(), b"data");
        skb.into_skb().consume();
        Ok(())
    }

    #[test]
    fn the_largest_type_fills_the_control_buffer() -> Result {
        let mut value = [0; 48];
        for (n, byte) in (1..).zip(&mut value) {
            *byte = n;
        }
        let skb = packet()?;
        let (sk, queue) = (skb.owner_kind(), skb.queue_mapping());
        let skb = skb.with_cb(value).into_skb();
        assert_eq!(bytes(&skb), value);
        // What is around it is what it was.
        assert!(skb.owner_kind() == sk && skb.queue_mapping() == queue);
        assert!(skb.tstamp().is_none());
        // Another type takes its place.
        let skb = skb.with_cb(0xaa_u8).into_skb();
        value[0] = 0xaa;
        assert_eq!(bytes(&skb), value);
        skb.consume();
        Ok(())
    }

    #[test]
    fn a_queue_keeps_it() -> Result {
        let mut vec = KVec::new();
        let (mut producer, mut consumer) = ring::channel::<WithCb<Private, Stamp>>(4)?;
        for number in 0..4 {
            vec.push(packet()?.with_cb(stamp(number)), GFP_KERNEL)?;
        }
        for skb in vec {
            if let Err(skb) = producer.push(skb) {
                skb.into_skb().consume();
                return Err(EINVAL);
            }
        }
        for number in 0..4 {
            assert_eq!(consumer.peek().map(|skb| *skb.cb()), Some(stamp(number)));
            let skb = consumer.pop().ok_or(EINVAL)?;
            // Through C and back, as a queue of C's does it.
            let raw = skb.into_raw();
            // SAFETY: It is the same packet, and nobody had it meanwhile.
            let skb: WithCb<Private, Stamp> = unsafe { WithCb::from_raw(raw) };
            assert_eq!(*skb.cb(), stamp(number));
            skb.into_skb().consume();
        }
        Ok(())
    }

    #[test]
    fn the_claim_is_not_touched() -> Result {
        let sock = TestSock::new()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let w = sock.w();
        let skb = skb.with_cb([0xff_u8; 48]);
        assert_eq!(sock.w(), w);
        assert_eq!(skb.owner().map(|sk| sk.as_ptr()), Some(sock.sk().as_ptr()));
        skb.into_skb().consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }

    #[test]
    fn out_of_scope_is_an_implicit_drop() -> Result {
        let before = crate::skb::implicit_drops();
        drop(packet()?.with_cb(stamp(1)));
        assert_eq!(crate::skb::implicit_drops(), before + 1);
        // This one was on purpose: the counter has to be zero after a test run.
        crate::skb::IMPLICIT_DROPS.store(before, kernel::sync::atomic::Relaxed);
        Ok(())
    }
}
