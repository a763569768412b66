// SPDX-License-Identifier: GPL-2.0

//! Receiving all frames of one EtherType: `struct packet_type`.

use super::NetDevice;
use crate::{
    bindings,
    rcu::BhDisabled,
    skb::{
        Cloned,
        SkBuff, //
    }, //
};
use core::{
    pin::Pin,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// Receives frames.
pub trait PacketHandler: Send + Sync + 'static {
    /// A frame has come in on `dev`. Its data starts behind the Ethernet header.
    ///
    /// Context: softirq, RCU read-locked, which `softirq` stands for.
    fn receive(&self, skb: SkBuff<Cloned>, dev: &NetDevice, softirq: &BhDisabled<'_>);
}

/// The registration of a handler with all devices of all namespaces.
///
/// # Invariants
///
/// `pt` is registered, and its private pointer is to `handler`.
#[pin_data(PinnedDrop)]
pub struct PacketType<H: PacketHandler> {
    #[pin]
    pt: Opaque<bindings::packet_type>,
    handler: Pin<KBox<H>>,
}

// SAFETY: The list of packet types has its own locks, and the handler is shared.
unsafe impl<H: PacketHandler> Send for PacketType<H> {}
// SAFETY: As above.
unsafe impl<H: PacketHandler> Sync for PacketType<H> {}

impl<H: PacketHandler> PacketType<H> {
    /// Registers `handler` for `ethertype` (host byte order).
    ///
    /// C: [`dev_add_pack`](srctree/net/core/dev.c)
    pub fn register(ethertype: u16, handler: H) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let handler = KBox::pin(handler, GFP_KERNEL)?;
            let data: *const H = &*handler;
            Ok(try_pin_init!(Self {
                handler,
                pt <- Opaque::ffi_init(move |pt: *mut bindings::packet_type| {
                    // SAFETY: The memory is ours and stays where it is; zeroes are valid for the
                    // other fields. The handler lives in its own allocation until the type is
                    // removed.
                    unsafe {
                        pt.write_bytes(0, 1);
                        (*pt).type_ = ethertype.to_be();
                        (*pt).func = Some(Self::func);
                        (*pt).af_packet_priv = data.cast_mut().cast();
                        bindings::dev_add_pack(pt);
                    }
                }),
            }? Error))
        })
    }

    /// # Safety
    ///
    /// Called by the core for a registered packet type.
    unsafe extern "C" fn func(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
        pt: *mut bindings::packet_type,
        _orig_dev: *mut bindings::net_device,
    ) -> c_int {
        // SAFETY: The reference is ours; other handlers may hold references of their own, and then
        // we get a clone. Read once, as `skb_shared` does.
        let skb = unsafe {
            if (&raw const (*skb).users.refs.counter).read_volatile() == 1 {
                skb
            } else {
                bindings::skb_share_check(skb, bindings::GFP_ATOMIC_VALUE)
            }
        };
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: The packet type is registered, so its handler is there; the packet is ours
            // alone now; the device is valid while it receives; that happens in softirq.
            unsafe {
                (*(*pt).af_packet_priv.cast::<H>()).receive(
                    SkBuff::from_raw(skb),
                    NetDevice::from_raw(dev),
                    &BhDisabled::new(),
                );
            }
        }
        0
    }
}

#[pinned_drop]
impl<H: PacketHandler> PinnedDrop for PacketType<H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is registered by the type invariant. This sleeps until no CPU is in `func`.
        unsafe { bindings::dev_remove_pack(self.pt.get()) };
    }
}
