// SPDX-License-Identifier: GPL-2.0

//! Sockets, and families of sockets.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)
//!
//! # The send buffer
//!
//! `sk_wmem_alloc` counts the bytes of packets that are charged to a socket, and also keeps the
//! memory of the socket alive: it starts at 1, and the socket is freed when it comes to 0. A writer
//! may send as long as fewer than `sk_sndbuf` bytes are charged, so one packet may go beyond it.
//! When packets are released the socket's write-space callback wakes writers once less than half of
//! the buffer is in use.
//!
//! # Making a family
//!
//! 1. Implement [`Family`] for a type. Its associated type [`Family::Data`] is what each socket
//!    keeps; it lies behind the `struct sock`.
//! 2. Keep one `static` [`Protocol`] for it and return that from [`Family::protocol`].
//! 3. Keep a [`Registration`] in the module. While it lives `socket(2)` makes sockets of the
//!    family.
//!
//! Sockets of a family are freed by RCU (`SOCK_RCU_FREE`), so a packet handler may look one up in a
//! [`SockTable`] without taking a reference. Each socket pins the module, and so does each packet
//! that is charged to one.

mod family;
mod kern;
pub mod msg;
mod opt;
mod slock;
mod table;
pub mod tsq;
mod vtable;

#[cfg(CONFIG_KUNIT)]
pub(crate) mod testing;

pub use self::{
    family::{
        Create,
        Family,
        Ioctl,
        Protocol,
        Registration,
        Shutdown, //
    },
    kern::KernelSocket,
    msg::{
        RecvMsg,
        SendMsg,
        TxControl, //
    },
    opt::{
        OptOut,
        OptVal, //
    },
    slock::SpinLocked,
    table::{
        chains_for_memory,
        SockTable, //
    },
};

