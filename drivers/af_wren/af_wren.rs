// SPDX-License-Identifier: GPL-2.0

//! `af_wren`: sockets directly over Ethernet.
//!
//! A datagram is charged to the send buffer of its socket until the device has sent it, and a
//! writer that is faster than the device sleeps: what a program may rely on with UDP, over any
//! Ethernet device and without IP in between.
//!
//! * [`addr`]: `struct sockaddr_wren`.
//! * [`wire`]: what is in a frame.
//! * [`ports`]: which socket has which port.
//! * [`socket`]: the calls of a program.
//! * [`peer`]: whom a socket is connected to.
//! * [`group`]: the multicast addresses that it has joined.
//! * [`option`]: its options.
//! * [`send`], [`receive`]: the way of a datagram down and up.
//! * [`device`]: devices that go away.
//! * [`proc`]: the file `/proc/net/wren`.

mod addr;
mod device;
mod group;
mod option;
mod peer;
mod ports;
mod proc;
mod receive;
mod send;
mod socket;
mod wire;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use knet::{
    net::ProcRegistration,
    netdev::{
        Notifier,
        PacketType, //
    },
    sock::Registration,
};
use ports::Ports;

module! {
    type: AfWren,
    name: "af_wren",
    authors: ["The wren authors"],
    description: "Sockets over Ethernet that wait for the device",
    license: "GPL",
    alias: ["net-pf-18"],
    params: {
        family: i32 {
            default: 18,
            description: "Number of the address family: one that is free (default 18, AF_ASH)",
        },
        ethertype: u16 {
            default: 0x88b5,
            description: "EtherType of the frames (default 0x88b5, IEEE local experimental 1)",
        },
    },
}

/// What the sockets share.
pub(crate) struct Context {
    pub(crate) family: u16,
    pub(crate) ethertype: u16,
    pub(crate) ports: Arc<Ports>,
}

/// The module. The fields are dropped in this order: no more sockets, then no more frames.
#[pin_data]
struct AfWren {
    family: Registration<socket::Wren>,
    #[pin]
    packets: PacketType<receive::Handler>,
    #[pin]
    devices: Notifier<device::Listener>,
    proc: ProcRegistration<proc::Sockets>,
}

/// The lowest EtherType; smaller values are lengths.
const ETHERTYPE_MIN: u16 = 0x600;

impl kernel::InPlaceModule for AfWren {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let family = module_parameters::family.value();
            let ethertype = module_parameters::ethertype.value();
            if ethertype < ETHERTYPE_MIN {
                pr_err!("ethertype={ethertype:#06x}: must be {ETHERTYPE_MIN:#06x} or more\n");
                return Err(EINVAL);
            }
            let ports = Arc::pin_init(Ports::new(), GFP_KERNEL)?;
            let context = Context {
                // A number that does not fit is out of range, which registration refuses.
                family: u16::try_from(family).unwrap_or(0),
                ethertype,
                ports: ports.clone(),
            };
            let handler = receive::Handler::new(ports.clone());
            let listener = device::Listener::new(ports.clone());
            let sockets = proc::Sockets(ports);
            Ok(try_pin_init!(Self {
                packets <- PacketType::register(ethertype, handler),
                devices <- Notifier::register(listener),
                proc: ProcRegistration::register(sockets)?,
                family: register(module, family, context)?,
            }? Error))
        })
    }
}

fn register(
    module: &'static ThisModule,
    family: i32,
    context: Context,
) -> Result<Registration<socket::Wren>> {
    let ethertype = context.ethertype;
    let registered = Registration::register(module, family, context);
    match &registered {
        Ok(_) => pr_info!("address family {family}, EtherType {ethertype:#06x}\n"),
        Err(e) if *e == EEXIST => {
            pr_err!("family={family}: another module has this address family; choose a free one\n")
        }
        Err(e) if *e == EINVAL => pr_err!("family={family}: there is no such address family\n"),
        Err(e) => pr_err!("family={family}: cannot register: {e:?}\n"),
    }
    registered
}
