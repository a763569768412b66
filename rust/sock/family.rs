// SPDX-License-Identifier: GPL-2.0

//! A family of sockets and its registration: `struct proto`, `struct proto_ops`,
//! `struct net_proto_family`.

use super::{
    opt::{
        OptOut,
        OptVal, //
    },
    slock::SpinLocked,
    vtable,
    LiveSocket,
    RecvMsg,
    SendMsg,
    Socket, //
};
use crate::{
    bindings,
    net::Namespace, //
};
use core::{
    marker::PhantomData,
    pin::Pin, //
};
use kernel::{
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    str::CStr,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque,
    ThisModule, //
};

/// What `socket(2)` asks for.
pub struct Create<'a> {
    /// The namespace of the new socket.
    pub net: &'a Namespace,
    /// `SOCK_DGRAM` and so on.
    pub kind: i32,
    /// The third argument.
    pub protocol: i32,
    /// The kernel asks, not a program.
    pub kern: bool,
}

/// A question that ioctl asks and an integer answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ioctl {
    /// SIOCOUTQ: bytes that were sent and not released yet.
    OutQ,
    /// SIOCINQ: bytes that can be received at once.
    InQ,
}

/// What `shutdown(2)` ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// `SHUT_RD`
    Read,
    /// `SHUT_WR`
    Write,
    /// `SHUT_RDWR`
    Both,
}

