// SPDX-License-Identifier: GPL-2.0

use super::{
    super::{
        testing::TestSock,
        Create,
        Ioctl,
        Protocol,
        RecvMsg,
        Registration,
        SendMsg, //
    },
    *, //
};
use crate::{
    bh,
    skb::{
        DestructorFn,
        SkBuff, //
    },
};
use kernel::{
    prelude::*,
    str::CStr,
    ModuleMetadata,
    ThisModule, //
};

/// How often a socket was told to send on, and W then.
static WRITES: Atomic<u32> = Atomic::new(0);
static W: Atomic<u32> = Atomic::new(0);
/// Packets whose destructor has been called, and those that are just in it.
static RELEASED: Atomic<u32> = Atomic::new(0);
static INSIDE: Atomic<u32> = Atomic::new(0);
/// Sockets that were told to send on inside a destructor.
static NESTED: Atomic<u32> = Atomic::new(0);
/// Sockets that were freed.
static FREED: Atomic<u32> = Atomic::new(0);

static MODULE: ThisModule = <crate::Knet as ModuleMetadata>::THIS_MODULE;
static PROTOCOL: Protocol<Small> = Protocol::new();

/// A family with small queues.
struct Small;

struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        FREED.add(1u32, Relaxed);
    }
}

#[vtable]
impl Family for Small {
    type Data = Data;
    type Context = ();

    const NAME: &'static CStr = c"KNET-TSQ";

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

    fn release_cb(sk: &SpinLocked<'_, Self>) {
        release_cb(sk);
    }

    fn write_space(sk: &Socket<Self>) {
        kick(sk);
    }
}

impl Destructor for Small {
    const DESTRUCTOR: DestructorFn<Self> = crate::skb_destructor!(knet_test_tsq_wfree: Small);

    fn wfree(sk: WmemRef<Self>, _bytes: u32) {
        INSIDE.add(1u32, Relaxed);
        RELEASED.add(1u32, Relaxed);
        wfree(sk);
        INSIDE.fetch_sub(1u32, Relaxed);
    }
}

impl SmallQueues for Small {
    fn tsq_write(sk: &SpinLocked<'_, Self>) {
        if INSIDE.load(Relaxed) != 0 {
            NESTED.add(1u32, Relaxed);
        }
        W.store(sk.wmem_alloc() + 1, Relaxed);
        WRITES.add(1u32, Relaxed);
    }
}

/// The family, counting from zero, and a socket of it, which has to go first.
fn open() -> Result<(Registration<Small>, TestSock)> {
    for counter in [&WRITES, &W, &RELEASED, &INSIDE, &NESTED, &FREED] {
        counter.store(0, Relaxed);
    }
    let family = Registration::register(&MODULE, bindings::AF_DECnet as i32, ())?;
    let sock = TestSock::open(bindings::AF_DECnet, 0)?;
    Ok((family, sock))
}

fn live(sock: &TestSock) -> &LiveSocket<Small> {
    // SAFETY: It was made by the family, and lives as long as `sock`.
    unsafe { LiveSocket::from_raw(sock.sk().as_ptr()) }
}

/// A packet that is charged to the socket.
fn packet(sock: &TestSock) -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(0, 100, GFP_KERNEL)?;
    skb.set_owner_wmem(live(sock));
    Ok(skb)
}

/// Releases packets one after the other before any tasklet may run, and lets those run then.
/// Returns how often the socket had been told to send on before that.
fn release(packets: impl IntoIterator<Item = SkBuff>) -> u32 {
    bh::disabled(|| {
        for skb in packets {
            skb.consume();
        }
        WRITES.load(Relaxed)
    })
}

fn writes() -> u32 {
    WRITES.load(Relaxed)
}

/// Sockets that were freed, after those that RCU is still freeing.
fn freed() -> u32 {
    // SAFETY: The tests may sleep.
    unsafe { bindings::rcu_barrier() };
    FREED.load(Relaxed)
}

#[kunit_tests(knet_sock_tsq)]
mod cases {
    use super::*;

