// SPDX-License-Identifier: GPL-2.0

//! Packets to test with.

use crate::{
    bindings,
    skb::{
        SkBuff,
        Skb, //
    },
    sock::testing::TestSock,
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Bytes in front of the data of each.
pub(super) const HEADROOM: usize = 32;

/// A packet with `data` in its linear part.
pub(crate) fn linear(data: &[u8]) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(HEADROOM, data.len(), GFP_KERNEL)?;
    skb.put_data(data)?;
    Ok(skb)
}

/// A packet with `head` in its linear part and `pages` in pages behind it.
pub(crate) fn paged(head: &[u8], pages: &[u8]) -> Result<SkBuff> {
    paged_behind(HEADROOM, head, pages)
}

/// As [`paged`], with so many bytes in front.
pub(super) fn paged_behind(headroom: usize, head: &[u8], pages: &[u8]) -> Result<SkBuff> {
    let mut err = 0;
    // SAFETY: C checks the sizes.
    let skb = unsafe {
        bindings::alloc_skb_with_frags(
            (headroom + head.len()) as c_ulong,
            pages.len() as c_ulong,
            0,
            &mut err,
            bindings::GFP_KERNEL_VALUE,
        )
    };
    let skb = NonNull::new(skb).ok_or(ENOMEM)?;
    // SAFETY: A new packet has one reference, and it was given to us; so are its buffer and pages.
    let mut skb: SkBuff = unsafe { SkBuff::from_raw(skb) };
    skb.reserve(headroom)?;
    skb.put_data(head)?;
    let raw = skb.raw_mut();
    raw.len += pages.len() as u32;
    raw.data_len += pages.len() as u32;
    // SAFETY: There are pages for that many bytes behind the linear part, and nobody else has them.
    to_result(unsafe {
        bindings::skb_store_bits(
            skb.as_ptr(),
            head.len() as c_int,
            pages.as_ptr().cast(),
            pages.len() as c_int,
        )
    })?;
    Ok(skb)
}

/// A packet with `head` in its linear part and another packet, with `tail`, in its fragment list.
pub(super) fn listed(head: &[u8], tail: &[u8]) -> Result<SkBuff> {
    let tail = linear(tail)?;
    let mut skb = linear(head)?;
    let raw = skb.raw_mut();
    raw.len += tail.len() as u32;
    raw.data_len += tail.len() as u32;
    raw.truesize += tail.truesize();
    // SAFETY: The shared info is ours alone, and the list takes the reference to `tail`.
    unsafe { (*skb.shinfo()).frag_list = tail.into_raw().as_ptr() };
    Ok(skb)
}

/// A pattern of `len` bytes in which each place can be told from its neighbours.
pub(super) fn pattern(len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
    for i in 0..len {
        bytes.push((i % 251) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// All bytes of a packet.
pub(super) fn bytes(skb: &Skb) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0, skb.len(), GFP_KERNEL)?;
    skb.copy_bits(0, &mut bytes)?;
    Ok(bytes)
}

/// Calls of `private`.
static PRIVATE: Atomic<u32> = Atomic::new(0);

/// A destructor that is not one of the kernel's.
///
/// # Safety
///
/// Called as the destructor of a packet that is charged with its truesize.
unsafe extern "C" fn private(skb: *mut bindings::sk_buff) {
    PRIVATE.add(1, Relaxed);
    // SAFETY: By the requirements of this function.
    unsafe { bindings::sock_wfree(skb) };
}

/// Charges a packet to `sock` by a destructor that nobody knows, and that counts its calls from 0.
pub(super) fn set_private_owner(skb: &mut SkBuff, sock: &TestSock) {
    skb.set_owner_w(sock.sk());
    skb.raw_mut().__bindgen_anon_3.__bindgen_anon_1.destructor = Some(private);
    PRIVATE.store(0, Relaxed);
}

/// Calls of that destructor.
pub(super) fn private_calls() -> u32 {
    PRIVATE.load(Relaxed)
}
