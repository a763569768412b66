// SPDX-License-Identifier: GPL-2.0

//! Flags of the driver's own: `ethtool --show-priv-flags`, `ethtool --set-priv-flags`.

use super::{
    Adapter,
    Operations, //
};
use crate::{
    bindings,
    netdev::Device, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

impl<T: Operations> Adapter<T> {
    /// How many flags there are, for `get_sset_count`.
    pub(super) const fn priv_flag_count() -> c_int {
        const { assert!(T::PRIV_FLAGS.len() <= 32, "a flag is a bit of 32") };
        T::PRIV_FLAGS.len() as c_int
    }

    /// Writes the names of the flags, for `get_strings`.
    ///
    /// # Safety
    ///
    /// `out` has room for as many strings as there are flags.
    pub(super) unsafe fn priv_flag_strings(mut out: *mut u8) {
        for name in T::PRIV_FLAGS {
            // SAFETY: There is room by the requirements of this function; the name is a string.
            unsafe { bindings::ethtool_puts(&mut out, name.as_char_ptr()) };
        }
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn get_priv_flags(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: As in `get_sset_count`.
        T::priv_flags(unsafe { Device::<T>::from_raw(dev) })
    }

    /// # Safety
    ///
    /// As `get_drvinfo`.
    pub(super) unsafe extern "C" fn set_priv_flags(
        dev: *mut bindings::net_device,
        flags: u32,
    ) -> c_int {
        // The ioctl passes on what it was given.
        let unknown = u32::MAX.checked_shl(T::PRIV_FLAGS.len() as u32);
        if flags & unknown.unwrap_or(0) != 0 {
            return EINVAL.to_errno();
        }
        // SAFETY: As in `get_sset_count`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        from_result(|| T::set_priv_flags(dev, flags).map(|()| 0))
    }
}
