// SPDX-License-Identifier: GPL-2.0

//! The claim of a socket on a packet: who is charged, since when, and until when.
//!
//! The normal claim is built on `sock_wfree`, because the core treats that destructor specially:
//! segmentation hands it to the last segment, netem releases it and keeps the socket, GRO keeps it.
//! While a claim is on a packet exactly [`truesize`](Skb::truesize) bytes of the socket's
//! `sk_wmem_alloc` belong to it, so no safe method changes the one without the other.

use super::{
    SkBuff, //
    Skb,
    State,
};
use crate::{
    bindings,
    sock::{
        LiveSock,
        Sock, //
    },
};
/// What kind of claim is on a packet, told by its destructor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerKind {
    /// No claim.
    None,
    /// Charged to a send buffer: `sock_wfree`.
    Write,
    /// Charged to a receive buffer: `sock_rfree`.
    Read,
    /// Holds a reference to a socket, no bytes: `sock_efree`, `sock_edemux`.
    Reference,
    /// A destructor that knet does not know.
    Other,
}

impl Skb {
    /// Returns what kind of claim is on the packet.
    pub fn owner_kind(&self) -> OwnerKind {
        // SAFETY: The packet is valid by the type invariant; it is in no TCP queue, where the field
        // would be a list head, because somebody lent it to us.
        let destructor = unsafe {
            (*self.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor
        };
        let Some(destructor) = destructor else {
            return OwnerKind::None;
        };
        let is = |known: unsafe extern "C" fn(*mut bindings::sk_buff)| {
            destructor as usize == known as usize
        };
        if is(bindings::sock_wfree) {
            OwnerKind::Write
        } else if is(bindings::sock_rfree) {
            OwnerKind::Read
        } else if is(bindings::sock_efree) || is(bindings::sock_edemux) {
            OwnerKind::Reference
        } else {
            OwnerKind::Other
        }
    }

    /// Returns the socket whose send buffer the packet is charged to, or `None`.
    ///
    /// The socket may be closed already: a charged packet keeps its memory alive, not the file.
    pub fn owner(&self) -> Option<&Sock> {
        // The other kinds do not do: a receive charge keeps no socket alive, a reference may be to
        // a timewait or request socket, which is no whole `struct sock`, and an unknown destructor
        // may go with anything.
        if self.owner_kind() != OwnerKind::Write {
            return None;
        }
        // SAFETY: `sock_wfree` goes with a `struct sock` that lives as long as the charge.
        Some(unsafe { Sock::from_raw((*self.as_ptr()).sk) })
    }
}

impl<S: State> SkBuff<S> {
    /// Charges the packet to the send buffer of `sk`.
    ///
    /// A claim that was on it is released first. The bytes come back when the packet is freed or
    /// [orphaned](Self::orphan), and then the socket's write-space callback runs. The claim keeps
    /// the memory of the socket alive, even after close.
    ///
    /// Context: any but hard interrupt.
    ///
    /// C: [`skb_set_owner_w`](srctree/net/core/sock.c)
    #[inline]
    pub fn set_owner_w(&mut self, sk: &LiveSock) {
        // SAFETY: The packet is ours alone; `&LiveSock` says that the socket has a
        // reference, so `sk_wmem_alloc` is not zero.
        unsafe { bindings::skb_set_owner_w(self.as_ptr(), sk.as_ptr()) };
    }

    /// Releases the claim: the owner gets its bytes back and may run now.
    ///
    /// This is what a device does when it has sent the packet but goes on using the memory.
    /// Without a claim nothing happens. Take the [timestamp](Self::tx_timestamp) before.
    ///
    /// Context: any but hard interrupt. The owner's write-space callback runs here.
    ///
    /// C: [`skb_orphan`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn orphan(&mut self) {
        let skb = self.as_ptr();
        // SAFETY: The packet is ours alone. A destructor is called once, with the fields still set,
        // as `skb_orphan` does; then both fields are cleared together. `sk` without a destructor
        // cannot be: no method of knet leaves a packet so.
        unsafe {
            if let Some(destructor) = (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor {
                destructor(skb);
                (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor = None;
                (*skb).sk = core::ptr::null_mut();
            }
        }
    }
}
