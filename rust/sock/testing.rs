// SPDX-License-Identifier: GPL-2.0

//! A socket for tests to charge packets to.

use super::{
    KernelSocket,
    LiveSock, //
};
use crate::{
    bindings,
    skb::{
        DropReason,
        SkBuff,
        State, //
    }, //
};
use kernel::prelude::*;

/// A socket of the kernel's own, closed when it is dropped.
pub(crate) struct TestSock(KernelSocket);

impl TestSock {
    /// An unbound UDP socket.
    pub(crate) fn new() -> Result<Self> {
        KernelSocket::udp().map(Self)
    }

    /// A datagram socket of any family.
    pub(crate) fn open(family: u32, protocol: u32) -> Result<Self> {
        KernelSocket::datagram(family, protocol).map(Self)
    }

    /// The file's side of it.
    pub(crate) fn as_ptr(&self) -> *mut bindings::socket {
        self.0.as_ptr()
    }

    pub(crate) fn sk(&self) -> &LiveSock {
        self.0.sk()
    }

    /// The raw `sk_wmem_alloc`, which is 1 without traffic.
    pub(crate) fn w(&self) -> u32 {
        self.sk().wmem_alloc() + 1
    }

    /// `sk_forward_alloc`
    pub(crate) fn forward_alloc(&self) -> i32 {
        // SAFETY: The socket lives as long as `self`.
        unsafe { (*self.sk().as_ptr()).sk_forward_alloc }
    }

    /// Receives a packet as any family may. UDP does not expect such ones when it is closed: take
    /// it out before.
    pub(crate) fn queue_rcv<S: State>(
        &self,
        skb: SkBuff<S>,
    ) -> Result<(), (SkBuff<S>, DropReason)> {
        // SAFETY: Nobody else knows the socket, and the tests empty its queue.
        unsafe { self.sk().queue_rcv(skb, None, 1) }
    }

    /// `sk_refcnt`
    pub(crate) fn refcnt(&self) -> i32 {
        // SAFETY: The socket lives as long as `self`.
        unsafe { (*self.sk().as_ptr()).__sk_common.skc_refcnt.refs.counter }
    }
}
