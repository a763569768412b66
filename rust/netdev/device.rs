// SPDX-License-Identifier: GPL-2.0

//! `struct net_device`.

use super::{
    Operations,
    Private, //
};
use crate::{
    bindings,
    net::Namespace,
    rtnl::Rtnl, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

/// The longest packet for segmentation that a device is given unless somebody asks for more:
/// `GSO_LEGACY_MAX_SIZE`.
pub const GSO_LEGACY_MAX_SIZE: u32 = bindings::GSO_LEGACY_MAX_SIZE;

/// A network device of any driver.
///
/// # Invariants
///
/// The device is valid for as long as it is borrowed: somebody holds a reference, RTNL, or RCU.
#[repr(transparent)]
pub struct NetDevice(Opaque<bindings::net_device>);

// SAFETY: Methods that need a lock say so in C, too; none is bound to a thread.
unsafe impl Send for NetDevice {}
// SAFETY: As above.
unsafe impl Sync for NetDevice {}

// SAFETY: `dev_hold` and `dev_put` count references, and unregistering waits for them.
unsafe impl AlwaysRefCounted for NetDevice {
    fn inc_ref(&self) {
        // SAFETY: The device is valid by the type invariant.
        unsafe { bindings::dev_hold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::dev_put(obj.cast().as_ptr()) };
    }
}

impl NetDevice {
    /// Borrows a device from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C knows.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// The index of the interface in its namespace.
    #[inline]
    pub fn ifindex(&self) -> i32 {
        // SAFETY: The device is valid by the type invariant.
        unsafe { (*self.as_ptr()).ifindex }
    }

    /// The largest payload of a frame, in bytes.
    #[inline]
    pub fn mtu(&self) -> usize {
        // SAFETY: The device is valid by the type invariant; MTU may change at any time, so it is
        // read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).mtu).read_volatile() as usize }
    }

    /// The longest packet that is left to the device to segment, in bytes: `dev->gso_max_size`. A
    /// user may have chosen it.
    #[inline]
    pub fn gso_max_size(&self) -> u32 {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).gso_max_size).read_volatile() }
    }

    /// Sets [`gso_max_size`](Self::gso_max_size), which what begins to send from now on keeps to.
    /// As in C that for IPv4 follows unless the size is more than [`GSO_LEGACY_MAX_SIZE`].
    ///
    /// Context: RTNL held.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there would be no room for a segment behind the headers, or if it is more than
    /// the device can do (`dev->tso_max_size`).
    ///
    /// C: [`netif_set_gso_max_size`](srctree/net/core/dev.h)
    pub fn set_gso_max_size(&self, size: u32) -> Result {
        self.check_gso_size(size)?;
        let dev = self.as_ptr();
        // SAFETY: The device is valid by the type invariant; written at once, as WRITE_ONCE does,
        // for who reads without RTNL. The sizes are such that the headers can be taken off, as the
        // stack does.
        unsafe {
            (&raw mut (*dev).gso_max_size).write_volatile(size);
            if size <= GSO_LEGACY_MAX_SIZE {
                (&raw mut (*dev).gso_ipv4_max_size).write_volatile(size);
            }
        }
        Ok(())
    }

    /// As [`gso_max_size`](Self::gso_max_size), for IPv4: `dev->gso_ipv4_max_size`.
    #[inline]
    pub fn gso_ipv4_max_size(&self) -> u32 {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).gso_ipv4_max_size).read_volatile() }
    }

    /// Sets [`gso_ipv4_max_size`](Self::gso_ipv4_max_size). [`set_gso_max_size`] may do so, too,
    /// so call this one last.
    ///
    /// Context: RTNL held.
    ///
    /// # Errors
    ///
    /// As [`set_gso_max_size`].
    ///
    /// C: [`netif_set_gso_ipv4_max_size`](srctree/net/core/dev.h)
    ///
    /// [`set_gso_max_size`]: Self::set_gso_max_size
    pub fn set_gso_ipv4_max_size(&self, size: u32) -> Result {
        self.check_gso_size(size)?;
        // SAFETY: As in `set_gso_max_size`.
        unsafe { (&raw mut (*self.as_ptr()).gso_ipv4_max_size).write_volatile(size) };
        Ok(())
    }

    fn check_gso_size(&self, size: u32) -> Result {
        // SAFETY: The device is valid by the type invariant.
        let max = unsafe { (*self.as_ptr()).tso_max_size };
        if size <= bindings::MAX_TCP_HEADER_VALUE || size > max {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Whether frames start with an Ethernet header: `dev->type == ARPHRD_ETHER`.
    #[inline]
    pub fn is_ethernet(&self) -> bool {
        // SAFETY: The device is valid by the type invariant.
        u32::from(unsafe { (*self.as_ptr()).type_ }) == bindings::ARPHRD_ETHER
    }

    /// Whether the interface is up: `IFF_UP`.
    #[inline]
    pub fn is_up(&self) -> bool {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        let flags = unsafe { (&raw const (*self.as_ptr()).flags).read_volatile() };
        flags & bindings::net_device_flags_IFF_UP != 0
    }

    /// Whether the interface is up and works: `open` has returned, and `stop` was not called since.
    ///
    /// C: `IFF_UP` and [`netif_running`](srctree/include/linux/netdevice.h)
    #[inline]
    pub fn is_running(&self) -> bool {
        // SAFETY: The device is valid by the type invariant; read once, as test_bit does.
        let state = unsafe { (&raw const (*self.as_ptr()).state).read_volatile() };
        // The one is set after `open` has returned, the other is cleared before `stop` is called.
        self.is_up() && state & (1 << bindings::netdev_state_t___LINK_STATE_START) != 0
    }

    /// The Ethernet address of the interface.
    pub fn eth_address(&self) -> [u8; 6] {
        // SAFETY: The device is valid by the type invariant, and the address of any device has 32
        // bytes (MAX_ADDR_LEN). A change at the same time may be seen half, as in C.
        unsafe { (*self.as_ptr()).dev_addr.cast::<[u8; 6]>().read() }
    }

    /// Bytes that a packet for this device needs in front of its network header:
    /// `LL_RESERVED_SPACE`.
    #[inline]
    pub fn ll_reserved_space(&self) -> usize {
        // SAFETY: The device is valid by the type invariant.
        let dev = unsafe { &*self.as_ptr() };
        let needed = usize::from(dev.hard_header_len) + usize::from(dev.needed_headroom);
        // HH_DATA_MOD is 16.
        (needed & !15) + 16
    }

    /// Bytes of the link-layer header.
    #[inline]
    pub fn hard_header_len(&self) -> usize {
        // SAFETY: The device is valid by the type invariant.
        usize::from(unsafe { (*self.as_ptr()).hard_header_len })
    }

    /// Bytes that a packet for this device needs behind its data: `dev->needed_tailroom`.
    #[inline]
    pub fn needed_tailroom(&self) -> usize {
        // SAFETY: The device is valid by the type invariant.
        usize::from(unsafe { (*self.as_ptr()).needed_tailroom })
    }

    /// Lets the device receive what is sent to a multicast address. It counts: each call needs one
    /// of [`mc_del`](Self::mc_del). RTNL keeps the device what it is, so that its addresses keep
    /// their length, and drivers whose list changes expect it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device is no Ethernet device, `ENOMEM`.
    ///
    /// C: [`dev_mc_add`](srctree/net/core/dev_addr_lists.c)
    pub fn mc_add(&self, addr: &[u8; 6], _rtnl: &Rtnl) -> Result {
        if !self.is_ethernet() {
            return Err(EINVAL);
        }
        // SAFETY: The device is valid by the type invariant; its addresses have 6 bytes, and RTNL,
        // under which the type changes, is held.
        to_result(unsafe { bindings::dev_mc_add(self.as_ptr(), addr.as_ptr()) })
    }

    /// Undoes one call of [`mc_add`](Self::mc_add).
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device is no Ethernet device, `ENOENT` if it does not have the address.
    ///
    /// C: [`dev_mc_del`](srctree/net/core/dev_addr_lists.c)
    pub fn mc_del(&self, addr: &[u8; 6], _rtnl: &Rtnl) -> Result {
        if !self.is_ethernet() {
            return Err(EINVAL);
        }
        // SAFETY: As in `mc_add`.
        to_result(unsafe { bindings::dev_mc_del(self.as_ptr(), addr.as_ptr()) })
    }

    /// Whether the device is registered, and is not being unregistered: `NETREG_REGISTERED`. It
    /// stays so for as long as RTNL is held.
    pub(super) fn is_registered(&self, _rtnl: &Rtnl) -> bool {
        // SAFETY: The device is valid by the type invariant; read once, as READ_ONCE does.
        let state = unsafe { (&raw const (*self.as_ptr()).reg_state).read_volatile() };
        u32::from(state) == bindings::netdev_reg_state_NETREG_REGISTERED
    }

    /// The namespace that the device is in: `dev_net`.
    #[inline]
    pub fn net(&self) -> &Namespace {
        // SAFETY: A device pins no namespace, but does not outlive it while it is borrowed.
        unsafe { Namespace::from_raw((*self.as_ptr()).nd_net.net) }
    }

    /// Says that the link is there: `netif_carrier_on`.
    pub fn carrier_on(&self) {
        // SAFETY: The device is valid by the type invariant.
        unsafe { bindings::netif_carrier_on(self.as_ptr()) };
    }

    /// Says that the link is gone: `netif_carrier_off`.
    pub fn carrier_off(&self) {
        // SAFETY: The device is valid by the type invariant.
        unsafe { bindings::netif_carrier_off(self.as_ptr()) };
    }

    /// The [features](super::features) that are on.
    #[inline(always)]
    pub fn features(&self) -> u64 {
        // SAFETY: The device is valid by the type invariant; features may change at any time, so
        // they are read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).features).read_volatile() }
    }

    /// Number of transmit queues that the device was made with.
    #[inline]
    pub fn num_tx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant, and the number never changes.
        unsafe { (*self.as_ptr()).num_tx_queues as usize }
    }

    /// Number of receive queues that the device was made with.
    #[inline]
    pub fn num_rx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant, and the number never changes.
        unsafe { (*self.as_ptr()).num_rx_queues as usize }
    }
}

