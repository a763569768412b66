// SPDX-License-Identifier: GPL-2.0

//! Making and removing devices by rtnetlink: `ip link add ... type KIND`.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

mod attrs;
mod create;

pub use self::{
    attrs::{
        Attr,
        Attrs,
        Policy, //
    },
    create::{
        NewDevice,
        NewLink,
        Ready,
        Registered, //
    }, //
};

use super::{
    ethtool,
    features,
    ops::Adapter as DeviceAdapter,
    Device,
    NetDevice,
    Operations,
    Private, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    pin::Pin,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    str::CStr,
    sync::rcu,
    types::Opaque, //
};

/// A kind of link, implemented by the private data of its devices.
#[vtable]
pub trait Kind: Operations + ethtool::Operations {
    /// The name behind `type`.
    const KIND: &'static CStr;

    /// [Features](super::features) that the device has, all of which can be turned off.
    const FEATURES: u64;

    /// The attribute in `IFLA_INFO_DATA` that describes the peer, as `VETH_INFO_PEER` does.
    const PEER_ATTR: u16;

    /// What may be in `IFLA_INFO_DATA`, by attribute. Entry 0 is no attribute, see
    /// [`Policy::strict_from`]. Unless it says otherwise there is only the peer, number 1.
    const POLICY: &'static [Policy] = &[Policy::NONE, Policy::PEER];

    /// How many queues of each direction a device gets if a request names no number:
    /// `rtnl_link_ops::get_num_tx_queues`. If this is left out: one. Context: process.
    fn num_queues() -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Says whether a request for a device, new or there, makes sense, as far as its policy does
    /// not: `rtnl_link_ops::validate`. Context: process, perhaps without RTNL.
    fn validate<'a>(_attrs: &Attrs<'a>, _extack: &mut ExtAck<'a>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes `dev`, `ip link set ... type KIND ...`: `rtnl_link_ops::changelink`. What is not in
    /// `attrs` stays; an error means that nothing has changed. Context: process, RTNL held.
    fn changelink<'a>(_dev: &Device<Self>, _attrs: &Attrs<'a>, _extack: &mut ExtAck<'a>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The value of an attribute of 32 bits, for `ip -details link`: `rtnl_link_ops::fill_info`.
    /// Context: process; RTNL held or RCU read-locked, so it does not sleep.
    fn info(_dev: &Device<Self>, _attr: u16) -> Option<u32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a device, or a pair: `rtnl_link_ops::newlink`. Context: process, RTNL held.
    ///
    /// When it returns an error nothing that was made remains.
    fn newlink(link: NewLink<'_, Self>) -> Result;

    /// Removes `dev` and what came with it: `rtnl_link_ops::dellink`. It may be called for a device
    /// that is on the list already. Context: process, RTNL held.
    fn dellink(dev: &Device<Self>, list: &mut UnregisterList);

    /// The device at the other end, if there is one: what `ip link` shows behind the `@`, with its
    /// namespace. Context: any; RCU read-locked.
    fn peer<'a>(dev: &'a Device<Self>, guard: &'a rcu::Guard) -> Option<&'a NetDevice>;
}

/// Devices that are unregistered together.
#[repr(transparent)]
pub struct UnregisterList(Opaque<bindings::list_head>);

impl UnregisterList {
    /// Puts `dev` on the list: `unregister_netdevice_queue`.
    pub fn queue<T: Operations>(&mut self, dev: &Device<T>) {
        // SAFETY: RTNL is held where there is an `UnregisterList`; the device is registered.
        unsafe { bindings::unregister_netdevice_queue(dev.as_ptr(), self.0.get()) };
    }
}

/// The place for a message to the user that explains a refusal: `struct netlink_ext_ack`.
pub struct ExtAck<'a>(*mut bindings::netlink_ext_ack, PhantomData<&'a mut ()>);

impl<'a> ExtAck<'a> {
    /// # Safety
    ///
    /// `ptr` is null or valid for as long as the result lives.
    pub(crate) unsafe fn from_raw(ptr: *mut bindings::netlink_ext_ack) -> Self {
        Self(ptr, PhantomData)
    }

    /// Says why: `NL_SET_ERR_MSG`. Only the last message is shown.
    pub fn set_msg(&mut self, msg: &'static CStr) {
        if !self.0.is_null() {
            // SAFETY: Valid as it is not null; the message lives for ever.
            unsafe { (*self.0)._msg = msg.as_char_ptr() };
        }
    }

    /// Says why, and which attribute is to blame: `NL_SET_ERR_MSG_ATTR`.
    pub fn set_msg_attr(&mut self, msg: &'static CStr, attr: Attr<'a>) {
        self.set_msg(msg);
        if !self.0.is_null() {
            // SAFETY: Valid as it is not null. The attribute is in the message that is answered:
            // one request at a time is handled where there are attributes.
            unsafe { (*self.0).bad_attr = attr.as_ptr() };
        }
    }
}

