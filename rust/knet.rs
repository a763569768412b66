// SPDX-License-Identifier: GPL-2.0

//! `knet`: network drivers and protocols in Rust.
//!
//! The crate is written over the kernel's own `struct sk_buff`, `struct sock` and
//! `struct net_device`, and makes a matter of types what C leaves to care: who owns a packet, who
//! is charged for it, and until when.
//!
//! * [`skb`]: packets. Start there.
//! * [`netdev`]: network devices, their transmit queues, NAPI, rtnetlink and ethtool.
//! * [`sock`]: sockets and families of sockets.
//! * [`net`]: network namespaces.
//! * [`ring`]: a lock-free ring between a transmit function and a poll function.
//! * [`rcu`]: references that are followed under RCU.
//! * [`bh`], [`time`], [`random`]: bottom halves, the monotonic clock, random numbers.
//!
//! Naming follows C: what is `skb_set_owner_w()` there is [`skb::SkBuff::set_owner_w`] here.
//!
//! # How to write a driver
//!
//! 1. Say what the driver keeps for a device, and implement [`netdev::Operations`] for it. The
//!    transmit function gets each packet by value, and by [`TxQueue`](netdev::TxQueue) what the
//!    driver keeps for that queue. It has to answer with an [`Xmit`](netdev::Xmit): taken, or busy
//!    with the packet in it. A packet that is taken goes into a [`ring`], or is dropped with a
//!    [reason](skb::DropReason).
//! 2. Say what is polled, implement [`netdev::Poll`] for it and put it into a [`netdev::Napi`].
//!    [`PollContext::take`](netdev::PollContext::take) keeps to the budget. A packet that was
//!    transmitted is [orphaned](skb::SkBuff::orphan) when the hardware has it, which gives the
//!    bytes back to the sender, or freed by [`napi_consume`](skb::SkBuff::napi_consume), which does
//!    so too; [`Completion`](netdev::Completion) then wakes the queue.
//! 3. In `stop` empty the rings, so that no packet outlives its device in there.
//! 4. Implement [`netdev::ethtool::Operations`] and [`netdev::link::Kind`], and keep a
//!    [`netdev::link::Registration`] in the module: `ip link add ... type KIND` makes a device.
//!
//! What this leaves to go wrong is a packet that is taken and then forgotten. It is freed when it
//! goes out of scope, and [counted](skb::implicit_drops).
//!
//! # A whole driver
//!
//! `samples/knet_echo.rs`, which is built and tested with the crate:
//!
//! ```ignore
#![doc = include_str!("../samples/knet_echo.rs")]
//! ```

// Kbuild has that on the command line of the compiler, where rustdoc does not look for it when it
// collects examples.
#![cfg_attr(doctest, no_std)]

use kernel::{
    debugfs,
    prelude::*, //
};

pub mod atomic;
pub mod bh;
mod bindings;
mod gfp;
pub mod net;
pub mod netdev;
pub mod random;
pub mod rcu;
mod refcount;
pub mod ring;
pub mod rtnl;
pub mod skb;
pub mod sock;
pub mod time;

module! {
    type: Knet,
    name: "knet",
    authors: ["The wren authors"],
    description: "Network drivers and protocols in Rust: packets with their ownership in the types",
    license: "GPL",
    params: {
        tsq_by_work: u8 {
            default: 0,
            description: "1: throttled sockets send on by BH work, not by a tasklet (default 0)",
        },
    },
}

/// The module itself: its counters, and what all protocols share.
#[pin_data]
struct Knet {
    tsq: sock::tsq::Queues,
    /// `/sys/kernel/debug/knet`
    #[pin]
    debugfs: debugfs::Scope<()>,
}

impl kernel::InPlaceModule for Knet {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            tsq: sock::tsq::Queues::new(module_parameters::tsq_by_work.value() != 0)?,
            debugfs <- debugfs::Scope::dir((), c"knet", |(), dir| {
                dir.read_only_file(c"implicit_drops", &skb::IMPLICIT_DROPS);
            }),
        }? Error)
    }
}
