// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

mod proc;

pub use self::proc::{
    ProcEntry,
    ProcNet,
    ProcRegistration, //
};

use crate::{
    bindings,
    netdev::NetDevice, //
};
use kernel::{
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// A network namespace: `struct net`, borrowed from something that pins it.
///
/// # Invariants
///
/// The namespace is valid for as long as it is borrowed.
#[repr(transparent)]
pub struct Namespace(Opaque<bindings::net>);

impl Namespace {
    /// Borrows a namespace from C.
    ///
    /// # Safety
    ///
    /// `ptr` is valid for the whole of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::net) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C knows.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Whether both are the same namespace: `net_eq`.
    #[inline]
    pub fn is(&self, other: &Namespace) -> bool {
        self.as_ptr() == other.as_ptr()
    }

    /// A number that differs between namespaces, for hash tables: `net_hash_mix`.
    #[inline]
    pub fn hash_mix(&self) -> u32 {
        // SAFETY: The namespace is valid by the type invariant, and the field never changes.
        unsafe { (*self.as_ptr()).hash_mix }
    }

    /// Whether the current task may open raw sockets in the namespace, and so see and forge what
    /// others send: `CAP_NET_RAW`.
    ///
    /// C: [`ns_capable`](srctree/kernel/capability.c)
    pub fn may_net_raw(&self) -> bool {
        // SAFETY: The namespace is valid, and has an owner for as long.
        unsafe { bindings::ns_capable((*self.as_ptr()).user_ns, bindings::CAP_NET_RAW as c_int) }
    }

    /// Looks a device up by its index.
    ///
    /// C: [`dev_get_by_index_rcu`](srctree/net/core/dev.c)
    #[inline]
    pub fn dev_get_by_index<'a>(
        &self,
        ifindex: i32,
        _guard: &'a rcu::Guard,
    ) -> Option<&'a NetDevice> {
        // SAFETY: The namespace is valid, and RCU is read-locked.
        let dev = unsafe { bindings::dev_get_by_index_rcu(self.as_ptr(), ifindex) };
        if dev.is_null() {
            return None;
        }
        // SAFETY: The device stays valid for as long as RCU is read-locked.
        Some(unsafe { NetDevice::from_raw(dev) })
    }
}