use crate::{
    bindings,
    net::Namespace,
    netdev::NetDevice,
    refcount::Refcount,
    skb::{
        linear_size,
        DropReason,
        PagedLayout,
        ReceivedSkb,
        SharedSkBuff,
        SkBuff,
        State,
        Unfilled, //
    },
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::Error,
    prelude::*,
    sync::atomic::Atomic,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// A socket of any family: `struct sock`, borrowed.
///
/// It may be on its way out: found under RCU, it may have no reference and no charge any more, so
/// nothing can be charged to it. See [`LiveSock`].
///
/// # Invariants
///
/// The memory of the socket is not freed while it is borrowed: somebody holds a reference or a
/// charge, or RCU is read-locked and the socket is freed by RCU.
#[repr(transparent)]
pub struct Sock(Opaque<bindings::sock>);

// SAFETY: The methods are those that C calls without the socket lock.
unsafe impl Sync for Sock {}

impl Sock {
    /// Borrows a socket from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::sock) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C knows.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// The namespace that the socket lives in: `sock_net`.
    #[inline]
    pub fn net(&self) -> &Namespace {
        // SAFETY: The socket is valid, and pins its namespace, by the type invariant.
        unsafe { Namespace::from_raw((*self.as_ptr()).__sk_common.skc_net.net) }
    }

    /// Bytes of packets that are charged to the send buffer: `sk_wmem_alloc_get`.
    #[inline]
    pub fn wmem_alloc(&self) -> u32 {
        // SAFETY: The socket is valid by the type invariant; read once, as `refcount_read` does.
        let raw =
            unsafe { (&raw const (*self.as_ptr()).sk_wmem_alloc.refs.counter).read_volatile() };
        // One is the socket's own.
        raw.wrapping_sub(1) as u32
    }

    /// Size of the send buffer in bytes: `sk_sndbuf`.
    #[inline]
    pub fn sndbuf(&self) -> u32 {
        // SAFETY: The socket is valid by the type invariant; read once, as READ_ONCE does.
        unsafe { (&raw const (*self.as_ptr()).sk_sndbuf).read_volatile() as u32 }
    }

    /// What SO_PRIORITY has set.
    #[inline]
    pub fn priority(&self) -> u32 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).sk_priority).read_volatile() }
    }

    /// What SO_MARK has set.
    #[inline]
    pub fn mark(&self) -> u32 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).sk_mark).read_volatile() }
    }

    /// The hash of what the socket sends, or 0: `sk_txhash`.
    #[inline]
    pub fn txhash(&self) -> u32 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).sk_txhash).read_volatile() }
    }

    /// The device that the socket is bound to, or 0: `sk_bound_dev_if`.
    #[inline]
    pub fn bound_dev_if(&self) -> i32 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_bound_dev_if).read_volatile() }
    }

    /// Sets the device that the socket is bound to; the caller holds the socket's lock.
    #[inline]
    fn set_bound_dev_if(&self, ifindex: i32) {
        // SAFETY: As in `sndbuf`; written once, as WRITE_ONCE does.
        unsafe { (&raw mut (*self.as_ptr()).__sk_common.skc_bound_dev_if).write_volatile(ifindex) };
    }

    /// Whether the program may send to everybody: what SO_BROADCAST has set.
    #[inline]
    pub fn broadcast(&self) -> bool {
        // SAFETY: As in `sndbuf`.
        let flags = unsafe {
            (&raw const (*self.as_ptr()).__sk_common.__bindgen_anon_5.skc_flags).read_volatile()
        };
        flags & (1 << bindings::sock_flags_SOCK_BROADCAST) != 0
    }

    /// The number of the socket's inode, as `/proc/PID/fd` shows it, or 0: `sock_i_ino`.
    pub fn inode(&self) -> u64 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).sk_ino).read_volatile() }
    }

    /// Packets that were not put into the receive queue: `sk_drops`.
    pub fn drops(&self) -> u32 {
        // SAFETY: The socket is valid by the type invariant.
        unsafe { bindings::sk_drops_read(self.as_ptr()) as u32 }
    }

    /// Counts a packet that was not put into the receive queue; [`Socket::queue_rcv_skb`] counts
    /// its own.
    ///
    /// C: [`sk_drops_inc`](srctree/include/net/sock.h)
    pub fn count_drop(&self) {
        // SAFETY: The socket is valid by the type invariant.
        unsafe { bindings::sk_drops_inc(self.as_ptr()) };
    }

    /// Reports an error: the next call that looks returns it, once, and who sleeps is woken.
    ///
    /// C: [`sk_error_report`](srctree/net/core/sock.c)
    pub fn report_error(&self, error: Error) {
        // SAFETY: The socket is valid by the type invariant; written once, as WRITE_ONCE does.
        unsafe {
            (&raw mut (*self.as_ptr()).sk_err).write_volatile(-error.to_errno());
            bindings::sk_error_report(self.as_ptr());
        }
    }

    /// References to the socket, from programs and packets that hold one: `sk_refcnt`.
    #[inline]
    pub(crate) fn refcnt(&self) -> &Refcount {
        // SAFETY: The socket is valid while it is borrowed.
        unsafe { Refcount::from_raw(&raw mut (*self.as_ptr()).__sk_common.skc_refcnt) }
    }

    /// Bytes of packets that are charged to the receive buffer: `sk_rmem_alloc_get`.
    #[inline]
    pub fn rmem_alloc(&self) -> u32 {
        // SAFETY: As in `sndbuf`.
        unsafe {
            (&raw const (*self.as_ptr()).sk_backlog.rmem_alloc.counter).read_volatile() as u32
        }
    }

    /// Size of the receive buffer in bytes: `sk_rcvbuf`.
    #[inline]
    pub fn rcvbuf(&self) -> u32 {
        // SAFETY: As in `sndbuf`.
        unsafe { (&raw const (*self.as_ptr()).sk_rcvbuf).read_volatile() as u32 }
    }

    /// # Safety
    ///
    /// The family of the socket expects packets of the caller's kind in its queue, and purges it
    /// before the socket is freed.
    unsafe fn queue_rcv<S: State>(
        &self,
        mut skb: SkBuff<S>,
        dev: Option<&NetDevice>,
        keep: usize,
    ) -> Result<(), (SkBuff<S>, DropReason)> {
        skb.set_dev(dev);
        let keep = keep.clamp(1, u16::MAX.into()) as c_uint;
        // SAFETY: The socket and the packet are valid, and the packet is ours alone.
        let reason = unsafe { bindings::sk_filter_trim_cap(self.as_ptr(), skb.as_ptr(), keep) };
        if reason != bindings::skb_drop_reason_SKB_NOT_DROPPED_YET {
            self.count_drop();
            return Err((skb, DropReason::from_raw(reason)));
        }
        let skb = skb.into_raw();
        // SAFETY: As above. On success the queue has the reference, on failure it is still ours.
        let error = unsafe { bindings::__sock_queue_rcv_skb(self.as_ptr(), skb.as_ptr()) };
        if error == 0 {
            return Ok(());
        }
        // SAFETY: As above. C has counted it.
        let skb = unsafe { SkBuff::from_raw(skb) };
        let reason = if error == ENOMEM.to_errno() {
            bindings::skb_drop_reason_SKB_DROP_REASON_SOCKET_RCVBUFF
        } else {
            bindings::skb_drop_reason_SKB_DROP_REASON_PROTO_MEM
        };
        Err((skb, DropReason::from_raw(reason)))
    }

    /// Bytes in the first packet of the receive queue, or 0: what SIOCINQ tells for datagrams.
    pub fn first_packet_len(&self) -> usize {
        // SAFETY: The socket is valid by the type invariant.
        unsafe {
            bindings::skb_queue_first_len(&raw mut (*self.as_ptr()).sk_receive_queue) as usize
        }
    }
}

