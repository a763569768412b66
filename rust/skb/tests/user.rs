// SPDX-License-Identifier: GPL-2.0

//! Memory of a program, to send from.

use crate::bindings as knet_bindings;
use core::mem::MaybeUninit;
use kernel::{
    bindings,
    error::to_result,
    iov::IovIterSource,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

pub(super) const PAGE_SIZE: usize = kernel::page::PAGE_SIZE;

/// Pages that the thread of a test has mapped, as a program would.
///
/// # Invariants
///
/// `len` bytes from `addr` on are mapped.
pub(super) struct User {
    addr: usize,
    len: usize,
}

impl User {
    /// Maps enough pages for `data` and writes it there.
    pub(super) fn new(data: &[u8]) -> Result<Self> {
        let len = data.len().next_multiple_of(PAGE_SIZE);
        // SAFETY: The thread of a test has no memory of its own before, and keeps what it gets.
        to_result(unsafe { bindings::kunit_attach_mm() })?;
        // SAFETY: The thread has an address space, and the kernel chooses the place.
        let addr = unsafe {
            bindings::vm_mmap(
                core::ptr::null_mut(),
                0,
                len,
                (knet_bindings::PROT_READ | knet_bindings::PROT_WRITE) as usize,
                (knet_bindings::MAP_PRIVATE | knet_bindings::MAP_ANONYMOUS) as usize,
                0,
            )
        };
        if addr as isize <= 0 {
            return Err(Error::from_errno(addr as i32));
        }
        // INVARIANT: They were just mapped.
        let user = Self { addr, len };
        user.write(0, data)?;
        Ok(user)
    }

    /// Writes as the program would.
    pub(super) fn write(&self, offset: usize, data: &[u8]) -> Result {
        UserSlice::new(UserPtr::from_addr(self.addr + offset), data.len())
            .writer()
            .write_slice(data)
    }

    /// Unmaps what lies from `offset` on.
    pub(super) fn unmap(&mut self, offset: usize) -> Result {
        // SAFETY: By the type invariant; nobody has a reference to the memory of a program.
        to_result(unsafe { bindings::vm_munmap(self.addr + offset, self.len - offset) })?;
        self.len = offset;
        Ok(())
    }

    /// Calls `f` with `len` bytes from the beginning on, mapped or not.
    pub(super) fn iter<R>(
        &self,
        len: usize,
        f: impl FnOnce(&mut IovIterSource<'_>) -> R,
    ) -> Result<R> {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: C checks the range and fills the iterator in.
        to_result(unsafe {
            bindings::import_ubuf(
                bindings::ITER_SOURCE as c_int,
                self.addr as *mut c_void,
                len,
                iter.as_mut_ptr(),
            )
        })?;
        // SAFETY: It is a valid source that nobody else uses; memory of a program may be read at
        // any time.
        Ok(f(unsafe { IovIterSource::from_raw(iter.as_mut_ptr()) }))
    }
}

/// Calls `f` with an iterator over memory of the kernel.
pub(super) fn kernel_iter<R>(data: &[u8], f: impl FnOnce(&mut IovIterSource<'_>) -> R) -> R {
    let vec = bindings::kvec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    let mut iter = MaybeUninit::uninit();
    // SAFETY: The iterator is only read from, and does not outlive `vec` and `data`.
    unsafe {
        bindings::iov_iter_kvec(
            iter.as_mut_ptr(),
            bindings::ITER_SOURCE,
            &vec,
            1,
            data.len(),
        );
        f(IovIterSource::from_raw(iter.as_mut_ptr()))
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if self.len != 0 {
            // SAFETY: As in `unmap`.
            unsafe { bindings::vm_munmap(self.addr, self.len) };
        }
    }
}
