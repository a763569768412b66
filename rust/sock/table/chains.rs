// SPDX-License-Identifier: GPL-2.0

//! The chains of a hash table of sockets.

use crate::{
    bindings,
    sock::{
        Family,
        Socket, //
    },
};
use core::{
    cell::UnsafeCell,
    mem::{
        offset_of,
        ManuallyDrop, //
    },
    ptr, //
};
use kernel::prelude::*;

/// The heads of the chains. They are leaked unless they are [freed](Self::free).
///
/// # Invariants
///
/// `mask + 1` is their number, and a power of two.
pub(super) struct Chains {
    heads: ManuallyDrop<KVVec<UnsafeCell<bindings::hlist_head>>>,
    mask: u32,
}

impl Chains {
    /// Makes `count` empty chains.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the number is not a power of two, or more than that of hashes; `ENOMEM`.
    pub(super) fn new(count: usize) -> Result<Self> {
        if !count.is_power_of_two() {
            return Err(EINVAL);
        }
        let mask = u32::try_from(count - 1)?;
        let mut heads = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let first = ptr::null_mut();
            heads.push(UnsafeCell::new(bindings::hlist_head { first }), GFP_KERNEL)?;
        }
        // INVARIANT: The number was checked.
        Ok(Self {
            heads: ManuallyDrop::new(heads),
            mask,
        })
    }

    /// The chain of a hash.
    #[inline(always)]
    pub(super) fn of(&self, hash: u32) -> *mut bindings::hlist_head {
        let n = (hash & self.mask) as usize;
        // SAFETY: There are `mask + 1` by the type invariant.
        unsafe { self.heads.get_unchecked(n) }.get()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.mask + 1
    }

    /// Whether there is nothing in the chain of a hash at this moment.
    #[inline(always)]
    pub(super) fn is_empty(&self, hash: u32) -> bool {
        // SAFETY: The chain is there; read once, as `hlist_empty` does.
        unsafe { (&raw const (*self.of(hash)).first).read_volatile() }.is_null()
    }

    /// Frees the memory, if all are empty.
    ///
    /// # Safety
    ///
    /// Nobody uses them any more.
    pub(super) unsafe fn free(&mut self) {
        if (0..=self.mask).all(|hash| self.is_empty(hash)) {
            // SAFETY: By the requirements of this function.
            unsafe { ManuallyDrop::drop(&mut self.heads) };
        }
    }
}

/// The socket that has this `sk_node`.
///
/// # Safety
///
/// It is in a chain of sockets of `F`, and fulfils the invariants of [`Socket`] for the whole of
/// `'a`.
#[inline(always)]
pub(super) unsafe fn of_node<'a, F: Family>(node: *const bindings::hlist_node) -> &'a Socket<F> {
    const OFFSET: usize = offset_of!(bindings::sock, __sk_common.__bindgen_anon_6.skc_node);

    // SAFETY: By the requirements of this function.
    unsafe { Socket::from_raw(node.byte_sub(OFFSET).cast()) }
}

/// The socket that has this `sk_bind_node`.
///
/// # Safety
///
/// As [`of_node`].
#[inline(always)]
pub(super) unsafe fn of_bind_node<'a, F: Family>(
    node: *const bindings::hlist_node,
) -> &'a Socket<F> {
    const OFFSET: usize = offset_of!(bindings::sock, __sk_common.__bindgen_anon_4.skc_bind_node);

    // SAFETY: By the requirements of this function.
    unsafe { Socket::from_raw(node.byte_sub(OFFSET).cast()) }
}

/// Number of chains for a table: one for each `1 << scale` bytes of memory that the machine has,
/// but `min` at least and `max` at most; a power of two.
///
/// # Errors
///
/// `EINVAL` if `min` is 0 or greater than `max`, or `max` is no power of two.
///
/// C: [`alloc_large_system_hash`](srctree/mm/mm_init.c), which is for the time of booting
pub fn chains_for_memory(scale: u32, min: usize, max: usize) -> Result<usize> {
    if min == 0 || min > max || !max.is_power_of_two() {
        return Err(EINVAL);
    }
    // SAFETY: An FFI call without requirements.
    let pages = unsafe { bindings::totalram_pages() };
    let bytes = (pages as u64) << kernel::page::PAGE_SHIFT;
    let count = bytes.checked_shr(scale).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(max).clamp(min, max);
    Ok(count.next_power_of_two())
}
