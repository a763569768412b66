// SPDX-License-Identifier: GPL-2.0

//! Transmit time stamps: for whom, and on which device.

use crate::{
    bindings,
    netdev::NetDevice,
    skb::{
        tests::{
            claim::set_state,
            packets::linear, //
        },
        Cloned,
        SkBuff, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// A packet whose sender wants to know when it has left.
fn packet() -> Result<SkBuff> {
    let skb = linear(b"data")?;
    // SAFETY: The packet is ours alone.
    unsafe { (*skb.shinfo()).tx_flags = bindings::SKBTX_SW_TSTAMP as u8 };
    Ok(skb)
}

/// Takes the stamp on the loopback device, and returns whether that is the device then.
fn stamp(skb: SkBuff) -> bool {
    let mut skb: SkBuff<Cloned> = skb.into();
    let _guard = rcu::read_lock();
    // SAFETY: The loopback device lives as long as its namespace.
    let lo = unsafe { NetDevice::from_raw(bindings::init_net.loopback_dev) };
    skb.tx_timestamp(lo);
    let named = skb.is_dev(lo);
    skb.consume();
    named
}

/// Stamps that the socket has got.
fn stamps(sock: &TestSock) -> u32 {
    // SAFETY: The socket is valid.
    unsafe { (*sock.sk().as_ptr()).sk_error_queue.qlen }
}

#[kunit_tests(knet_skb_tstamp)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_gets_a_stamp_if_he_wants_one() -> Result {
        let sock = TestSock::new()?;
        let mut skb = linear(b"data")?;
        skb.set_owner_w(sock.sk());
        assert!(!stamp(skb));
        assert_eq!(stamps(&sock), 0);
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        assert!(stamp(skb));
        assert_eq!(stamps(&sock), 1);
        let mut skb = packet()?;
        assert!(skb.set_owner_sk_safe(sock.sk()));
        stamp(skb);
        assert_eq!((stamps(&sock), sock.w()), (2, 1));
        Ok(())
    }

    #[test]
    fn what_is_no_whole_socket_gets_none() -> Result {
        let sock = TestSock::new()?;
        for state in [bindings::TCP_TIME_WAIT, bindings::TCP_NEW_SYN_RECV] {
            let mut skb = packet()?;
            let before = set_state(&sock, state);
            let held = skb.set_owner_edemux(sock.sk());
            stamp(skb);
            set_state(&sock, before);
            assert!(held);
            assert_eq!(stamps(&sock), 0);
        }
        // And there need be none at all.
        stamp(packet()?);
        Ok(())
    }
}
