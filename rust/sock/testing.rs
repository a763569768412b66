// SPDX-License-Identifier: GPL-2.0

//! A socket for tests to charge packets to.

use super::LiveSock;
use crate::bindings;
use core::ptr;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// An unbound UDP socket of the kernel's own, closed when it is dropped.
pub(crate) struct TestSock(*mut bindings::socket);

impl TestSock {
    pub(crate) fn new() -> Result<Self> {
        let mut sock = ptr::null_mut();
        // SAFETY: The initial namespace is always there.
        to_result(unsafe {
            bindings::sock_create_kern(
                &raw mut bindings::init_net,
                bindings::AF_INET as c_int,
                bindings::sock_type_SOCK_DGRAM as c_int,
                bindings::IPPROTO_UDP as c_int,
                &mut sock,
            )
        })?;
        Ok(Self(sock))
    }

    pub(crate) fn sk(&self) -> &LiveSock {
        // SAFETY: The socket lives as long as `self`.
        unsafe { LiveSock::from_raw((*self.0).sk) }
    }

    /// The raw `sk_wmem_alloc`, which is 1 without traffic.
    pub(crate) fn w(&self) -> u32 {
        self.sk().wmem_alloc() + 1
    }

    /// `sk_refcnt`
    pub(crate) fn refcnt(&self) -> i32 {
        // SAFETY: The socket lives as long as `self`.
        unsafe { (*self.sk().as_ptr()).__sk_common.skc_refcnt.refs.counter }
    }
}

impl Drop for TestSock {
    fn drop(&mut self) {
        // SAFETY: The socket is ours.
        unsafe { bindings::sock_release(self.0) };
    }
}
