// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls for a family.

use super::{
    opt::{
        OptOut,
        OptVal, //
    },
    slock::SpinLocked,
    tsq::Tsq,
    Create,
    Family,
    Ioctl,
    LiveSocket,
    Protocol,
    RecvMsg,
    SendMsg,
    Shutdown,
    Socket, //
};
use crate::{
    bindings,
    net::Namespace,
    random, //
};
use core::{
    mem::MaybeUninit,
    ptr,
    slice, //
};
use kernel::{
    error::from_result,
    prelude::*,
    sync::atomic::Atomic,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// Size of `struct sockaddr_storage`, which the core provides for addresses.
const STORAGE: usize = size_of::<bindings::__kernel_sockaddr_storage>();

pub(super) fn proto<F: Family>(owner: *mut kernel::bindings::module) -> bindings::proto {
    // `proto_register` makes a cache with SLAB_HWCACHE_ALIGN, which promises this much.
    const {
        assert!(
            align_of::<Socket<F>>() <= bindings::L1_CACHE_BYTES_VALUE as usize,
            "the data of a socket asks for more than the alignment of a cache line"
        )
    };
    // SAFETY: Zeroes are valid for all fields.
    let mut proto: bindings::proto = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in proto.name.iter_mut().zip(F::NAME.to_bytes()).take(31) {
        *to = *from;
    }
    proto.owner = owner;
    proto.obj_size = size_of::<Socket<F>>() as c_uint;
    if F::HAS_RELEASE_CB {
        proto.release_cb = Some(release_cb::<F>);
    }
    if F::HAS_REHASH {
        proto.rehash = Some(rehash::<F>);
    }
    // No `memory_allocated`: `SkBuff::set_owner_r` relies on that, or it would need a lock.
    proto
}

pub(super) fn ops<F: Family>(
    owner: *mut kernel::bindings::module,
    family: i32,
) -> bindings::proto_ops {
    // SAFETY: Zeroes are valid for all fields.
    let mut ops: bindings::proto_ops = unsafe { MaybeUninit::zeroed().assume_init() };
    ops.family = family;
    ops.owner = owner;
    ops.release = Some(release::<F>);
    ops.bind = Some(bind::<F>);
    ops.connect = if F::HAS_CONNECT {
        Some(connect::<F>)
    } else {
        Some(bindings::sock_no_connect)
    };
    ops.socketpair = Some(bindings::sock_no_socketpair);
    ops.accept = Some(bindings::sock_no_accept);
    ops.getname = Some(getname::<F>);
    ops.poll = Some(bindings::datagram_poll);
    ops.ioctl = Some(ioctl::<F>);
    ops.gettstamp = Some(bindings::sock_gettstamp);
    ops.listen = Some(bindings::sock_no_listen);
    ops.shutdown = if F::HAS_SHUTDOWN {
        Some(shutdown::<F>)
    } else {
        Some(bindings::sock_no_shutdown)
    };
    if F::HAS_SETSOCKOPT {
        ops.setsockopt = Some(setsockopt::<F>);
    }
    if F::HAS_GETSOCKOPT {
        ops.getsockopt_iter = Some(getsockopt::<F>);
    }
    ops.sendmsg = Some(sendmsg::<F>);
    ops.recvmsg = Some(recvmsg::<F>);
    ops.mmap = Some(bindings::sock_no_mmap);
    ops
}

pub(super) fn family<F: Family>(
    owner: *mut kernel::bindings::module,
    family: i32,
) -> bindings::net_proto_family {
    bindings::net_proto_family {
        family,
        create: Some(create::<F>),
        owner,
    }
}

/// # Safety
///
/// Called by `socket(2)`, with a reference to the module held.
unsafe extern "C" fn create<F: Family>(
    net: *mut bindings::net,
    sock: *mut bindings::socket,
    protocol: c_int,
    kern: c_int,
) -> c_int {
    from_result(|| {
        let registered = F::protocol();
        let context = registered.begin().ok_or(EAFNOSUPPORT)?;
        // SAFETY: The socket is new, and the namespace valid.
        let args = unsafe {
            Create {
                net: Namespace::from_raw(net),
                kind: (*sock).type_.into(),
                protocol,
                kern: kern != 0,
            }
        };
        // SAFETY: The protocol is registered. The allocation is large enough for `Socket<F>`.
        let sk = unsafe {
            bindings::sk_alloc(
                net,
                (*registered.ops()).family,
                bindings::GFP_KERNEL_VALUE,
                registered.proto(),
                kern,
            )
        };
        if sk.is_null() {
            registered.freed();
            return Err(ENOBUFS);
        }
        // SAFETY: `sk` is new, and stays where it is. Whoever fails leaves nothing behind, so then
        // the memory is all there is to be freed.
        unsafe {
            let data = &raw mut (*sk.cast::<Socket<F>>()).data;
            if let Err(e) = pin_init::raw_try_init(data, F::create(context, &args)) {
                bindings::sk_free(sk);
                registered.freed();
                return Err(e);
            }
        }
        // SAFETY: `sk` is new. As its data is there the destructor may run.
        unsafe {
            (*sock).ops = registered.ops();
            bindings::sock_init_data(sock, sk);
            (&raw mut (*sk.cast::<Socket<F>>()).table).write(Atomic::new(ptr::null_mut()));
            (&raw mut (*sk.cast::<Socket<F>>()).tsq).write(Tsq::new());
            if F::HAS_WRITE_SPACE {
                registered.set_write_space((*sk).sk_write_space);
                (*sk).sk_write_space = Some(write_space::<F>);
            }
            (*sk).sk_destruct = Some(destruct::<F>);
            // As `sk_set_txhash`: not 0.
            (*sk).sk_txhash = random::get_u32().max(1);
            bindings::sock_set_rcu_free(sk);
            bindings::sock_prot_inuse_add(sk, 1);
        }
        if F::HAS_OPENED {
            // SAFETY: The socket is whole, and `sock` holds it.
            F::opened(unsafe { LiveSocket::from_raw(sk) });
        }
        Ok(0)
    })
}

/// # Safety
///
/// Called by `release_sock` for a socket of `F`, with its spinlock held.
unsafe extern "C" fn release_cb<F: Family>(sk: *mut bindings::sock) {
    // SAFETY: By the requirements of this function; the caller owns the socket and holds it.
    F::release_cb(&unsafe { SpinLocked::new(LiveSocket::from_raw(sk)) });
}

/// # Safety
///
/// Called as the write-space callback of a socket of `F`, whose memory somebody keeps.
unsafe extern "C" fn write_space<F: Family>(sk: *mut bindings::sock) {
    // SAFETY: By the requirements of this function.
    unsafe {
        F::write_space(Socket::from_raw(sk));
        if let Some(default) = Protocol::<F>::of(sk).write_space() {
            default(sk);
        }
    }
}

/// # Safety
///
/// Called by the core for a socket of `F` that the caller holds.
unsafe extern "C" fn rehash<F: Family>(sk: *mut bindings::sock) {
    // SAFETY: By the requirements of this function.
    F::rehash(unsafe { LiveSocket::from_raw(sk) });
}

/// Runs when the socket is freed, in softirq: no reference and no charged packet is left.
///
/// # Safety
///
/// Called once by the core for a socket of `F`.
unsafe extern "C" fn destruct<F: Family>(sk: *mut bindings::sock) {
    // SAFETY: Nobody else knows the socket any more. Packets that wait in its queues are charged to
    // it without holding it, so they have to go now.
    unsafe {
        bindings::skb_queue_purge(&raw mut (*sk).sk_receive_queue);
        bindings::skb_queue_purge(&raw mut (*sk).sk_error_queue);
        ptr::drop_in_place(&raw mut (*sk.cast::<Socket<F>>()).data);
        // Here and not in `release`: a closed socket whose packets are in flight still counts.
        bindings::sock_prot_inuse_add(sk, -1);
        Protocol::<F>::of(sk).freed();
    }
}

/// Returns the socket behind a `struct socket`.
///
/// # Safety
///
/// `sock` belongs to `F`, and the caller's reference to it lasts for `'a`.
#[inline(always)]
unsafe fn socket<'a, F: Family>(sock: *mut bindings::socket) -> &'a LiveSocket<F> {
    // SAFETY: By the requirements of this function; a `struct socket` that is not released holds a
    // reference.
    unsafe { LiveSocket::from_raw((*sock).sk) }
}

/// # Safety
///
/// Called by the core when the last file is closed; as all that follow, for a socket of `F`.
unsafe extern "C" fn release<F: Family>(sock: *mut bindings::socket) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe {
        let sk = (*sock).sk;
        if sk.is_null() {
            return 0;
        }
        F::release(LiveSocket::from_raw(sk));
        bindings::sock_orphan(sk);
        (*sock).sk = ptr::null_mut();
        bindings::skb_queue_purge(&raw mut (*sk).sk_receive_queue);
        bindings::sock_put(sk);
    }
    0
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn bind<F: Family>(
    sock: *mut bindings::socket,
    addr: *mut bindings::sockaddr_unsized,
    len: c_int,
) -> c_int {
    from_result(|| {
        let len = usize::try_from(len)?;
        // SAFETY: The core has copied that many bytes; the socket is of `F`.
        let (sk, addr) = unsafe {
            (
                socket::<F>(sock),
                slice::from_raw_parts(addr.cast::<u8>(), len.min(STORAGE)),
            )
        };
        F::bind(sk, addr).map(|()| 0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn connect<F: Family>(
    sock: *mut bindings::socket,
    addr: *mut bindings::sockaddr_unsized,
    len: c_int,
    _flags: c_int,
) -> c_int {
    from_result(|| {
        let len = usize::try_from(len)?;
        if len < size_of::<bindings::__kernel_sa_family_t>() {
            return Err(EINVAL);
        }
        // SAFETY: The core has copied that many bytes; the socket is of `F`.
        let (sk, addr) = unsafe {
            (
                socket::<F>(sock),
                slice::from_raw_parts(addr.cast::<u8>(), len.min(STORAGE)),
            )
        };
        F::connect(sk, addr).map(|()| 0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn shutdown<F: Family>(sock: *mut bindings::socket, how: c_int) -> c_int {
    from_result(|| {
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            2 => Shutdown::Both,
            _ => return Err(EINVAL),
        };
        // SAFETY: The socket is of `F`.
        F::shutdown(unsafe { socket::<F>(sock) }, how).map(|()| 0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn setsockopt<F: Family>(
    sock: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    len: c_uint,
) -> c_int {
    from_result(|| {
        // SAFETY: The value is that of this call; the socket is of `F`.
        let (sk, value) = unsafe { (socket::<F>(sock), OptVal::from_raw(value, len as usize)) };
        F::setsockopt(sk, level, name, value).map(|()| 0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn getsockopt<F: Family>(
    sock: *mut bindings::socket,
    level: c_int,
    name: c_int,
    opt: *mut bindings::sockopt_t,
) -> c_int {
    from_result(|| {
        // SAFETY: The option is that of this call; the socket is of `F`.
        let (sk, mut out) = unsafe { (socket::<F>(sock), OptOut::from_raw(opt)) };
        F::getsockopt(sk, level, name, &mut out).map(|()| 0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn getname<F: Family>(
    sock: *mut bindings::socket,
    addr: *mut bindings::sockaddr,
    peer: c_int,
) -> c_int {
    from_result(|| {
        // SAFETY: The core provides a `sockaddr_storage`; the socket is of `F`.
        let (sk, addr) = unsafe {
            addr.cast::<u8>().write_bytes(0, STORAGE);
            (
                socket::<F>(sock),
                slice::from_raw_parts_mut(addr.cast::<u8>(), STORAGE),
            )
        };
        Ok(F::getname(sk, addr, peer != 0)? as c_int)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn ioctl<F: Family>(
    sock: *mut bindings::socket,
    cmd: c_uint,
    arg: c_ulong,
) -> c_int {
    from_result(|| {
        let cmd = match cmd {
            bindings::SIOCOUTQ_VALUE => Ioctl::OutQ,
            bindings::SIOCINQ_VALUE => Ioctl::InQ,
            // The core goes on to ioctls of interfaces.
            _ => return Err(kernel::error::code::ENOIOCTLCMD),
        };
        // SAFETY: The socket is of `F`.
        let answer = F::ioctl(unsafe { socket::<F>(sock) }, cmd)? as c_int;
        UserSlice::new(UserPtr::from_addr(arg), size_of::<c_int>())
            .writer()
            .write(&answer)?;
        Ok(0)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn sendmsg<F: Family>(
    sock: *mut bindings::socket,
    msg: *mut bindings::msghdr,
    len: usize,
) -> c_int {
    from_result(|| {
        // SAFETY: The message is valid for this call; the socket is of `F`.
        let (sk, mut msg) = unsafe { (socket::<F>(sock), SendMsg::from_raw(msg, len)) };
        Ok(F::sendmsg(sk, &mut msg)? as c_int)
    })
}

/// # Safety
///
/// As `release`.
unsafe extern "C" fn recvmsg<F: Family>(
    sock: *mut bindings::socket,
    msg: *mut bindings::msghdr,
    len: usize,
    flags: c_int,
) -> c_int {
    from_result(|| {
        // SAFETY: The message is valid for this call; the socket is of `F`.
        let (sk, mut msg) = unsafe { (socket::<F>(sock), RecvMsg::from_raw(msg, len, flags)) };
        Ok(F::recvmsg(sk, &mut msg)? as c_int)
    })
}