/// A socket that somebody holds: its `sk_refcnt` is not zero, so packets can be charged to it.
///
/// # Invariants
///
/// As [`Sock`]; and somebody holds a reference for as long as it is borrowed.
#[repr(transparent)]
pub struct LiveSock(Sock);

impl LiveSock {
    /// Borrows a socket from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::sock) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// Allocates a packet that is charged to the send buffer from the beginning, with `headroom`
    /// bytes for headers and room for `size` behind them.
    ///
    /// Sleeps until the send buffer has room unless `dontwait`. Context: process, without the
    /// socket's lock.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is no room, at once or after SO_SNDTIMEO; `EINTR` or `ERESTARTSYS` for a
    /// signal; `EPIPE` after shutdown; the error that was reported to the socket; `EMSGSIZE` and
    /// `ENOBUFS` if there is no memory for that much.
    ///
    /// C: [`sock_alloc_send_skb`](srctree/include/net/sock.h)
    pub fn alloc_send_skb(&self, headroom: usize, size: usize, dontwait: bool) -> Result<SkBuff> {
        let total = linear_size(headroom, size).ok_or(EMSGSIZE)?;
        let skb = self.alloc_send(total as c_ulong, 0, 0, dontwait)?;
        // SAFETY: A new packet has one reference, and it was given to us; so is its buffer.
        let mut skb = unsafe { SkBuff::from_raw(skb) };
        skb.reserve_unchecked(headroom);
        Ok(skb)
    }

    /// As [`alloc_send_skb`](Self::alloc_send_skb), for a packet whose payload, or a part of it, is
    /// in pages. The charge counts each page whole.
    ///
    /// # Errors
    ///
    /// As there; `EMSGSIZE` also if MAX_SKB_FRAGS pages do not hold the paged part, `EINVAL` if no
    /// page has the order of `layout`.
    ///
    /// C: [`sock_alloc_send_pskb`](srctree/net/core/sock.c)
    pub fn alloc_send_pskb(&self, layout: &PagedLayout, dontwait: bool) -> Result<Unfilled> {
        let alloc = |linear, paged, order| self.alloc_send(linear, paged, order, dontwait);
        // SAFETY: That function makes packets with `alloc_skb_with_frags`.
        unsafe { Unfilled::alloc_by(layout, alloc) }
    }

    /// Allocates a packet of these sizes, which were checked.
    fn alloc_send(
        &self,
        linear: c_ulong,
        paged: c_ulong,
        order: c_int,
        dontwait: bool,
    ) -> Result<NonNull<bindings::sk_buff>> {
        let mut err = 0;
        // SAFETY: The socket is valid by the type invariant, and the caller may sleep. The size of
        // the linear part is that of a buffer, and the order that of a page.
        let skb = unsafe {
            bindings::sock_alloc_send_pskb(
                self.as_ptr(),
                linear,
                paged,
                dontwait.into(),
                &mut err,
                order,
            )
        };
        NonNull::new(skb).ok_or_else(|| Error::from_errno(err))
    }

    /// Takes the next packet out of the receive queue, or looks at it if `flags` have MSG_PEEK.
    ///
    /// The packet is charged to the receive buffer until it is given back, which has to be before
    /// the socket may go.
    ///
    /// Sleeps until there is one unless `flags` have MSG_DONTWAIT. Context: process.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EINTR` or `ERESTARTSYS`, the error that was reported to the socket.
    ///
    /// C: [`skb_recv_datagram`](srctree/net/core/datagram.c)
    #[inline]
    pub fn recv_datagram(&self, flags: u32) -> Result<Option<ReceivedSkb<'_>>> {
        let mut err = 0;
        // SAFETY: The socket is valid by the type invariant, and the caller may sleep.
        let skb = unsafe { bindings::skb_recv_datagram(self.as_ptr(), flags, &mut err) };
        match NonNull::new(skb) {
            // SAFETY: One reference was given to us, to a packet that is charged to this socket.
            Some(skb) => Ok(Some(unsafe {
                ReceivedSkb::new(SharedSkBuff::from_raw(skb), self)
            })),
            None if err == 0 => Ok(None),
            None => Err(Error::from_errno(err)),
        }
    }

    /// Takes the socket's lock, which serialises calls from user space: `lock_sock`.
    ///
    /// Context: process; sleeps.
    pub fn lock(&self) -> SockGuard<'_> {
        // SAFETY: The socket is valid by the type invariant.
        unsafe { bindings::lock_sock(self.as_ptr()) };
        SockGuard(self, NotThreadSafe)
    }
}

