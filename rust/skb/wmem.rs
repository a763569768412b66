// SPDX-License-Identifier: GPL-2.0

//! What a change of `truesize` means to the socket that is charged.
//!
//! A packet on which `sock_wfree`, `__sock_wfree` or `tcp_wfree` is the destructor owns exactly
//! [`truesize`](Skb::truesize) bytes of the socket's `sk_wmem_alloc`, so both change together or
//! not at all.

use super::{
    OwnerKind,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

impl Skb {
    /// Whether the packet is charged to a send buffer by its truesize: `is_skb_wmem`.
    pub(super) fn is_wmem(&self) -> bool {
        matches!(
            self.owner_kind(),
            OwnerKind::Write | OwnerKind::WriteSilent | OwnerKind::WriteTcp
        )
    }

    /// The socket that the claim on the packet keeps, if that is a whole `struct sock`. Its file
    /// may be closed.
    ///
    /// A destructor that is not known is taken at its word: who sets `skb->sk` keeps what it points
    /// to until the destructor has run, which the whole stack relies on.
    pub(super) fn full_owner(&self) -> Option<NonNull<bindings::sock>> {
        if matches!(
            self.owner_kind(),
            OwnerKind::None | OwnerKind::Read | OwnerKind::Prefetch
        ) {
            return None;
        }
        let sk = NonNull::new(self.raw().sk)?;
        // SAFETY: The other claims keep the memory of their socket, and all kinds of sockets begin
        // with the state that `sk_fullsock` looks at.
        unsafe { bindings::sk_fullsock(sk.as_ptr()) }.then_some(sk)
    }
}

impl<S: State> SkBuff<S> {
    /// Charges `bytes` more to the send buffer that the packet is charged to, if it is, after
    /// truesize has grown by that.
    pub(super) fn wmem_add(&mut self, bytes: u32) {
        if bytes == 0 || !self.is_wmem() {
            return;
        }
        // SAFETY: The packet is ours alone, and its charge keeps the socket: `sk_wmem_alloc` is not
        // zero.
        unsafe {
            let sk = (*self.as_ptr()).sk;
            bindings::refcount_add(bytes as c_int, &raw mut (*sk).sk_wmem_alloc);
        }
    }

    /// Takes `bytes` off truesize, which is more than that, and off the charge with it.
    ///
    /// Write space is not called: this only takes back what [`wmem_add`](Self::wmem_add) has just
    /// added.
    pub(super) fn wmem_sub(&mut self, bytes: u32) {
        self.raw_mut().truesize -= bytes;
        if bytes == 0 || !self.is_wmem() {
            return;
        }
        // SAFETY: The packet is ours alone, and what is left of its charge keeps the socket.
        unsafe {
            let sk = (*self.as_ptr()).sk;
            // Never the last byte, so there is nothing to be done about the result.
            let _ = bindings::refcount_sub_and_test(bytes as c_int, &raw mut (*sk).sk_wmem_alloc);
        }
    }

    /// Charges this packet, which has no claim, to the send buffer of the socket that has a claim
    /// on `other`.
    ///
    /// Not charged are sockets that are no whole `struct sock`, those that hold no memory any more,
    /// because nobody would get the bytes back, and those that the claim does not keep.
    pub(super) fn charge_owner_of<T: State>(&mut self, other: &SkBuff<T>) {
        let Some(sk) = other.full_owner().map(NonNull::as_ptr) else {
            return;
        };
        let truesize = self.truesize() as c_int;
        // SAFETY: The claim on the other packet keeps the socket, and this one has none.
        unsafe {
            if bindings::refcount_add_not_zero(truesize, &raw mut (*sk).sk_wmem_alloc) {
                self.install(sk, bindings::sock_wfree);
            }
        }
    }
}
