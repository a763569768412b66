// SPDX-License-Identifier: GPL-2.0

//! A family of sockets with a destructor of its own, in the slot of one that is gone.

use crate::{
    bindings,
    skb::{
        Destructor,
        DestructorFn,
        WmemRef, //
    },
    sock::{
        testing::TestSock,
        Create,
        Family,
        Ioctl,
        LiveSocket,
        Protocol,
        RecvMsg,
        Registration,
        SendMsg, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
    ModuleMetadata,
    ThisModule, //
};

/// The calls of the destructor, the bytes and W in the last one.
static CALLS: Atomic<u32> = Atomic::new(0);
static BYTES: Atomic<u32> = Atomic::new(0);
static W: Atomic<u32> = Atomic::new(0);
/// Sockets that were freed.
static FREED: Atomic<u32> = Atomic::new(0);
/// The destructor is to keep its reference, here.
static KEEP: Atomic<u32> = Atomic::new(0);
static KEPT: Atomic<*mut c_void> = Atomic::new(ptr::null_mut());

static MODULE: ThisModule = <crate::Knet as ModuleMetadata>::THIS_MODULE;
static PROTOCOL: Protocol<TestFamily> = Protocol::new();

pub(super) struct TestFamily;

/// What a socket keeps: it counts that it was freed.
pub(super) struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        FREED.add(1u32, Relaxed);
    }
}

#[vtable]
impl Family for TestFamily {
    type Data = Data;
    type Context = ();

    const NAME: &'static CStr = c"KNET-TEST";

    fn protocol() -> &'static Protocol<Self> {
        &PROTOCOL
    }

    fn create(_context: &(), _args: &Create<'_>) -> impl PinInit<Data, Error> {
        Ok(Data)
    }

    fn release(_sk: &LiveSocket<Self>) {}

    fn bind(_sk: &LiveSocket<Self>, _addr: &[u8]) -> Result {
        Err(EOPNOTSUPP)
    }

    fn getname(_sk: &LiveSocket<Self>, _addr: &mut [u8], _peer: bool) -> Result<usize> {
        Err(EOPNOTSUPP)
    }

    fn sendmsg(_sk: &LiveSocket<Self>, _msg: &mut SendMsg<'_>) -> Result<usize> {
        Err(EOPNOTSUPP)
    }

    fn recvmsg(_sk: &LiveSocket<Self>, _msg: &mut RecvMsg<'_>) -> Result<usize> {
        Err(EOPNOTSUPP)
    }

    fn ioctl(_sk: &LiveSocket<Self>, _cmd: Ioctl) -> Result<u32> {
        Err(EOPNOTSUPP)
    }
}

impl Destructor for TestFamily {
    const DESTRUCTOR: DestructorFn<Self> = crate::skb_destructor!(knet_test_wfree: TestFamily);

    fn wfree(sk: WmemRef<Self>, bytes: u32) {
        CALLS.add(1u32, Relaxed);
        BYTES.store(bytes, Relaxed);
        W.store(sk.wmem_alloc() + 1, Relaxed);
        if KEEP.load(Relaxed) != 0 {
            KEPT.store(sk.into_raw().as_ptr().cast(), Relaxed);
        } else {
            sk.write_space();
        }
    }
}

/// Registers the family and counts from zero. The sockets have to go before the registration.
pub(super) fn register() -> Result<Registration<TestFamily>> {
    for counter in [&CALLS, &BYTES, &W, &FREED, &KEEP] {
        counter.store(0, Relaxed);
    }
    Registration::register(&MODULE, bindings::AF_ECONET as i32, ())
}

/// Calls of the destructor, and the bytes and W in the last one.
pub(super) fn calls() -> (u32, u32, u32) {
    (CALLS.load(Relaxed), BYTES.load(Relaxed), W.load(Relaxed))
}

/// Sockets that were freed, after those that RCU is still freeing.
pub(super) fn freed() -> u32 {
    // SAFETY: The tests may sleep.
    unsafe { bindings::rcu_barrier() };
    FREED.load(Relaxed)
}

/// From now on the destructor keeps its reference.
pub(super) fn keep() {
    KEEP.store(1, Relaxed);
}

/// What the destructor has kept.
pub(super) fn kept() -> Option<WmemRef<TestFamily>> {
    let sk = NonNull::new(KEPT.xchg(ptr::null_mut(), Full).cast())?;
    // SAFETY: It came out of such a reference, and the slot is empty now.
    Some(unsafe { WmemRef::from_raw(sk) })
}

/// References to the module that the family belongs to.
pub(super) fn module_refcount() -> i32 {
    // SAFETY: The module is there: this is a part of it.
    unsafe { bindings::module_refcount(MODULE.as_ptr()) }
}

/// A socket of the family.
pub(super) struct TestSocket(TestSock);

impl TestSocket {
    pub(super) fn open(_family: &Registration<TestFamily>) -> Result<Self> {
        Ok(Self(TestSock::open(bindings::AF_ECONET, 0)?))
    }

    pub(super) fn sock(&self) -> &TestSock {
        &self.0
    }

    pub(super) fn live(&self) -> &LiveSocket<TestFamily> {
        // SAFETY: It was made by the family, and lives as long as `self`.
        unsafe { LiveSocket::from_raw(self.0.sk().as_ptr()) }
    }
}
