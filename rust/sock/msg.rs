// SPDX-License-Identifier: GPL-2.0

//! Messages between a program and a socket: `struct msghdr`.
//!
//! C header: [`include/linux/socket.h`](srctree/include/linux/socket.h)

use super::{
    LiveSock,
    Sock, //
};
use crate::{
    bindings,
    skb::{
        SkBuff, //
        Skb,
    },
};
use core::slice;
use kernel::{
    error::to_result,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// Flags of `sendmsg(2)` and `recvmsg(2)`.
pub mod flags {
    use crate::bindings;

    /// Do not sleep.
    pub const DONTWAIT: u32 = bindings::MSG_DONTWAIT;
    /// Out-of-band data.
    pub const OOB: u32 = bindings::MSG_OOB;
    /// Look, and leave it in the queue.
    pub const PEEK: u32 = bindings::MSG_PEEK;
    /// Return the length of the packet even if the buffer is shorter.
    pub const TRUNC: u32 = bindings::MSG_TRUNC;
    /// Take a packet from the error queue.
    pub const ERRQUEUE: u32 = bindings::MSG_ERRQUEUE;
}

/// A message that a program sends.
///
/// # Invariants
///
/// The message is that of a running `sendmsg`.
pub struct SendMsg<'a> {
    msg: &'a mut bindings::msghdr,
    len: usize,
}

impl<'a> SendMsg<'a> {
    /// # Safety
    ///
    /// `msg` is the message of a running `sendmsg`, and nobody else uses it for `'a`.
    pub(super) unsafe fn from_raw(msg: *mut bindings::msghdr, len: usize) -> Self {
        // SAFETY: By the requirements of this function.
        let msg = unsafe { &mut *msg };
        // INVARIANT: That is what the caller promises.
        Self { msg, len }
    }

    /// Bytes to send.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The [flags] of the call.
    #[inline]
    pub fn flags(&self) -> u32 {
        self.msg.msg_flags
    }

    /// Whether the program has passed control messages.
    #[inline]
    pub fn has_control(&self) -> bool {
        self.msg.msg_controllen != 0
    }

    /// Reads what the program asks for besides sending: the defaults of the socket, and the control
    /// messages of the core (`SO_MARK`, `SO_PRIORITY`, `SO_TIMESTAMPING`, `SCM_TXTIME`). Messages
    /// of other levels are left alone.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a message of `SOL_SOCKET` that is not known or not whole, `EPERM`.
    ///
    /// C: [`sock_cmsg_send`](srctree/net/core/sock.c), `sockcm_init`
    #[inline]
    pub fn control(&mut self, sk: &LiveSock) -> Result<TxControl> {
        // SAFETY: The socket is valid; the fields are read once each, as READ_ONCE does.
        let tsflags = unsafe { (&raw const (*sk.as_ptr()).sk_tsflags).read_volatile() };
        let mut cookie = bindings::sockcm_cookie {
            transmit_time: 0,
            mark: sk.mark(),
            tsflags,
            ts_opt_id: 0,
            priority: sk.priority(),
            dmabuf_id: 0,
        };
        if self.has_control() {
            // SAFETY: All three are valid, and the message is that of a running `sendmsg`.
            to_result(unsafe { bindings::sock_cmsg_send(sk.as_ptr(), self.msg, &mut cookie) })?;
        }
        Ok(TxControl(cookie))
    }

    /// The destination, as the program has passed it, or `None`.
    #[inline]
    pub fn name(&self) -> Option<&[u8]> {
        if self.msg.msg_name.is_null() {
            return None;
        }
        // SAFETY: The core has copied that many bytes.
        Some(unsafe {
            slice::from_raw_parts(self.msg.msg_name.cast(), self.msg.msg_namelen as usize)
        })
    }

    /// The bytes.
    #[inline]
    pub fn data(&mut self) -> &mut IovIterSource<'a> {
        // SAFETY: The iterator of a `sendmsg` is a source.
        unsafe { IovIterSource::from_raw(&raw mut self.msg.msg_iter) }
    }
}

/// What a program asks of the packet that it sends: `struct sockcm_cookie`.
pub struct TxControl(bindings::sockcm_cookie);

