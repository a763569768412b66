// SPDX-License-Identifier: GPL-2.0

//! Multicast addresses that a socket has joined.

use crate::socket::Wren;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use knet::{
    bh,
    netdev::NetDevice,
    rtnl::Rtnl,
    sock::{
        LiveSocket,
        Socket, //
    },
};

/// `WREN_MAX_MEMBERSHIPS`
const MAX: usize = 32;

/// A multicast address on an interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) ifindex: i32,
    pub(crate) mac: [u8; 6],
}

impl Group {
    /// Reads a `struct wren_mreq`; without an interface it is about the one that is bound to.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is no multicast address, or has something where zeroes belong; `ENODEV`
    /// without an interface.
    pub(crate) fn parse(sk: &Socket<Wren>, mreq: [u8; 12]) -> Result<Self> {
        let [i0, i1, i2, i3, mac @ .., z0, z1] = mreq;
        let multicast = mac[0] & 1 != 0 && mac != [0xff; 6];
        if !multicast || [z0, z1] != [0, 0] {
            return Err(EINVAL);
        }
        let ifindex = match i32::from_ne_bytes([i0, i1, i2, i3]) {
            0 => sk.bound_dev_if(),
            ifindex => ifindex,
        };
        if ifindex == 0 {
            return Err(ENODEV);
        }
        Ok(Self { ifindex, mac })
    }
}

/// The addresses of one socket. They change under RTNL, so that a device and the list agree.
#[pin_data]
pub(crate) struct Groups {
    /// Taken in softirq, too.
    #[pin]
    list: SpinLock<KVec<Group>>,
}

impl Groups {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            list <- new_spinlock!(KVec::new(), "af_wren_groups"),
        }? Error)
    }

    /// Calls `f` with the list. Context: process.
    fn with<R>(&self, f: impl FnOnce(&mut KVec<Group>) -> R) -> R {
        bh::disabled(|| f(&mut self.list.lock()))
    }

    /// Whether the socket has joined the address. Context: softirq.
    pub(crate) fn contains(&self, group: &Group) -> bool {
        self.list.lock().contains(group)
    }

    pub(crate) fn count(&self) -> usize {
        self.with(|list| list.len())
    }

    /// Joins an address.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is no such Ethernet device, `EADDRINUSE` if the socket has joined it,
    /// `ENOBUFS` if it has joined too many, `ENOMEM`.
    pub(crate) fn join(&self, sk: &LiveSocket<Wren>, group: Group) -> Result {
        let rtnl = Rtnl::lock();
        let dev = rtnl
            .dev_get_by_index(sk.net(), group.ifindex)
            .filter(|dev| dev.is_ethernet())
            .ok_or(ENODEV)?;
        self.with(|list| {
            if list.contains(&group) {
                return Err(EADDRINUSE);
            }
            if list.len() >= MAX {
                return Err(ENOBUFS);
            }
            list.push(group, GFP_ATOMIC)?;
            Ok(())
        })?;
        dev.mc_add(&group.mac, &rtnl)
            .inspect_err(|_| self.with(|list| list.retain(|g| *g != group)))
    }

    /// Leaves an address.
    ///
    /// # Errors
    ///
    /// `EADDRNOTAVAIL` if the socket has not joined it.
    pub(crate) fn leave(&self, sk: &LiveSocket<Wren>, group: Group) -> Result {
        let rtnl = Rtnl::lock();
        self.with(|list| {
            let before = list.len();
            list.retain(|g| *g != group);
            if list.len() == before {
                return Err(EADDRNOTAVAIL);
            }
            Ok(())
        })?;
        if let Some(dev) = rtnl.dev_get_by_index(sk.net(), group.ifindex) {
            // It has the address: who joined it is forgotten before the device goes.
            let _ = dev.mc_del(&group.mac, &rtnl);
        }
        Ok(())
    }

    /// Leaves all of them. While others can still find the socket, so that it hears of devices that
    /// go.
    pub(crate) fn leave_all(&self, sk: &LiveSocket<Wren>) {
        while let Some(group) = self.with(|list| list.first().copied()) {
            // Who was faster has left it as well.
            let _ = self.leave(sk, group);
        }
    }

    /// Leaves the addresses of a device that is to become something else.
    pub(crate) fn leave_device(&self, dev: &NetDevice, rtnl: &Rtnl) {
        let ifindex = dev.ifindex();
        let of_device =
            |list: &mut KVec<Group>| list.iter().find(|group| group.ifindex == ifindex).copied();
        // RTNL keeps others from joining or leaving meanwhile.
        while let Some(group) = self.with(of_device) {
            let _ = dev.mc_del(&group.mac, rtnl);
            self.with(|list| list.retain(|g| *g != group));
        }
    }

    /// The device is going, and its addresses with it. RTNL is held.
    pub(crate) fn forget(&self, ifindex: i32) {
        self.with(|list| list.retain(|group| group.ifindex != ifindex));
    }
}
