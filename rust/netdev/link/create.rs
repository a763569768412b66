// SPDX-License-Identifier: GPL-2.0

//! The steps from a request for a link to registered devices, each a type, each undone when it is
//! dropped.

use super::{
    Attr,
    Attrs,
    ExtAck,
    Kind, //
};
use crate::{
    bindings,
    netdev::{
        Device,
        Operations,
        Private, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// A request for a link.
///
/// # Invariants
///
/// `params` is that of a running `newlink`, in which RTNL is held.
pub struct NewLink<'a, T: Kind> {
    /// The device that was asked for.
    pub dev: NewDevice<'a, T>,
    /// Where a refusal is explained.
    pub extack: ExtAck<'a>,
    params: &'a bindings::rtnl_newlink_params,
    extack_ptr: *mut bindings::netlink_ext_ack,
}

impl<'a, T: Kind> NewLink<'a, T> {
    /// # Safety
    ///
    /// The arguments are those of a running `newlink` of kind `T`.
    pub(super) unsafe fn new(
        dev: *mut bindings::net_device,
        params: *const bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> Self {
        // SAFETY: By the requirements of this function.
        let params = unsafe { &*params };
        // SAFETY: As above; the arrays have an entry for each attribute.
        let (address, queues, attrs) = unsafe {
            (
                *params.tb.add(bindings::IFLA_ADDRESS as usize),
                *params.tb.add(bindings::IFLA_NUM_TX_QUEUES as usize),
                Attrs::from_raw::<T>(params.data),
            )
        };
        if address.is_null() {
            // SAFETY: The device is new.
            unsafe { bindings::eth_hw_addr_random(dev) };
        }
        // INVARIANT: This is a running `newlink`.
        Self {
            dev: NewDevice {
                ptr: dev,
                attrs,
                all_queues: !queues.is_null(),
                free: false,
                configure: None,
                _kind: PhantomData,
            },
            // SAFETY: By the requirements of this function.
            extack: unsafe { ExtAck::from_raw(extack) },
            params,
            extack_ptr: extack,
        }
    }

    /// Makes a second device as the attribute [`Kind::PEER_ATTR`] describes it: its name, address,
    /// namespace, its own `IFLA_INFO_DATA` and so on. Without that attribute it is made like the
    /// first one and gets a name of its own.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the description makes no sense, `ENOMEM`.
    pub fn create_peer(&mut self) -> Result<NewDevice<'a, T>> {
        const IFLA_COUNT: usize = bindings::__IFLA_MAX as usize;

        let mut peer_tb = [ptr::null_mut::<bindings::nlattr>(); IFLA_COUNT];
        let mut tb = self.params.tb;
        let mut ifmp = ptr::null::<bindings::ifinfomsg>();
        let mut attrs = self.dev.attrs;
        if let Some(peer) = attrs.get(T::PEER_ATTR) {
            ifmp = peer.payload().as_ptr().cast();
            tb = peer_tb.as_mut_ptr();
            // SAFETY: The policy says that an `ifinfomsg` is there; the array has room for all.
            to_result(unsafe {
                bindings::rtnl_nla_parse_ifinfomsg(tb, peer.as_ptr(), self.extack_ptr)
            })?;
            // SAFETY: What was parsed is part of the request.
            attrs = match unsafe { Attr::from_raw(peer_tb[bindings::IFLA_LINKINFO as usize]) } {
                Some(linkinfo) => self.peer_attrs(linkinfo)?,
                None => Attrs::NONE,
            };
        }
        // SAFETY: Both arrays have an entry for each attribute.
        let (name_attr, address, queues) = unsafe {
            (
                *tb.add(bindings::IFLA_IFNAME as usize),
                *tb.add(bindings::IFLA_ADDRESS as usize),
                *tb.add(bindings::IFLA_NUM_TX_QUEUES as usize),
            )
        };

        let mut ifname = [0u8; bindings::IFNAMSIZ as usize];
        let assign = if !ifmp.is_null() && !name_attr.is_null() {
            // SAFETY: The buffer has that size; the attribute is a string by the core's policy.
            unsafe { bindings::nla_strscpy(ifname.as_mut_ptr().cast(), name_attr, ifname.len()) };
            bindings::NET_NAME_USER
        } else {
            const {
                assert!(
                    T::KIND.count_bytes() + c"%d".to_bytes_with_nul().len()
                        <= bindings::IFNAMSIZ as usize,
                    "a name is made of the kind and a number"
                )
            };
            let kind = T::KIND.to_bytes();
            for (to, from) in ifname.iter_mut().zip(Iterator::chain(kind.iter(), b"%d")) {
                *to = *from;
            }
            bindings::NET_NAME_ENUM
        };

        // As `rtnl_newlink_peer_net` does; both are pinned for the time of the request.
        let net = if self.params.peer_net.is_null() {
            self.params.src_net
        } else {
            self.params.peer_net
        };
        // SAFETY: The first device was made by the same ops; the other arguments are those of the
        // request.
        let dev = unsafe {
            from_err_ptr(bindings::rtnl_create_link(
                net,
                ifname.as_ptr().cast(),
                assign as u8,
                (*self.dev.ptr).rtnl_link_ops,
                tb,
                self.extack_ptr,
            ))?
        };
        // SAFETY: The device is new and ours; `ifmp` is null or valid.
        unsafe {
            if ifmp.is_null() || address.is_null() {
                bindings::eth_hw_addr_random(dev);
            }
            if !ifmp.is_null() && (*self.dev.ptr).ifindex != 0 {
                (*dev).ifindex = (*ifmp).ifi_index;
            }
        }
        Ok(NewDevice {
            ptr: dev,
            attrs,
            all_queues: !queues.is_null(),
            free: true,
            configure: Some(ifmp),
            _kind: PhantomData,
        })
    }

    /// What a peer's own `IFLA_LINKINFO` says, checked as that of the first device was.
    fn peer_attrs(&mut self, linkinfo: Attr<'a>) -> Result<Attrs<'a>> {
        let mut info = [ptr::null(); bindings::__IFLA_INFO_MAX as usize];
        linkinfo.parse(&mut info, &[], self.extack_ptr)?;
        // SAFETY: What was parsed is part of the request.
        let (kind, data) = unsafe {
            (
                Attr::from_raw(info[bindings::IFLA_INFO_KIND as usize]),
                Attr::from_raw(info[bindings::IFLA_INFO_DATA as usize]),
            )
        };
        if let Some(attr) = kind {
            let kind = attr.payload();
            if kind.strip_suffix(b"\0").unwrap_or(kind) != T::KIND.to_bytes() {
                self.extack
                    .set_msg_attr(c"Both ends of a pair are of the same kind", attr);
                return Err(EINVAL);
            }
        }
        let Some(data) = data else {
            return Ok(Attrs::NONE);
        };
        let attrs = Attrs::parse::<T>(data, self.extack_ptr)?;
        if let Some(attr) = attrs.get(T::PEER_ATTR) {
            self.extack
                .set_msg_attr(c"The peer of the peer is the device itself", attr);
            return Err(EINVAL);
        }
        if T::HAS_VALIDATE {
            T::validate(&attrs, &mut self.extack)?;
        }
        Ok(attrs)
    }
}

/// A device that was allocated. It has no private data yet.
///
/// # Invariants
///
/// `ptr` is a valid device of kind `T` that is not registered. If `free` is set it is ours.
pub struct NewDevice<'a, T: Kind> {
    ptr: *mut bindings::net_device,
    /// What was asked for in `IFLA_INFO_DATA`.
    pub attrs: Attrs<'a>,
    /// The request names a number of transmit queues.
    all_queues: bool,
    free: bool,
    /// For a device that rtnetlink does not configure itself: what was asked for, perhaps nothing.
    configure: Option<*const bindings::ifinfomsg>,
    _kind: PhantomData<&'a T>,
}

impl<'a, T: Kind> NewDevice<'a, T> {
    /// Number of transmit queues.
    pub fn num_tx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant.
        unsafe { (*self.ptr).num_tx_queues as usize }
    }

    /// Number of receive queues.
    pub fn num_rx_queues(&self) -> usize {
        // SAFETY: The device is valid by the type invariant.
        unsafe { (*self.ptr).num_rx_queues as usize }
    }

    /// Transmit queues to begin with: all if the request names their number, else one.
    pub fn first_tx_queues(&self) -> usize {
        if self.all_queues {
            self.num_tx_queues()
        } else {
            1
        }
    }

    /// Sets how many queues are in use.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device has not so many, or for none.
    ///
    /// C: [`netif_set_real_num_queues`](srctree/net/core/dev.c)
    pub fn set_real_num_queues(&mut self, tx: usize, rx: usize) -> Result {
        let (tx, rx) = (u32::try_from(tx)?, u32::try_from(rx)?);
        // SAFETY: The device is valid by the type invariant, and not registered.
        to_result(unsafe { bindings::netif_set_real_num_queues(self.ptr, tx, rx) })
    }

    /// Makes a device without a request, for tests. RTNL is held.
    #[cfg(CONFIG_KUNIT)]
    pub(crate) fn for_test(kind: &'a super::Registration<T>) -> Result<Self> {
        let mut tb = [ptr::null_mut::<bindings::nlattr>(); bindings::__IFLA_MAX as usize];
        // SAFETY: The kind is registered; no attribute is there.
        let ptr = unsafe {
            from_err_ptr(bindings::rtnl_create_link(
                &raw mut bindings::init_net,
                c"knettest%d".as_char_ptr(),
                bindings::NET_NAME_ENUM as u8,
                kind.ops.get(),
                tb.as_mut_ptr(),
                ptr::null_mut(),
            ))?
        };
        // SAFETY: The device is new and ours.
        unsafe { bindings::eth_hw_addr_random(ptr) };
        Ok(Self {
            ptr,
            attrs: Attrs::NONE,
            all_queues: false,
            free: true,
            configure: Some(ptr::null()),
            _kind: PhantomData,
        })
    }

    /// Gives the device its private data, and the data of each transmit queue. `rx_lanes` is the
    /// number of lanes that it has receive statistics for, see
    /// [`RX_STATS`](crate::netdev::ethtool::Operations::RX_STATS).
    ///
    /// # Errors
    ///
    /// `EINVAL` if `queues` has not one entry for each transmit queue, `ENOMEM`.
    pub fn init(
        self,
        data: T,
        queues: KVec<<T as Operations>::TxQueue>,
        rx_lanes: usize,
    ) -> Result<Ready<'a, T>> {
        let private = Private::new(data, queues, self.num_tx_queues(), rx_lanes)?;
        // SAFETY: The private area has this size, see `Registration`, and holds nothing yet.
        unsafe {
            Private::<T>::of(self.ptr).write(private);
            (*self.ptr).priv_destructor = Some(destructor::<T>);
        }
        // INVARIANT: The private area is initialised.
        Ok(Ready(self))
    }
}

