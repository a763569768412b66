// SPDX-License-Identifier: GPL-2.0

//! Sockets that belong to the kernel and to no program.

use super::LiveSock;
use crate::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A socket of the kernel's own in the initial namespace. It is closed when it is dropped, which
/// needs process context; packets that are still charged to it keep its memory.
///
/// # Invariants
///
/// The pointer is to a socket that `sock_create_kern` has made. It belongs to this value, and its
/// `sk` is not null and holds a reference.
pub struct KernelSocket(NonNull<bindings::socket>);

// SAFETY: A socket may be used, and closed, by any thread.
unsafe impl Send for KernelSocket {}
// SAFETY: What `&KernelSocket` gives access to is shared.
unsafe impl Sync for KernelSocket {}

impl KernelSocket {
    /// Makes a UDP socket that is not bound: something to charge packets to.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` or `ENFILE` if there is no room for one, `EAFNOSUPPORT` without IPv4.
    ///
    /// C: [`sock_create_kern`](srctree/net/socket.c)
    pub fn udp() -> Result<Self> {
        Self::datagram(bindings::AF_INET, bindings::IPPROTO_UDP)
    }

    /// Makes a datagram socket of any family, which gives it an `sk`.
    pub(super) fn datagram(family: u32, protocol: u32) -> Result<Self> {
        let mut sock = ptr::null_mut();
        // SAFETY: The initial namespace is always there.
        to_result(unsafe {
            bindings::sock_create_kern(
                &raw mut bindings::init_net,
                family as c_int,
                bindings::sock_type_SOCK_DGRAM as c_int,
                protocol as c_int,
                &mut sock,
            )
        })?;
        // INVARIANT: The socket is new; its family has given it its `sk`, which only
        // `sock_release` takes away.
        Ok(Self(NonNull::new(sock).ok_or(ENOMEM)?))
    }

    /// The file's side of it.
    #[cfg(CONFIG_KUNIT)]
    pub(super) fn as_ptr(&self) -> *mut bindings::socket {
        self.0.as_ptr()
    }

    /// The socket that packets are charged to.
    #[inline(always)]
    pub fn sk(&self) -> &LiveSock {
        // SAFETY: By the type invariant the socket holds a reference for as long as `self` lives.
        unsafe { LiveSock::from_raw((*self.0.as_ptr()).sk) }
    }
}

impl Drop for KernelSocket {
    fn drop(&mut self) {
        // SAFETY: The socket is ours by the type invariant, and this is the end of it.
        unsafe { bindings::sock_release(self.0.as_ptr()) };
    }
}

#[cfg(CONFIG_KUNIT)]
#[kunit_tests(knet_sock_kern)]
mod tests {
    use super::*;
    use crate::skb::SkBuff;

    #[test]
    fn packets_can_be_charged_to_it() -> Result {
        let sock = KernelSocket::udp()?;
        let mut skb = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        assert_eq!(sock.sk().wmem_alloc(), 0);
        skb.set_owner_w(sock.sk());
        assert_eq!(sock.sk().wmem_alloc(), skb.truesize());
        skb.orphan();
        assert_eq!(sock.sk().wmem_alloc(), 0);
        skb.consume();
        Ok(())
    }

    #[test]
    fn it_can_be_dropped_before_what_is_charged_to_it() -> Result {
        let sock = KernelSocket::udp()?;
        let mut skb = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        skb.set_owner_w(sock.sk());
        let truesize = skb.truesize();
        drop(sock);
        // The charge is all that keeps the memory of the socket now.
        let charged = skb.owner().map(|sk| sk.wmem_alloc() + 1);
        assert!(charged == Some(truesize));
        skb.consume();
        Ok(())
    }
}
