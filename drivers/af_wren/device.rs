// SPDX-License-Identifier: GPL-2.0

//! Devices that go away under the sockets that are bound to them.

use crate::ports::Ports;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use knet::netdev::{
    self,
    Event,
    NetDevice, //
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
    fn event(&self, event: Event, dev: &NetDevice) {
        let ifindex = dev.ifindex();
        let error = match event {
            Event::Down => ENETDOWN,
            Event::Unregister => ENODEV,
        };
        self.ports.for_each(dev.net(), |sk| {
            if event == Event::Unregister {
                sk.data().groups.forget(ifindex);
            }
            let peer = sk.data().peer.get();
            if sk.bound_dev_if() == ifindex || peer.is_some_and(|peer| peer.ifindex == ifindex) {
                sk.report_error(error);
            }
        });
    }
}