/// The registration of a kind of link. Dropping it removes all devices of the kind.
///
/// # Invariants
///
/// `ops` is registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Kind> {
    #[pin]
    ops: Opaque<bindings::rtnl_link_ops>,
    _kind: PhantomData<T>,
}

// SAFETY: The list of kinds has its own locks.
unsafe impl<T: Kind> Send for Registration<T> {}
// SAFETY: As above.
unsafe impl<T: Kind> Sync for Registration<T> {}

impl<T: Kind> Registration<T> {
    /// Registers the kind.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one of that name, `ENOMEM`.
    ///
    /// C: [`rtnl_link_register`](srctree/net/core/rtnetlink.c)
    pub fn register() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(|slot: *mut bindings::rtnl_link_ops| {
                // SAFETY: The memory is ours and stays where it is.
                to_result(unsafe {
                    slot.write(Self::ops());
                    bindings::rtnl_link_register(slot)
                })
            }),
            _kind: PhantomData,
        }? Error)
    }

    /// Those of any device, and what only one with a peer can answer.
    const DEVICE_OPS: &'static bindings::net_device_ops = &{
        let mut ops = DeviceAdapter::<T>::ops();
        ops.ndo_get_iflink = Some(Self::get_iflink);
        ops
    };

    fn ops() -> bindings::rtnl_link_ops {
        // SAFETY: Zeroes are valid for all fields.
        let mut ops: bindings::rtnl_link_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.kind = T::KIND.as_char_ptr();
        ops.priv_size = size_of::<Private<T>>();
        ops.peer_type = T::PEER_ATTR;
        ops.maxtype = attrs::maxtype::<T>() as c_uint;
        ops.policy = T::POLICY.as_ptr().cast();
        ops.setup = Some(Self::setup);
        ops.validate = Some(Self::validate);
        ops.newlink = Some(Self::newlink);
        ops.dellink = Some(Self::dellink);
        ops.get_link_net = Some(Self::get_link_net);
        if T::HAS_NUM_QUEUES {
            ops.get_num_tx_queues = Some(Self::get_num_queues);
            ops.get_num_rx_queues = Some(Self::get_num_queues);
        }
        if T::HAS_CHANGELINK {
            ops.changelink = Some(Self::changelink);
        }
        if T::HAS_INFO {
            ops.get_size = Some(Self::get_size);
            ops.fill_info = Some(Self::fill_info);
        }
        ops
    }

    /// # Safety
    ///
    /// Called by rtnetlink for a new device of this kind.
    unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: The device is new, and nobody else knows it.
        unsafe {
            bindings::ether_setup(dev);
            let flags = &mut (*dev).__bindgen_anon_1.__bindgen_anon_1;
            // A transmit function takes the only reference.
            flags.set_priv_flags(
                flags.priv_flags() & !(bindings::netdev_priv_flags_IFF_TX_SKB_SHARING as c_ulong)
                    | bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE as c_ulong,
            );
            (*dev).netdev_ops = Self::DEVICE_OPS;
            (*dev).ethtool_ops = ethtool::Adapter::<T>::OPS;
            (*dev).features |= T::FEATURES;
            (*dev).hw_features |= T::FEATURES;
            (*dev).hw_enc_features |= T::FEATURES;
            (*dev).vlan_features |= T::FEATURES & !features::VLAN;
            (*dev).mpls_features |= T::FEATURES & !features::VLAN;
            (*dev).stat_ops = DeviceAdapter::<T>::STAT_OPS;
            (*dev).max_mtu = bindings::ETH_MAX_MTU;
            (*dev).needs_free_netdev = true;
            bindings::netif_set_tso_max_size(dev, bindings::GSO_MAX_SIZE);
        }
    }

    /// # Safety
    ///
    /// Called by rtnetlink before a device of this kind is made or changed.
    unsafe extern "C" fn validate(
        tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The array has an entry, which may be null, for each attribute, checked by the
        // policy of the core; the message place is valid or null.
        let (address, mut extack) = unsafe {
            (
                Attr::from_raw(*tb.add(bindings::IFLA_ADDRESS as usize)),
                ExtAck::from_raw(extack),
            )
        };
        from_result(|| {
            if let Some(attr) = address {
                Self::validate_address(attr, &mut extack)?;
            }
            if T::HAS_VALIDATE {
                // SAFETY: The arguments are those of this callback.
                T::validate(&unsafe { Attrs::from_raw::<T>(data) }, &mut extack)?;
            }
            Ok(0)
        })
    }

    fn validate_address<'a>(attr: Attr<'a>, extack: &mut ExtAck<'a>) -> Result {
        let Ok(address) = <[u8; 6]>::try_from(attr.payload()) else {
            extack.set_msg_attr(c"An Ethernet address has 6 bytes", attr);
            return Err(EINVAL);
        };
        if address == [0; 6] || address[0] & 1 != 0 {
            extack.set_msg_attr(
                c"The address must be neither zero nor a multicast address",
                attr,
            );
            return Err(EADDRNOTAVAIL);
        }
        Ok(())
    }

    /// # Safety
    ///
    /// Called by rtnetlink.
    unsafe extern "C" fn get_num_queues() -> c_uint {
        // What `rtnl_create_link` allows.
        T::num_queues().clamp(1, 4096) as c_uint
    }

    /// # Safety
    ///
    /// Called by rtnetlink for a registered device of this kind.
    unsafe extern "C" fn changelink(
        dev: *mut bindings::net_device,
        _tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A registered device was initialised; the other arguments are those of this
            // callback.
            let (dev, attrs, mut extack) = unsafe {
                (
                    Device::<T>::from_raw(dev),
                    Attrs::from_raw::<T>(data),
                    ExtAck::from_raw(extack),
                )
            };
            T::changelink(dev, &attrs, &mut extack)?;
            Ok(0)
        })
    }

    /// Room for what `fill_info` writes: each attribute of 32 bits once.
    ///
    /// # Safety
    ///
    /// Called by rtnetlink for a registered device of this kind.
    unsafe extern "C" fn get_size(_dev: *const bindings::net_device) -> usize {
        Policy::u32_attrs(T::POLICY).count() * (size_of::<bindings::nlattr>() + size_of::<u32>())
    }

    /// # Safety
    ///
    /// As `get_size`; there is room for as much as it says, or an error is returned.
    unsafe extern "C" fn fill_info(
        skb: *mut bindings::sk_buff,
        dev: *const bindings::net_device,
    ) -> c_int {
        // SAFETY: A registered device was initialised.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        from_result(|| {
            for attr in Policy::u32_attrs(T::POLICY) {
                if let Some(value) = T::info(dev, attr) {
                    // SAFETY: The packet is being filled by our caller; the value is that long.
                    to_result(unsafe {
                        bindings::nla_put(
                            skb,
                            attr.into(),
                            size_of::<u32>() as c_int,
                            (&raw const value).cast(),
                        )
                    })?;
                }
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by rtnetlink for a device that `setup` has been called for.
    unsafe extern "C" fn newlink(
        dev: *mut bindings::net_device,
        params: *mut bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The arguments are those of this callback.
        let link = unsafe { NewLink::new(dev, params, extack) };
        let result = T::newlink(link);
        // SAFETY: The device is valid until this returns.
        let state = unsafe { (*dev).reg_state };
        let registered = u32::from(state) == bindings::netdev_reg_state_NETREG_REGISTERED;
        // rtnetlink configures the device after success and frees it after an error.
        from_result(|| match (result, registered) {
            (Ok(()), true) => Ok(0),
            (Ok(()), false) => Err(EINVAL),
            (Err(e), false) => Err(e),
            (Err(e), true) => {
                // SAFETY: RTNL is held.
                unsafe { bindings::unregister_netdevice_queue(dev, ptr::null_mut()) };
                Err(e)
            }
        })
    }

    /// # Safety
    ///
    /// Called by the core for a registered device of this kind.
    unsafe extern "C" fn get_iflink(dev: *const bindings::net_device) -> c_int {
        let guard = rcu::read_lock();
        // SAFETY: A registered device was initialised.
        T::peer(unsafe { Device::from_raw(dev) }, &guard).map_or(0, NetDevice::ifindex)
    }

    /// # Safety
    ///
    /// Called by rtnetlink for a registered device of this kind, with RTNL held or RCU read-locked.
    unsafe extern "C" fn get_link_net(dev: *const bindings::net_device) -> *mut bindings::net {
        let guard = rcu::read_lock();
        // SAFETY: A registered device was initialised.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // The caller's lock keeps the peer, and so its namespace, beyond our guard.
        T::peer(dev, &guard)
            .map_or(dev.net(), NetDevice::net)
            .as_ptr()
    }

    /// # Safety
    ///
    /// Called by rtnetlink for a registered device of this kind.
    unsafe extern "C" fn dellink(dev: *mut bindings::net_device, head: *mut bindings::list_head) {
        // SAFETY: A registered device was initialised; the list belongs to the caller.
        T::dellink(unsafe { Device::from_raw(dev) }, unsafe {
            &mut *head.cast::<UnregisterList>()
        });
    }
}

#[pinned_drop]
impl<T: Kind> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is registered by the type invariant. When this returns all devices are gone.
        unsafe { bindings::rtnl_link_unregister(self.ops.get()) };
    }
}
