// SPDX-License-Identifier: GPL-2.0

//! `wren_nic`: a pair of network devices with real transmit rings.
//!
//! `ip link add wren0 type wren` makes two devices that are joined by a wire. What one of them
//! transmits waits in a ring, still charged to its sender, until the wire has taken it: until the
//! peer's NAPI gets to it, or as late as the speed of the wire allows. Then the packet is orphaned,
//! which is when a real device would have sent it, and goes up the peer's stack uncopied.
//!
//! * [`link`]: the wire with its two ends, and how it goes up and down.
//! * [`lane`]: one ring, from a transmit queue at one end to the NAPI at the other.
//! * [`bell`]: who has to be told that a packet is in a ring.
//! * [`gate`]: when a packet may be taken out of a ring: the wire, and coalescing of interrupts.
//! * [`wire`]: one direction of the wire, and what was set for it.
//! * [`pace`]: its speed.
//! * [`frame`]: what a packet is on the wire.
//! * [`port`]: one device: the callbacks of the core.
//! * [`ethtool`]: what ethtool shows and sets of it.
//! * [`pair`]: how a pair is made, changed and removed.
//! * [`shape`]: the sizes of the rings, the number of channels, and how they change.
//! * [`stats`]: what lanes count, by which names, and added up.

mod bell;
mod ethtool;
mod frame;
mod gate;
mod lane;
mod link;
mod pace;
mod pair;
mod port;
mod shape;
mod stats;
mod wire;

use kernel::prelude::*;
use knet::netdev::link::Registration;
use port::Port;

module! {
    type: WrenNic,
    name: "wren_nic",
    authors: ["The wren authors"],
    description: "Virtual NIC pair: packets stay charged to the sender until the wire has them",
    license: "GPL",
    alias: ["rtnl-link-wren"],
}

#[pin_data]
struct WrenNic {
    #[pin]
    kind: Registration<Port>,
}

impl kernel::InPlaceModule for WrenNic {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            kind <- Registration::register(),
        }? Error)
    }
}
