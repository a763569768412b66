// SPDX-License-Identifier: GPL-2.0

//! Learning what happens to devices: netdevice notifiers.

use super::NetDevice;
use crate::{
    bindings,
    rtnl::Rtnl, //
};
use core::pin::Pin;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// What happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The interface has gone down: `NETDEV_DOWN`.
    Down,
    /// The device is being removed, from the system or from this namespace: `NETDEV_UNREGISTER`.
    /// References to it have to be given back.
    Unregister,
    /// The device is about to become one of another type, and still is what it was:
    /// `NETDEV_PRE_TYPE_CHANGE`. Its addresses may have another length after that, so those that
    /// were added have to be taken back.
    TypeChange,
}

/// Gets the events.
pub trait Listener: Send + Sync + 'static {
    /// `dev` has changed. Context: process, RTNL held.
    fn event(&self, event: Event, dev: &NetDevice, rtnl: &Rtnl);
}

/// The registration of a listener for all devices of all namespaces.
///
/// # Invariants
///
/// `nb` is registered once `registered` is set.
#[pin_data(PinnedDrop)]
pub struct Notifier<L: Listener> {
    #[pin]
    nb: Opaque<bindings::notifier_block>,
    listener: L,
}

// SAFETY: The chain has its own locks, and the listener is shared.
unsafe impl<L: Listener> Send for Notifier<L> {}
// SAFETY: As above.
unsafe impl<L: Listener> Sync for Notifier<L> {}

impl<L: Listener> Notifier<L> {
    /// Registers `listener`. It gets no events of the past.
    ///
    /// C: [`register_netdevice_notifier`](srctree/net/core/dev.c)
    pub fn register(listener: L) -> impl PinInit<Self, Error> {
        // `nb` comes last, so that the listener is there when the first event comes.
        try_pin_init!(&this in Self {
            listener,
            nb <- Opaque::try_ffi_init(move |nb: *mut bindings::notifier_block| {
                let _ = this;
                // SAFETY: The memory is ours and stays where it is; zeroes are valid for the other
                // fields.
                to_result(unsafe {
                    nb.write_bytes(0, 1);
                    (*nb).notifier_call = Some(Self::call);
                    bindings::register_netdevice_notifier(nb)
                })
            }),
        }? Error)
    }

    /// # Safety
    ///
    /// Called by the core for a registered notifier.
    unsafe extern "C" fn call(
        nb: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        let event = match event as u32 {
            bindings::netdev_cmd_NETDEV_DOWN => Event::Down,
            bindings::netdev_cmd_NETDEV_UNREGISTER => Event::Unregister,
            bindings::netdev_cmd_NETDEV_PRE_TYPE_CHANGE => Event::TypeChange,
            _ => return bindings::NOTIFY_DONE as c_int,
        };
        let nb = nb.cast::<Opaque<bindings::notifier_block>>();
        // SAFETY: The notifier is part of a `Notifier<L>`, and unregistered before that goes away.
        let this = unsafe { &*kernel::container_of!(nb, Self, nb) };
        // SAFETY: The core passes this structure to netdevice notifiers, with a device that RTNL
        // keeps valid.
        let dev =
            unsafe { NetDevice::from_raw((*info.cast::<bindings::netdev_notifier_info>()).dev) };
        // SAFETY: The core calls netdevice notifiers with RTNL held (ASSERT_RTNL).
        this.listener.event(event, dev, unsafe { Rtnl::held() });
        bindings::NOTIFY_DONE as c_int
    }
}

#[pinned_drop]
impl<L: Listener> PinnedDrop for Notifier<L> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is registered by the type invariant. It replays DOWN and UNREGISTER for the
        // devices that are there.
        unsafe { bindings::unregister_netdevice_notifier(self.nb.get()) };
    }
}