impl SkBuff {
    /// Writes down what the program asks for: mark and priority.
    #[inline]
    pub fn set_tx_control(&mut self, control: &TxControl) {
        self.set_priority(control.0.priority);
        self.set_mark(control.0.mark);
    }

    /// Writes down what the program asks for: time of departure, time stamps.
    ///
    /// Time stamps are reported to the socket that the packet is charged to; an identifier is taken
    /// from `sk`. A program counts what it has sent, so this comes last, when the packet is about
    /// to be given to the device.
    ///
    /// C: [`skb_setup_tx_timestamp`](srctree/include/net/sock.h),
    /// `skb_set_delivery_type_by_clockid`
    #[inline]
    pub fn set_tx_time(&mut self, control: &TxControl, sk: &LiveSock) {
        let TxControl(cookie) = control;
        if cookie.tsflags != 0 || cookie.transmit_time != 0 {
            // SAFETY: All three are valid, and nobody else knows the packet.
            unsafe { bindings::skb_set_tx_time(self.as_ptr(), sk.as_ptr(), cookie) };
        }
    }
}

/// A message that a program receives.
///
/// # Invariants
///
/// The message is that of a running `recvmsg`.
pub struct RecvMsg<'a> {
    msg: &'a mut bindings::msghdr,
    len: usize,
    flags: u32,
}

impl<'a> RecvMsg<'a> {
    /// # Safety
    ///
    /// `msg` is the message of a running `recvmsg`, and nobody else uses it for `'a`.
    pub(super) unsafe fn from_raw(msg: *mut bindings::msghdr, len: usize, flags: c_int) -> Self {
        // SAFETY: By the requirements of this function.
        let msg = unsafe { &mut *msg };
        // INVARIANT: That is what the caller promises.
        Self {
            msg,
            len,
            flags: flags as u32,
        }
    }

    /// Room in the program's buffer, in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The [flags] of the call.
    #[inline]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Tells the program that the packet was longer than its buffer.
    pub fn set_truncated(&mut self) {
        self.msg.msg_flags |= bindings::MSG_TRUNC;
    }

    /// Whether the program wants to know where the packet came from.
    #[inline]
    pub fn wants_name(&self) -> bool {
        !self.msg.msg_name.is_null()
    }

    /// Tells the program where the packet came from, if it wants to know.
    pub fn set_name(&mut self, addr: &[u8]) {
        const STORAGE: usize = size_of::<bindings::__kernel_sockaddr_storage>();

        if !self.wants_name() {
            return;
        }
        let len = addr.len().min(STORAGE);
        // SAFETY: The core provides a `sockaddr_storage`.
        unsafe { self.msg.msg_name.cast::<u8>().copy_from(addr.as_ptr(), len) };
        self.msg.msg_namelen = len as c_int;
    }

    /// Adds the control messages that any packet may have: time stamp, drop count, mark, ...
    ///
    /// C: [`sock_recv_cmsgs`](srctree/include/net/sock.h)
    #[inline]
    pub fn set_cmsgs(&mut self, sk: &Sock, skb: &Skb) {
        // SAFETY: All three are valid.
        unsafe { bindings::sock_recv_cmsgs(self.msg, sk.as_ptr(), skb.as_ptr()) };
    }

    /// Receives the first packet of the error queue, with a control message of this level and type
    /// that has a `struct sock_extended_err`. Returns how many bytes there are. Never sleeps.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is none, `EFAULT`.
    ///
    /// C: [`sock_recv_errqueue`](srctree/net/core/sock.c)
    pub fn recv_errqueue(&mut self, sk: &LiveSock, level: i32, kind: i32) -> Result<usize> {
        let len = self.len.min(c_int::MAX as usize) as c_int;
        // SAFETY: Both are valid, and the message is that of a running `recvmsg`.
        let copied =
            unsafe { bindings::sock_recv_errqueue(sk.as_ptr(), self.msg, len, level, kind) };
        usize::try_from(copied).map_err(|_| Error::from_errno(copied))
    }

    /// Where the bytes go.
    #[inline]
    pub fn data(&mut self) -> &mut IovIterDest<'a> {
        // SAFETY: The iterator of a `recvmsg` is a destination.
        unsafe { IovIterDest::from_raw(&raw mut self.msg.msg_iter) }
    }
}
