// SPDX-License-Identifier: GPL-2.0

//! Putting a claim on a packet, and taking it off.

use super::super::{
    Cloned,
    SkBuff,
    State, //
};
use crate::{
    bindings,
    sock::{
        LiveSock,
        Sock, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};

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

    /// Lets the packet hold a reference to `sk`, no bytes, if `sk` still has one.
    ///
    /// Returns whether it does. If not, the packet is what it was, with the claim that was on it;
    /// otherwise that one is released first. The reference goes when the packet is freed or
    /// [orphaned](Self::orphan).
    ///
    /// Context: any but hard interrupt.
    ///
    /// C: [`skb_set_owner_sk_safe`](srctree/include/net/sock.h)
    #[inline]
    #[must_use]
    pub fn set_owner_sk_safe(&mut self, sk: &Sock) -> bool {
        if !sk.refcnt().inc_not_zero() {
            return false;
        }
        self.orphan();
        // SAFETY: The packet has no claim now; the reference that `sock_efree` gives back was just
        // taken.
        unsafe { self.install(sk.as_ptr(), bindings::sock_efree) };
        true
    }

    /// Lets the packet hold a reference to `sk`, the socket that will receive it, if `sk` still has
    /// one.
    ///
    /// Returns whether it does. A claim that was on the packet is released in any case; if there is
    /// no reference to be had the packet has none then. This is the claim with which the stack
    /// finds the socket again (`skb_steal_sock`), and the only one with which
    /// [`truesize`](super::super::Skb::truesize) may still change.
    ///
    /// Context: any but hard interrupt.
    ///
    /// C: [`skb_set_owner_edemux`](srctree/include/net/sock.h)
    #[inline]
    pub fn set_owner_edemux(&mut self, sk: &Sock) -> bool {
        self.orphan();
        if !sk.refcnt().inc_not_zero() {
            return false;
        }
        // SAFETY: The packet has no claim; the reference that `sock_edemux` gives back was just
        // taken.
        unsafe { self.install(sk.as_ptr(), bindings::sock_edemux) };
        true
    }

    /// Releases the claim: the owner gets its bytes back and may run now.
    ///
    /// This is what a device does when it has sent the packet but goes on using the memory.
    /// Without a claim nothing happens. Take the
    /// [timestamp](crate::netdev::TxState::tx_timestamp) before.
    ///
    /// Context: any but hard interrupt. The owner's write-space callback runs here.
    ///
    /// C: [`skb_orphan`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn orphan(&mut self) {
        if let Some(destructor) = self.destructor() {
            // SAFETY: The packet is ours alone. A destructor is called once, with the fields still
            // set, as `skb_orphan` does; then both fields are cleared together. `sk` without a
            // destructor cannot be: no method of knet leaves a packet so.
            unsafe { destructor(self.as_ptr()) };
            let skb = self.raw_mut();
            skb.__bindgen_anon_3.__bindgen_anon_1.destructor = None;
            skb.sk = ptr::null_mut();
        }
    }

    /// Gives the bytes back and keeps the socket: what a queue does that holds packets for long,
    /// as netem.
    ///
    /// A charge by `sock_wfree` or `tcp_wfree` becomes a reference
    /// ([`OwnerKind::Reference`](super::OwnerKind::Reference)), so that schedulers still see whose
    /// packet it is. Other claims are released as in [`orphan`](Self::orphan), and so is a charge
    /// to a socket that is closed and one on a packet that a device is to encrypt. A pure ACK of
    /// TCP is left alone.
    ///
    /// Context: any but hard interrupt. The owner's write-space callback runs here.
    ///
    /// C: [`skb_orphan_partial`](srctree/net/core/sock.c)
    #[inline]
    pub fn orphan_partial(&mut self) {
        // SAFETY: The packet is ours alone.
        unsafe { bindings::skb_orphan_partial(self.as_ptr()) };
    }
}

impl SkBuff<Cloned> {
    /// Clones the packet, and lets the clone hold a reference to the owner, no bytes: what a time
    /// stamp or an error for the sender is made of.
    ///
    /// Returns `None` if there is no [`owner`](super::super::Skb::owner), if that has no reference
    /// any more, or if there is no memory. Context: any but hard interrupt; does not sleep.
    ///
    /// C: [`skb_clone_sk`](srctree/net/core/skbuff.c)
    pub fn clone_sk(&mut self) -> Option<Self> {
        // C takes a reference to whatever `skb->sk` is and gives it back with `sock_put`, which
        // only a whole socket allows, and not all destructors keep one alive.
        self.owner()?;
        // SAFETY: The packet is valid and ours, and its owner is a whole socket that the claim
        // keeps; `&mut` because the original is marked as cloned.
        let skb = NonNull::new(unsafe { bindings::skb_clone_sk(self.as_ptr()) })?;
        // SAFETY: A new packet has one reference, and it was given to us.
        Some(unsafe { Self::from_raw(skb) })
    }
}