    #[test]
    fn c51_a_throttled_socket_is_queued_once() -> Result {
        let (_family, sock) = open()?;
        let packets = [packet(&sock)?, packet(&sock)?, packet(&sock)?];
        assert!(live(&sock).throttle(0));
        assert_eq!(release(packets), 0);
        assert_eq!((writes(), RELEASED.load(Relaxed)), (1, 3));
        // The byte that kept the socket in the list was the last.
        assert_eq!((W.load(Relaxed), sock.w()), (2, 1));
        // It does not want to be told any more.
        release([packet(&sock)?]);
        assert_eq!(writes(), 1);
        // Until it is throttled again.
        let skb = packet(&sock)?;
        assert!(live(&sock).throttle(0));
        release([skb]);
        assert_eq!((writes(), sock.w()), (2, 1));
        Ok(())
    }

    #[test]
    fn c52_the_owner_of_a_socket_sends_on_when_it_lets_go() -> Result {
        let (_family, sock) = open()?;
        let packets = [packet(&sock)?, packet(&sock)?];
        let refcnt = sock.refcnt();
        let guard = sock.sk().lock();
        assert!(live(&sock).throttle(0));
        assert_eq!(release(packets), 0);
        assert_eq!((writes(), sock.refcnt()), (0, refcnt + 1));
        assert_eq!(sock.w(), 1);
        // Once more: there is one reference, however often it is put off.
        let skb = packet(&sock)?;
        assert!(live(&sock).throttle(0));
        release([skb]);
        assert_eq!((writes(), sock.refcnt()), (0, refcnt + 1));
        drop(guard);
        assert_eq!((writes(), sock.refcnt()), (1, refcnt));
        drop(sock.sk().lock());
        assert_eq!(writes(), 1);
        Ok(())
    }

    #[test]
    fn c53_the_destructor_never_transmits() -> Result {
        let (_family, sock) = open()?;
        for before in 0..10 {
            let packets = [packet(&sock)?, packet(&sock)?];
            assert!(live(&sock).throttle(0));
            assert_eq!(release(packets), before);
        }
        assert_eq!((writes(), NESTED.load(Relaxed)), (10, 0));
        Ok(())
    }

    #[test]
    fn c54_a_socket_closed_while_throttled_sends_nothing_and_is_freed_once() -> Result {
        let (_family, sock) = open()?;
        let packets = [packet(&sock)?, packet(&sock)?];
        assert!(live(&sock).throttle(0));
        drop(sock);
        assert_eq!(freed(), 0);
        release(packets);
        assert_eq!((writes(), RELEASED.load(Relaxed), freed()), (0, 2, 1));
        Ok(())
    }

    #[test]
    fn nothing_below_means_no_throttle() -> Result {
        let (_family, sock) = open()?;
        assert!(!live(&sock).throttle(0));
        let skb = packet(&sock)?;
        let charged = sock.w() - 1;
        assert!(!live(&sock).throttle(charged));
        assert!(live(&sock).throttle(charged - 1));
        release([skb]);
        assert_eq!((writes(), sock.w()), (1, 1));
        Ok(())
    }

    #[test]
    fn a_claim_that_became_sock_wfree_kicks_by_write_space() -> Result {
        let (_family, sock) = open()?;
        let mut skb = SkBuff::alloc(0, 100, GFP_KERNEL)?;
        skb.set_owner_w(sock.sk());
        assert!(live(&sock).throttle(0));
        assert_eq!(release([skb]), 0);
        assert_eq!((writes(), RELEASED.load(Relaxed), sock.w()), (1, 0, 1));
        Ok(())
    }

    #[test]
    fn sockets_send_on_in_the_order_in_which_they_were_queued() -> Result {
        let (_family, first) = open()?;
        let second = TestSock::open(bindings::AF_DECnet, 0)?;
        let (one, two) = (packet(&first)?, packet(&second)?);
        let third = packet(&second)?;
        assert!(live(&first).throttle(0) && live(&second).throttle(0));
        release([one, two]);
        // W of the second, which still has a packet below it, was read last.
        assert_eq!((writes(), W.load(Relaxed)), (2, second.w() + 1));
        release([third]);
        Ok(())
    }
}