impl Deref for LiveSock {
    type Target = Sock;

    #[inline(always)]
    fn deref(&self) -> &Sock {
        &self.0
    }
}

/// The lock of a socket, held. It belongs to the task that has taken it, and cannot be handed to
/// another one.
#[must_use]
pub struct SockGuard<'a>(&'a LiveSock, NotThreadSafe);

impl SockGuard<'_> {
    /// Binds the socket to a device; 0 unbinds it.
    pub fn bind_to_device(&mut self, ifindex: i32) {
        self.0.set_bound_dev_if(ifindex);
    }

    /// Ends receiving, sending or both, and wakes who sleeps.
    ///
    /// From then on [`LiveSock::recv_datagram`] returns nothing once the queue is empty,
    /// [`LiveSock::alloc_send_skb`] fails with `EPIPE`, and poll says so.
    pub fn shutdown(&mut self, how: Shutdown) {
        let mask = match how {
            Shutdown::Read => bindings::RCV_SHUTDOWN,
            Shutdown::Write => bindings::SEND_SHUTDOWN,
            Shutdown::Both => bindings::SHUTDOWN_MASK,
        };
        let sk = self.0.as_ptr();
        // SAFETY: The socket is valid, and we hold its lock; written once, as WRITE_ONCE does. The
        // callback was set when the socket was made.
        unsafe {
            let shutdown = &raw mut (*sk).sk_shutdown;
            shutdown.write_volatile(shutdown.read() | mask as u8);
            if let Some(state_change) = (*sk).sk_state_change {
                state_change(sk);
            }
        }
    }
}

impl Drop for SockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock was taken when the guard was made.
        unsafe { bindings::release_sock(self.0.as_ptr()) };
    }
}

/// A socket of one family, with its data behind the `struct sock`.
///
/// # Invariants
///
/// As [`Sock`]; and `data` is initialised. `table` is null, or where the [`SockTable`] is that the
/// socket is in; it changes under the lock of that table.
#[repr(C)]
pub struct Socket<F: Family> {
    sk: Sock,
    table: Atomic<*mut c_void>,
    tsq: tsq::Tsq,
    data: F::Data,
}

impl<F: Family> Socket<F> {
    /// Borrows a socket from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::sock) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function: `sk` is the first field.
        unsafe { &*ptr.cast() }
    }

    /// Puts a packet that `dev` has received into the receive queue, charged to the receive buffer,
    /// and wakes readers. Filters of the socket may ask for the device; it is forgotten after that.
    /// They may also cut the packet, down to `keep` bytes: what the family has checked and will
    /// read, its header.
    ///
    /// Context: any but hard interrupt.
    ///
    /// # Errors
    ///
    /// Gives the packet back with the reason why it has to be dropped: the buffer is full, or a
    /// socket filter does not want it. It is [counted](Sock::drops).
    ///
    /// C: [`sk_filter_trim_cap`](srctree/net/core/filter.c),
    /// [`__sock_queue_rcv_skb`](srctree/net/core/sock.c)
    pub fn queue_rcv_skb<S: State>(
        &self,
        skb: SkBuff<S>,
        dev: &NetDevice,
        keep: usize,
    ) -> Result<(), (SkBuff<S>, DropReason)> {
        // SAFETY: The socket is of `F`, whose code the caller is. `vtable` purges the queue.
        unsafe { self.queue_rcv(skb, Some(dev), keep) }
    }

    /// What the family keeps for the socket.
    #[inline(always)]
    pub fn data(&self) -> &F::Data {
        &self.data
    }
}

impl<F: Family> Deref for Socket<F> {
    type Target = Sock;

    #[inline(always)]
    fn deref(&self) -> &Sock {
        &self.sk
    }
}

/// A socket of one family that somebody holds: what the calls of a program get.
///
/// # Invariants
///
/// As [`Socket`] and [`LiveSock`].
#[repr(transparent)]
pub struct LiveSocket<F: Family>(Socket<F>);

impl<F: Family> LiveSocket<F> {
    /// Borrows a socket from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the type invariants for the whole of `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::sock) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// The socket without its family, for what only a live one can do.
    #[inline(always)]
    pub fn live(&self) -> &LiveSock {
        // SAFETY: By the type invariant; `Socket` begins with the `struct sock`.
        unsafe { LiveSock::from_raw(self.as_ptr()) }
    }
}

impl<F: Family> Deref for LiveSocket<F> {
    type Target = Socket<F>;

    #[inline(always)]
    fn deref(&self) -> &Socket<F> {
        &self.0
    }
}
