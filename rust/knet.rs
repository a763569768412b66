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

use kernel::{
    debugfs,
    prelude::*, //
};

pub mod bh;
mod bindings;
mod gfp;
pub mod net;
pub mod netdev;
pub mod random;
pub mod rcu;
mod refcount;
pub mod ring;
pub mod skb;
pub mod sock;
pub mod time;

module! {
    type: Knet,
    name: "knet",
    authors: ["The wren authors"],
    description: "Network drivers and protocols in Rust: packets with their ownership in the types",
    license: "GPL",
}

/// The module itself: it only shows its counters.
#[pin_data]
struct Knet {
    /// `/sys/kernel/debug/knet`
    #[pin]
    debugfs: debugfs::Scope<()>,
}

impl kernel::InPlaceModule for Knet {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            debugfs <- debugfs::Scope::dir((), c"knet", |(), dir| {
                dir.read_only_file(c"implicit_drops", &skb::IMPLICIT_DROPS);
            }),
        }? Error)
    }
}