/// A family of datagram sockets. All callbacks that do not say otherwise run in process context and
/// may sleep; none holds the socket's lock unless it takes it, but for [`rehash`](Family::rehash).
///
/// A callback that is left out is not supported: the call fails with `EOPNOTSUPP`.
#[vtable]
pub trait Family: Sized + 'static {
    /// What each socket keeps. It is dropped when the socket is freed: after the last reference and
    /// the last charged packet are gone, in softirq.
    type Data: Send + Sync;

    /// What all sockets of the family share.
    type Context: Send + Sync;

    /// The name in `/proc/net/protocols`.
    const NAME: &'static CStr;

    /// Returns the `static` that belongs to this family, the same each time.
    fn protocol() -> &'static Protocol<Self>;

    /// A socket is made. Returns what makes its data, which is used once.
    ///
    /// # Errors
    ///
    /// `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`, `EPERM`.
    fn create(context: &Self::Context, args: &Create<'_>) -> impl PinInit<Self::Data, Error>;

    /// A socket was made, and can be put where others find it.
    fn opened(_sk: &LiveSocket<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The last file of the socket was closed. When this returns nobody finds the socket any more.
    fn release(sk: &LiveSocket<Self>);

    /// `bind(2)`: `addr` is what the program has passed.
    fn bind(sk: &LiveSocket<Self>, addr: &[u8]) -> Result;

    /// A program has bound the socket to another device, or to none: SO_BINDTODEVICE. The socket's
    /// lock is held. Whatever finds sockets by their device has to follow.
    fn rehash(_sk: &LiveSocket<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `connect(2)`: `addr` is what the program has passed, two bytes at least. With the family
    /// `AF_UNSPEC` in them the socket is not connected any more.
    fn connect(_sk: &LiveSocket<Self>, _addr: &[u8]) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `shutdown(2)`.
    fn shutdown(_sk: &LiveSocket<Self>, _how: Shutdown) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `setsockopt(2)` of another level than `SOL_SOCKET`.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT` for an option that is not known.
    fn setsockopt(_sk: &LiveSocket<Self>, _level: i32, _name: i32, _value: OptVal<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `getsockopt(2)` of another level than `SOL_SOCKET`.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT` for an option that is not known.
    fn getsockopt(
        _sk: &LiveSocket<Self>,
        _level: i32,
        _name: i32,
        _out: &mut OptOut<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `getsockname(2)`, or `getpeername(2)` if `peer`: writes the address and returns its length.
    fn getname(sk: &LiveSocket<Self>, addr: &mut [u8], peer: bool) -> Result<usize>;

    /// `sendmsg(2)` and its relatives: returns how many bytes were sent.
    fn sendmsg(sk: &LiveSocket<Self>, msg: &mut SendMsg<'_>) -> Result<usize>;

    /// `recvmsg(2)` and its relatives: returns what the call returns.
    fn recvmsg(sk: &LiveSocket<Self>, msg: &mut RecvMsg<'_>) -> Result<usize>;

    /// Whoever owned the socket lets go of it: what others have left to do because of that is to be
    /// done. Called with the spinlock held and bottom halves disabled; must not sleep.
    fn release_cb(_sk: &SpinLocked<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A packet that was charged to the send buffer by `sock_wfree` was released, or the send
    /// buffer has grown. Writers are woken after this. The socket may be closed.
    ///
    /// Context: any but hard interrupt; perhaps with the lock of a transmit queue held, so nothing
    /// may be sent from here.
    fn write_space(_sk: &Socket<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `ioctl(2)`.
    fn ioctl(sk: &LiveSocket<Self>, cmd: Ioctl) -> Result<u32>;
}

/// A write-space callback as C knows it.
type WriteSpace = unsafe extern "C" fn(*mut bindings::sock);

/// What C knows of a family: a `static` of the driver.
///
/// # Invariants
///
/// `proto` and `ops` do not change while `taken` is not 0. `context` is null, or points to the
/// context in a live [`Registration`], which has both registered. `sockets` is at least the number
/// of sockets of the family. `write_space` is 0 or such a callback.
#[repr(C)]
pub struct Protocol<F: Family> {
    proto: Opaque<bindings::proto>,
    ops: Opaque<bindings::proto_ops>,
    family: Opaque<bindings::net_proto_family>,
    /// Somebody registers it, or has.
    taken: Atomic<u32>,
    /// Sockets that there are, and those that are being made.
    sockets: Atomic<u32>,
    /// The write-space callback of the core, of which no module knows the name.
    write_space: Atomic<usize>,
    context: Atomic<*mut c_void>,
    _family: PhantomData<F>,
}

// SAFETY: What is in there is made for all CPUs; it changes only while it is not registered.
unsafe impl<F: Family> Sync for Protocol<F> {}

impl<F: Family> Protocol<F> {
    /// Makes one that is not registered.
    pub const fn new() -> Self {
        Self {
            proto: Opaque::zeroed(),
            ops: Opaque::zeroed(),
            family: Opaque::zeroed(),
            taken: Atomic::new(0),
            sockets: Atomic::new(0),
            write_space: Atomic::new(0),
            context: Atomic::new(core::ptr::null_mut()),
            _family: PhantomData,
        }
    }

    pub(super) fn proto(&self) -> *mut bindings::proto {
        self.proto.get()
    }

    pub(super) fn ops(&self) -> *const bindings::proto_ops {
        self.ops.get()
    }

    /// Begins to make a socket: returns what the sockets share, or `None` if the family is not
    /// registered. There is a socket from here on, until [`freed`](Self::freed) is called.
    pub(super) fn begin(&self) -> Option<&F::Context> {
        // INVARIANT: Counted before there is one. Either the end of the registration sees it and
        // waits, or what follows sees that end.
        self.sockets.fetch_add(1, Full);
        // SAFETY: By the type invariant; the registration does not end before the socket does.
        let context = unsafe { self.context.load(Acquire).cast::<F::Context>().as_ref() };
        if context.is_none() {
            self.freed();
        }
        context
    }

    /// Returns the one that a socket was made of.
    ///
    /// # Safety
    ///
    /// `sk` is a socket of `F`.
    pub(super) unsafe fn of<'a>(sk: *const bindings::sock) -> &'a Self {
        // SAFETY: By the requirements of this function; `proto` is the first field. It is static.
        unsafe { &*(*sk).sk_prot_creator.cast::<Self>() }
    }

    /// Remembers the write-space callback that the core has set.
    pub(super) fn set_write_space(&self, callback: Option<WriteSpace>) {
        // INVARIANT: It is 0 or such a function.
        self.write_space
            .store(callback.map_or(0, |callback| callback as usize), Relaxed);
    }

    pub(super) fn write_space(&self) -> Option<WriteSpace> {
        // SAFETY: A function pointer that is 0 is `None`, and others were such functions.
        unsafe { core::mem::transmute::<usize, Option<WriteSpace>>(self.write_space.load(Relaxed)) }
    }

    /// A socket is no more, but for its memory.
    pub(super) fn freed(&self) {
        self.sockets.fetch_sub(1, Release);
    }
}

impl<F: Family> Default for Protocol<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// The registration of a family. Keep it in the module: dropped, no socket can be made any more.
/// The drop waits for the sockets that there are; a module with sockets is not unloaded, so there
/// are none then.
///
/// # Invariants
///
/// `protocol` is registered under the number `family`.
#[pin_data(PinnedDrop)]
pub struct Registration<F: Family> {
    family: i32,
    protocol: &'static Protocol<F>,
    context: Pin<KBox<F::Context>>,
}

// SAFETY: The lists of protocols and families have their own locks; the context is shared.
unsafe impl<F: Family> Send for Registration<F> {}
// SAFETY: As above.
unsafe impl<F: Family> Sync for Registration<F> {}

impl<F: Family> Registration<F> {
    /// Registers the family under the number `family`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such number; `EEXIST` if another family has it; `EBUSY` if this one
    /// is registered already; `ENOBUFS`, `ENOMEM`.
    ///
    /// C: [`sock_register`](srctree/net/socket.c), `proto_register`
    pub fn register(module: &'static ThisModule, family: i32, context: F::Context) -> Result<Self> {
        if !(1..bindings::AF_MAX as i32).contains(&family) {
            return Err(EINVAL);
        }
        let protocol = F::protocol();
        let context = KBox::pin(context, GFP_KERNEL)?;
        let ptr: *const F::Context = &*context;
        // Whoever comes second must not write to what the first one has registered.
        if protocol.taken.cmpxchg(0, 1, Full).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: Nothing is registered, so nobody reads them.
        let registered = unsafe {
            protocol
                .proto
                .get()
                .write(vtable::proto::<F>(module.as_ptr()));
            protocol
                .ops
                .get()
                .write(vtable::ops::<F>(module.as_ptr(), family));
            protocol
                .family
                .get()
                .write(vtable::family::<F>(module.as_ptr(), family));
            Self::add(protocol)
        };
        if let Err(e) = registered {
            protocol.taken.store(0, Release);
            return Err(e);
        }
        // INVARIANT: Both are registered. Not before: a socket of a family whose `protocol` returns
        // one `static` and then another would use what failed to register. Who asks for one in
        // between hears that there is no such family yet.
        protocol
            .context
            .store(ptr.cast_mut().cast::<c_void>(), Release);
        // INVARIANT: It is registered.
        Ok(Self {
            family,
            protocol,
            context,
        })
    }

    /// # Safety
    ///
    /// The protocol is filled in, and not registered.
    unsafe fn add(protocol: &'static Protocol<F>) -> Result {
        // SAFETY: By the requirements of this function; the protocol is static.
        unsafe {
            to_result(bindings::proto_register(protocol.proto.get(), 1))?;
            let result = to_result(bindings::sock_register(protocol.family.get()));
            if result.is_err() {
                bindings::proto_unregister(protocol.proto.get());
            }
            result
        }
    }

    /// What the sockets of the family share.
    pub fn context(&self) -> &F::Context {
        &self.context
    }
}

#[pinned_drop]
impl<F: Family> PinnedDrop for Registration<F> {
    fn drop(self: Pin<&mut Self>) {
        let protocol = self.protocol;
        // SAFETY: It is registered by the type invariant.
        unsafe { bindings::sock_unregister(self.family) };
        // No more sockets. The barrier is that of `Protocol::begin`.
        protocol.context.xchg(core::ptr::null_mut(), Full);
        while protocol.sockets.load(Acquire) != 0 {
            fsleep(Delta::from_millis(1));
        }
        // SAFETY: No socket is left; the barrier waits for those that RCU is still freeing. A
        // destructor of the family has given the last byte back before its socket could go, but the
        // task may have been preempted on the way out of the module: that is what is waited for
        // after it.
        unsafe {
            bindings::rcu_barrier();
            bindings::synchronize_rcu_tasks();
            bindings::proto_unregister(protocol.proto.get());
        }
        protocol.taken.store(0, Release);
    }
}
