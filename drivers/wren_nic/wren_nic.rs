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
//! * [`gate`]: when a packet may be taken out of a ring: the wire, and coalescing of interrupts.
//! * [`port`]: one device: the callbacks of the core, and how a pair is made.
//! * [`shape`]: the sizes of the rings, the number of channels, and how they change.
//! * [`wire`]: one direction of the wire, and what was set for it.
//! * [`pace`]: its speed.
//! * [`sum`]: what lanes have counted, added up.

mod gate;
mod lane;
mod link;
mod pace;
mod port;
mod shape;
mod sum;
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
