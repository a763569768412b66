// SPDX-License-Identifier: GPL-2.0

//! RTNL: the lock under which network devices are configured.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)

use crate::{
    bindings,
    net::Namespace,
    netdev::NetDevice, //
};
use core::ops::Deref;
use kernel::types::NotThreadSafe;

/// Proof that this thread holds RTNL.
///
/// Callbacks that the core calls with RTNL held get one, and what needs the lock asks for it.
///
/// # Invariants
///
/// This thread holds RTNL for as long as the proof is borrowed.
pub struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// # Safety
    ///
    /// This thread holds RTNL for the whole of `'a`.
    #[inline(always)]
    pub(crate) unsafe fn held<'a>() -> &'a Self {
        // INVARIANT: That is what the caller promises.
        &Self(NotThreadSafe)
    }

    /// Takes the lock: `rtnl_lock`. Who has it must not take it again.
    ///
    /// Context: process; sleeps.
    pub fn lock() -> RtnlGuard {
        // SAFETY: An FFI call without requirements other than the context.
        unsafe { bindings::rtnl_lock() };
        // INVARIANT: It was taken just now.
        RtnlGuard(Self(NotThreadSafe))
    }

    /// Looks a device up by its index; it stays for as long as the lock is held.
    ///
    /// C: [`__dev_get_by_index`](srctree/net/core/dev.c)
    pub fn dev_get_by_index(&self, net: &Namespace, ifindex: i32) -> Option<&NetDevice> {
        // SAFETY: The namespace is valid, and RTNL is held.
        let dev = unsafe { bindings::__dev_get_by_index(net.as_ptr(), ifindex) };
        if dev.is_null() {
            return None;
        }
        // SAFETY: The device stays for as long as RTNL is held.
        Some(unsafe { NetDevice::from_raw(dev) })
    }
}

/// RTNL, taken by this thread and given back at the end.
///
/// # Invariants
///
/// This thread holds RTNL.
#[must_use]
pub struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: This thread holds the lock by the type invariant.
        unsafe { bindings::rtnl_unlock() };
    }
}