/// A device of one driver: its private data is `T`.
///
/// # Invariants
///
/// As [`NetDevice`]; and the private area of the device is an initialised `Private<T>`.
#[repr(transparent)]
pub struct Device<T: Operations> {
    dev: NetDevice,
    _private: PhantomData<T>,
}

// SAFETY: As `NetDevice`.
unsafe impl<T: Operations> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        self.dev.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { NetDevice::dec_ref(obj.cast()) };
    }
}

impl<T: Operations> Device<T> {
    /// Borrows a device from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// The private area: `netdev_priv`.
    #[inline(always)]
    pub(crate) fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariant the area is an initialised `Private<T>`.
        unsafe { &*Private::<T>::of(self.as_ptr()) }
    }

    /// Works out anew which features are on: what [`Operations::fix_features`] says has changed. A
    /// device that is being unregistered keeps those that it has.
    ///
    /// C: [`netdev_update_features`](srctree/net/core/dev.c)
    pub fn update_features(&self, rtnl: &Rtnl) {
        // Those who hear of a change would look at what is gone.
        if !self.is_registered(rtnl) {
            return;
        }
        // SAFETY: The device is valid and registered, and RTNL is held. It is one of ours, which
        // has no lock of its own that would have to be held, too.
        unsafe { bindings::netdev_update_features(self.as_ptr()) };
    }

    /// What the driver keeps for the device.
    #[inline(always)]
    pub fn data(&self) -> &T {
        &self.private().data
    }
}

impl<T: Operations> Deref for Device<T> {
    type Target = NetDevice;

    #[inline(always)]
    fn deref(&self) -> &NetDevice {
        &self.dev
    }
}
