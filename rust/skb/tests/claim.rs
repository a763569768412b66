// SPDX-License-Identifier: GPL-2.0

//! Claims: who is charged, how much, and when it ends.
//!
//! W is the raw `sk_wmem_alloc`, which is 1 without traffic; T is the truesize of the packet; `ws`
//! counts the calls of the write-space callback.

mod charge;
mod clone;
mod destructor;
mod family;
mod kind;
mod lifetime;
mod orphan;
mod release;

use crate::{
    bindings,
    skb::{
        SkBuff, //
        Skb,
    },
    sock::{
        testing::TestSock,
        Sock, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Calls of the write-space callback, and W as it was seen in the last one. KUnit runs the cases
/// of a module one after the other.
static WS: Atomic<u32> = Atomic::new(0);
static W_IN_CALLBACK: Atomic<u32> = Atomic::new(0);

/// A UDP socket whose write-space callback counts.
pub(super) fn counting_sock() -> Result<TestSock> {
    let sock = TestSock::new()?;
    count_calls(&sock);
    Ok(sock)
}

/// Counts from now on.
fn count_calls(sock: &TestSock) {
    // SAFETY: Nobody else knows the socket.
    unsafe { (*sock.sk().as_ptr()).sk_write_space = Some(count) };
    WS.store(0, Relaxed);
}

/// # Safety
///
/// Called as `sk_write_space`.
unsafe extern "C" fn count(sk: *mut bindings::sock) {
    WS.add(1, Relaxed);
    // SAFETY: The caller holds a part of W during the callback.
    W_IN_CALLBACK.store(unsafe { Sock::from_raw(sk) }.wmem_alloc() + 1, Relaxed);
}

pub(super) fn ws() -> u32 {
    WS.load(Relaxed)
}

fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(32, 100, GFP_KERNEL)?;
    skb.put(100)?;
    Ok(skb)
}

/// A packet that is charged to `sock`.
fn charged(sock: &TestSock) -> Result<SkBuff> {
    let mut skb = packet()?;
    skb.set_owner_w(sock.sk());
    Ok(skb)
}

fn users(skb: &Skb) -> i32 {
    skb.raw().users.refs.counter
}

/// Whether the packet has no owner at all.
fn unowned(skb: &Skb) -> bool {
    // SAFETY: The packet is valid and in no TCP queue.
    let destructor = unsafe { skb.raw().__bindgen_anon_3.__bindgen_anon_1.destructor };
    skb.raw().sk.is_null() && destructor.is_none()
}

/// Sets a bit of `enum sock_flags`, as `sock_set_flag` does.
fn set_flag(sock: &TestSock, flag: bindings::sock_flags) {
    // SAFETY: Nobody else knows the socket.
    unsafe {
        (*sock.sk().as_ptr()).__sk_common.__bindgen_anon_5.skc_flags |= 1 << flag;
    }
}

/// Sets `sk_refcnt`: a test that makes it zero has to put it right again.
fn set_refcnt(sock: &TestSock, n: i32) {
    // SAFETY: Nobody else knows the socket.
    unsafe { (*sock.sk().as_ptr()).__sk_common.skc_refcnt.refs.counter = n };
}

/// `sk_state`: what `sk_fullsock` looks at.
pub(super) fn set_state(sock: &TestSock, state: u32) -> u32 {
    // SAFETY: Nobody else knows the socket.
    unsafe {
        let at = &raw mut (*sock.sk().as_ptr()).__sk_common.skc_state;
        at.replace(state as u8).into()
    }
}