impl<T: Kind> Drop for NewDevice<'_, T> {
    fn drop(&mut self) {
        if self.free {
            // SAFETY: The device is ours and not registered; one that is about to be unregistered
            // is freed later by this call.
            unsafe { bindings::free_netdev(self.ptr) };
        }
    }
}

/// Drops the private data, once.
///
/// # Safety
///
/// Called by the core, or by [`Ready`], for a device of `T` that has private data.
unsafe extern "C" fn destructor<T: Operations>(dev: *mut bindings::net_device) {
    // SAFETY: Nobody uses the device any more. Registration that fails may come here and then
    // come again, so the destructor removes itself.
    unsafe {
        (*dev).priv_destructor = None;
        Private::<T>::of(dev).drop_in_place();
    }
}

/// A device that can be registered.
///
/// # Invariants
///
/// As [`NewDevice`]; and the private area is initialised as long as the destructor is set.
pub struct Ready<'a, T: Kind>(NewDevice<'a, T>);

impl<'a, T: Kind> Ready<'a, T> {
    /// Registers the device, with the carrier off: from here on it can be seen and opened.
    ///
    /// C: [`register_netdevice`](srctree/net/core/dev.c)
    pub fn register(self) -> Result<Registered<'a, T>> {
        let ptr = self.0.ptr;
        // SAFETY: RTNL is held in `newlink`; the device is not registered.
        to_result(unsafe { bindings::register_netdevice(ptr) })?;
        let configure = self.0.configure;
        // Now unregistering frees the device.
        let _ = ManuallyDrop::new(self);
        // INVARIANT: It is registered.
        let registered = Registered {
            ptr,
            _kind: PhantomData,
        };
        registered.device().carrier_off();
        if let Some(ifmp) = configure {
            // SAFETY: RTNL is held; `ifmp` is null or that of the request.
            to_result(unsafe { bindings::rtnl_configure_link(ptr, ifmp, 0, ptr::null()) })?;
        }
        Ok(registered)
    }
}

