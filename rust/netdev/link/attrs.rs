// SPDX-License-Identifier: GPL-2.0

//! Attributes of a kind of link in `IFLA_INFO_DATA`: what they may be, and what a request has.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::Kind;
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr,
    slice, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// What an attribute may be, checked before a driver sees it: `struct nla_policy`.
#[repr(transparent)]
pub struct Policy(pub(super) bindings::nla_policy);

impl Policy {
    /// An attribute that does not exist.
    pub const NONE: Self = {
        // SAFETY: Zeroes are NLA_UNSPEC, which accepts nothing.
        Self(unsafe { MaybeUninit::zeroed().assume_init() })
    };

    /// A peer, as `VETH_INFO_PEER`: a `struct ifinfomsg` and attributes, which are parsed when the
    /// peer is made.
    pub const PEER: Self = {
        let mut policy = Self::NONE;
        policy.0.len = size_of::<bindings::ifinfomsg>() as u16;
        policy
    };

    /// Any number of 32 bits: `NLA_U32`.
    pub const U32: Self = {
        let mut policy = Self::NONE;
        policy.0.type_ = bindings::NLA_U32 as u8;
        policy
    };

    /// Entry 0 of a list of policies: the lengths of attributes from `attr` on are exact. That of a
    /// peer cannot be among them.
    pub const fn strict_from(attr: u16) -> Self {
        let mut policy = Self::NONE;
        policy.0.__bindgen_anon_1.strict_start_type = attr;
        policy
    }

    /// A number of 32 bits from `min` to `max`, which is not negative: `NLA_POLICY_RANGE`.
    ///
    /// # Panics
    ///
    /// If there is no such number. In a constant that is an error of the compiler.
    pub const fn u32_range(min: i16, max: i16) -> Self {
        assert!(0 <= min && min <= max);
        let mut policy = Self::U32;
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_RANGE as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1.min = min;
        policy.0.__bindgen_anon_1.__bindgen_anon_1.max = max;
        policy
    }

    fn is_u32(&self) -> bool {
        u32::from(self.0.type_) == bindings::NLA_U32
    }

    /// The numbers of the attributes of 32 bits in a list of policies.
    pub(super) fn u32_attrs(list: &[Self]) -> impl Iterator<Item = u16> + '_ {
        (0u16..)
            .zip(list)
            .filter(|(_, policy)| policy.is_u32())
            .map(|(attr, _)| attr)
    }
}

/// Entries in an array of attributes: more than any kind has.
const MAX: usize = 16;

/// The highest attribute of a kind.
pub(super) const fn maxtype<T: Kind>() -> usize {
    const {
        assert!(!T::POLICY.is_empty() && T::POLICY.len() <= MAX);
        assert!((T::PEER_ATTR as usize) < T::POLICY.len());
        assert!(
            T::POLICY[T::PEER_ATTR as usize].0.len as usize >= size_of::<bindings::ifinfomsg>()
        );
    };
    T::POLICY.len() - 1
}

/// One attribute of a request.
///
/// # Invariants
///
/// It is a whole attribute that stays as it is for `'a`, in the message of the request that is
/// being handled.
#[derive(Clone, Copy)]
pub struct Attr<'a>(*const bindings::nlattr, PhantomData<&'a bindings::nlattr>);

impl<'a> Attr<'a> {
    /// # Safety
    ///
    /// `ptr` is null or fulfils the type invariants.
    pub(super) unsafe fn from_raw(ptr: *const bindings::nlattr) -> Option<Self> {
        // INVARIANT: That is what the caller promises.
        (!ptr.is_null()).then_some(Self(ptr, PhantomData))
    }

    pub(super) fn as_ptr(self) -> *const bindings::nlattr {
        self.0
    }

    /// The payload: `nla_data`, `nla_len`.
    pub(super) fn payload(self) -> &'a [u8] {
        const HDRLEN: usize = size_of::<bindings::nlattr>();
        // SAFETY: The attribute is whole by the type invariant.
        let len = usize::from(unsafe { (*self.0).nla_len });
        // SAFETY: As above: the payload follows the header.
        unsafe { slice::from_raw_parts(self.0.cast::<u8>().add(HDRLEN), len - HDRLEN) }
    }

    /// The attributes in the payload, up to `tb.len() - 1`. Without a policy their payloads are not
    /// looked at.
    pub(super) fn parse(
        self,
        tb: &mut [*const bindings::nlattr],
        policy: &[Policy],
        extack: *mut bindings::netlink_ext_ack,
    ) -> Result {
        let payload = self.payload();
        let policy = if policy.is_empty() {
            ptr::null()
        } else {
            if policy.len() < tb.len() {
                return Err(EINVAL);
            }
            policy.as_ptr()
        };
        // SAFETY: The array has an entry for each attribute up to the highest, and so has the
        // policy, unless there is none; the message place is that of the request.
        to_result(unsafe {
            bindings::__nla_parse(
                tb.as_mut_ptr().cast(),
                tb.len() as c_int - 1,
                payload.as_ptr().cast(),
                payload.len() as c_int,
                policy.cast(),
                bindings::netlink_validation_NL_VALIDATE_LIBERAL,
                extack,
            )
        })
    }
}

/// The attributes that a request has for a device in `IFLA_INFO_DATA`.
///
/// # Invariants
///
/// Each entry is null or an attribute for `'a`, see [`Attr`].
#[derive(Clone, Copy)]
pub struct Attrs<'a> {
    tb: [*const bindings::nlattr; MAX],
    _attrs: PhantomData<Attr<'a>>,
}

impl<'a> Attrs<'a> {
    /// No attributes.
    pub(super) const NONE: Self = Self {
        tb: [ptr::null(); MAX],
        _attrs: PhantomData,
    };

    /// # Safety
    ///
    /// `data` is null or the array of attributes of a running request for kind `T`.
    pub(super) unsafe fn from_raw<T: Kind>(data: *const *mut bindings::nlattr) -> Self {
        let mut attrs = Self::NONE;
        if !data.is_null() {
            // SAFETY: The array has an entry for each attribute.
            let data = unsafe { slice::from_raw_parts(data, maxtype::<T>() + 1) };
            for (to, from) in attrs.tb.iter_mut().zip(data) {
                // INVARIANT: That is what the caller promises.
                *to = *from;
            }
        }
        attrs
    }

    /// The attributes in the payload of `attr`, checked by the policy of `T`.
    pub(super) fn parse<T: Kind>(
        attr: Attr<'a>,
        extack: *mut bindings::netlink_ext_ack,
    ) -> Result<Self> {
        let mut attrs = Self::NONE;
        // INVARIANT: What is in the payload is part of the same message.
        attr.parse(&mut attrs.tb[..=maxtype::<T>()], T::POLICY, extack)?;
        Ok(attrs)
    }

    /// The attribute of that number, if the request has it.
    pub fn get(&self, attr: u16) -> Option<Attr<'a>> {
        // SAFETY: By the type invariant.
        unsafe { Attr::from_raw(*self.tb.get(usize::from(attr))?) }
    }

    /// The number in an attribute of 32 bits, if the request has it: `nla_get_u32`. One whose
    /// length is not [exact](Policy::strict_from) may be longer.
    pub fn u32(&self, attr: u16) -> Option<u32> {
        let payload = self.get(attr)?.payload();
        Some(u32::from_ne_bytes(*payload.first_chunk()?))
    }
}
