// SPDX-License-Identifier: GPL-2.0

//! Options of a socket: what `setsockopt(2)` and `getsockopt(2)` carry.
//!
//! C headers: [`include/linux/sockptr.h`](srctree/include/linux/sockptr.h),
//! [`include/linux/net.h`](srctree/include/linux/net.h)

use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    error::to_result,
    iov::IovIterDest,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
};

/// The value that a program sets: `sockptr_t`.
///
/// # Invariants
///
/// The pointer is that of a running `setsockopt`.
pub struct OptVal<'a> {
    value: bindings::sockptr_t,
    len: usize,
    _call: PhantomData<&'a ()>,
}

impl OptVal<'_> {
    /// # Safety
    ///
    /// `value` and `len` are those of a running `setsockopt`.
    pub(super) unsafe fn from_raw(value: bindings::sockptr_t, len: usize) -> Self {
        // INVARIANT: That is what the caller promises.
        Self {
            value,
            len,
            _call: PhantomData,
        }
    }

    /// Reads the value. What follows it is ignored, so that the structure of an option can grow.
    ///
    /// Context: process; may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the program has passed fewer bytes, `EFAULT` if they cannot be read.
    ///
    /// C: [`copy_safe_from_sockptr`](srctree/include/linux/sockptr.h)
    pub fn read<T: FromBytes>(&self) -> Result<T> {
        if self.len < size_of::<T>() {
            return Err(EINVAL);
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: The pointer is that of the call by the type invariant, and there is room for as
        // many bytes as are copied.
        to_result(unsafe {
            bindings::copy_from_sockptr(value.as_mut_ptr().cast(), self.value, size_of::<T>())
        })?;
        // SAFETY: All bytes were written, and `T` may have any.
        Ok(unsafe { value.assume_init() })
    }
}

/// Where the value goes that a program asks for: `sockopt_t`.
///
/// # Invariants
///
/// The option is that of a running `getsockopt`.
pub struct OptOut<'a>(&'a mut bindings::sockopt_t);

impl OptOut<'_> {
    /// # Safety
    ///
    /// `opt` is that of a running `getsockopt`, and nobody else uses it for as long as the result
    /// lives.
    pub(super) unsafe fn from_raw<'a>(opt: *mut bindings::sockopt_t) -> OptOut<'a> {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function.
        OptOut(unsafe { &mut *opt })
    }

    /// Writes the value, as much of it as the program has room for, and tells it how much that is.
    ///
    /// Context: process; may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the program's memory cannot be written.
    pub fn write<T: AsBytes>(&mut self, value: &T) -> Result {
        let room = usize::try_from(self.0.optlen).map_err(|_| EINVAL)?;
        let bytes = value.as_bytes();
        let bytes = &bytes[..bytes.len().min(room)];
        // SAFETY: The iterator of a `getsockopt` is a destination.
        let iter = unsafe { IovIterDest::from_raw(&raw mut self.0.iter_out) };
        if iter.copy_to_iter(bytes) != bytes.len() {
            return Err(EFAULT);
        }
        self.0.optlen = bytes.len() as c_int;
        Ok(())
    }
}