impl<T: Kind> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        let dev = self.0.ptr;
        // SAFETY: The device is valid. If registration failed so late that the device is being
        // unregistered, the core calls the destructor later.
        unsafe {
            if u32::from((*dev).reg_state) != bindings::netdev_reg_state_NETREG_UNREGISTERING {
                if let Some(destructor) = (*dev).priv_destructor {
                    destructor(dev);
                }
            }
        }
    }
}

/// A registered device that is unregistered again unless it is [kept](Self::keep).
///
/// # Invariants
///
/// `ptr` is a registered device of kind `T`, and RTNL is held.
#[must_use]
pub struct Registered<'a, T: Kind> {
    ptr: *mut bindings::net_device,
    _kind: PhantomData<&'a T>,
}

impl<T: Kind> Registered<'_, T> {
    /// The device.
    pub fn device(&self) -> &Device<T> {
        // SAFETY: It is registered, and so initialised and valid.
        unsafe { Device::from_raw(self.ptr) }
    }

    /// Leaves it registered.
    pub fn keep(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl<T: Kind> Drop for Registered<'_, T> {
    fn drop(&mut self) {
        // SAFETY: It is registered, and RTNL is held, by the type invariant.
        unsafe { bindings::unregister_netdevice_queue(self.ptr, ptr::null_mut()) };
    }
}
