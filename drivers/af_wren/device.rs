// SPDX-License-Identifier: GPL-2.0

//! Devices that go away, or become something else, under the sockets that are bound to them.

use crate::ports::Ports;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use knet::{
    netdev::{
        self,
        Event,
        NetDevice, //
    },
    rtnl::Rtnl,
};

/// Tells the sockets.
pub(crate) struct Listener {
    ports: Arc<Ports>,
}

impl Listener {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        Self { ports }
    }
}

impl netdev::Listener for Listener {
    /// Readers and writers that sleep wake with the error. The socket stays bound: the interface
    /// may come back up, or one of the same index may come.
    fn event(&self, event: Event, dev: &NetDevice, rtnl: &Rtnl) {
        let ifindex = dev.ifindex();
        let error = match event {
            Event::Down => ENETDOWN,
            Event::Unregister | Event::TypeChange => ENODEV,
        };
        self.ports.for_each(dev.net(), |sk| {
            match event {
                Event::Down => {}
                Event::Unregister => sk.data().groups.forget(ifindex),
                Event::TypeChange => sk.data().groups.leave_device(dev, rtnl),
            }
            let peer = sk.data().peer.get();
            if sk.bound_dev_if() == ifindex || peer.is_some_and(|peer| peer.ifindex == ifindex) {
                sk.report_error(error);
            }
        });
    }
}
