// SPDX-License-Identifier: GPL-2.0

//! What happens when a charged packet is freed.

use super::{
    charged,
    counting_sock,
    packet,
    set_flag,
    unowned,
    users,
    ws,
    W_IN_CALLBACK, //
};
use crate::{
    bindings,
    skb::{
        Cloned,
        DropReason,
        SharedSkBuff,
        SkBuff, //
    },
    sock::testing::TestSock, //
};
use kernel::{
    cpu::nr_cpu_ids,
    error::to_result,
    interrupt::local_interrupt_disable,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// How often the waiter was woken.
static WOKEN: Atomic<u32> = Atomic::new(0);
/// What [`look`] has seen: its calls, and the fields of the packet.
static LOOKS: Atomic<u32> = Atomic::new(0);
static SEEN_SK: Atomic<usize> = Atomic::new(0);
static SEEN_DESTRUCTOR: Atomic<usize> = Atomic::new(0);

/// # Safety
///
/// Called as the function of a wait queue entry.
unsafe extern "C" fn wake(
    _entry: *mut bindings::wait_queue_entry,
    _mode: c_uint,
    _flags: c_int,
    _key: *mut c_void,
) -> c_int {
    WOKEN.add(1, Relaxed);
    0
}

/// Calls `f` with somebody in the wait queue of the socket, and returns how often he was woken.
fn woken(sock: &TestSock, f: impl FnOnce()) -> u32 {
    // SAFETY: Zeroes are valid for all fields.
    let mut entry: bindings::wait_queue_entry = unsafe { core::mem::zeroed() };
    entry.func = Some(wake);
    WOKEN.store(0, Relaxed);
    // SAFETY: The entry stays where it is until it is removed.
    unsafe { bindings::add_wait_queue(&raw mut (*sock.as_ptr()).wq.wait, &mut entry) };
    f();
    // SAFETY: It was added above.
    unsafe { bindings::remove_wait_queue(&raw mut (*sock.as_ptr()).wq.wait, &mut entry) };
    WOKEN.load(Relaxed)
}

/// A UDP socket that is bound, which makes it SOCK_RCU_FREE.
fn bound_sock() -> Result<TestSock> {
    let sock = TestSock::new()?;
    // AF_INET, any port, any address.
    let mut addr = [0u8; 16];
    addr[..2].copy_from_slice(&(bindings::AF_INET as u16).to_ne_bytes());
    // SAFETY: The socket is valid, and the address has the length that is given.
    to_result(unsafe {
        bindings::kernel_bind(sock.as_ptr(), addr.as_mut_ptr().cast(), addr.len() as c_int)
    })?;
    Ok(sock)
}

fn is_rcu_free(sock: &TestSock) -> bool {
    // SAFETY: Nobody else knows the socket.
    let flags = unsafe { (*sock.sk().as_ptr()).__sk_common.__bindgen_anon_5.skc_flags };
    flags & 1 << bindings::sock_flags_SOCK_RCU_FREE != 0
}

/// A destructor that looks.
///
/// # Safety
///
/// Called by C.
unsafe extern "C" fn look(skb: *mut bindings::sk_buff) {
    LOOKS.add(1, Relaxed);
    // SAFETY: The packet is valid during the call.
    unsafe {
        SEEN_SK.store((*skb).sk as usize, Relaxed);
        let destructor = (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor;
        SEEN_DESTRUCTOR.store(destructor.map_or(0, |f| f as usize), Relaxed);
    }
}

/// A packet with that destructor, which charges nothing.
fn looking(sock: &TestSock) -> Result<SkBuff> {
    let mut skb = packet()?;
    let raw = skb.raw_mut();
    raw.sk = sock.sk().as_ptr();
    raw.__bindgen_anon_3.__bindgen_anon_1.destructor = Some(look);
    LOOKS.store(0, Relaxed);
    SEEN_SK.store(0, Relaxed);
    SEEN_DESTRUCTOR.store(0, Relaxed);
    Ok(skb)
}

fn seen() -> (u32, usize, usize) {
    (
        LOOKS.load(Relaxed),
        SEEN_SK.load(Relaxed),
        SEEN_DESTRUCTOR.load(Relaxed),
    )
}

/// Waits until softirqs have made that many calls, for ten seconds at most.
fn wait_calls(n: u32) {
    for _ in 0..1000 {
        if ws() >= n {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
}

#[kunit_tests(knet_skb_claim_release)]
mod tests {
    use super::*;

    #[test]
    fn c11_only_the_last_reference_releases() -> Result {
        let sock = counting_sock()?;
        let mut skb = charged(&sock)?;
        let w = sock.w();
        // What `skb_get` does.
        skb.raw_mut().users.refs.counter = 2;
        let skb = skb.into_raw();
        // SAFETY: There are two references, one for each of them.
        let (one, two) = unsafe { (SharedSkBuff::from_raw(skb), SharedSkBuff::from_raw(skb)) };
        one.consume();
        assert_eq!((sock.w(), ws(), users(&two)), (w, 0, 1));
        two.consume();
        assert_eq!((sock.w(), ws()), (1, 1));
        Ok(())
    }

    #[test]
    fn c12_the_last_free_gives_the_bytes_back_and_calls_once() -> Result {
        let sock = counting_sock()?;
        let (one, two) = (charged(&sock)?, charged(&sock)?);
        let (t, before) = (one.truesize(), sock.w());
        one.consume();
        assert_eq!((sock.w(), ws()), (before - t, 1));
        // One byte is still held while the callback runs.
        assert_eq!(W_IN_CALLBACK.load(Relaxed), before - t + 1);
        two.drop_with(DropReason::QUEUE_PURGE);
        assert_eq!((sock.w(), ws()), (1, 2));
        Ok(())
    }

    #[test]
    fn c13_a_socket_with_a_write_queue_is_not_called() -> Result {
        let sock = counting_sock()?;
        set_flag(&sock, bindings::sock_flags_SOCK_USE_WRITE_QUEUE);
        let (one, two) = (charged(&sock)?, charged(&sock)?);
        let (t, before) = (one.truesize(), sock.w());
        one.consume();
        assert_eq!((sock.w(), ws()), (before - t, 0));
        two.consume();
        assert_eq!((sock.w(), ws()), (1, 0));
        Ok(())
    }

    #[test]
    fn c14_an_rcu_freed_socket_wakes_when_less_than_half_is_left() -> Result {
        let sock = bound_sock()?;
        assert!(is_rcu_free(&sock));
        let mut skbs = KVec::<SkBuff>::new();
        for _ in 0..8 {
            skbs.push(charged(&sock)?, GFP_KERNEL)?;
        }
        // Five of eight packets are half of the buffer.
        let half = 5 * skbs[0].truesize();
        // SAFETY: Nobody else knows the socket.
        unsafe { (*sock.sk().as_ptr()).sk_sndbuf = half as i32 * 2 };
        let mut wakes = 0;
        for skb in skbs {
            let left = sock.w() - skb.truesize();
            let now = woken(&sock, || skb.consume());
            assert_eq!((now, sock.w()), (u32::from(left < half), left));
            wakes += now;
        }
        assert_eq!((wakes, sock.w()), (5, 1));
        Ok(())
    }

    #[test]
    fn c14_an_rcu_freed_socket_with_a_callback_of_its_own_is_called() -> Result {
        let sock = bound_sock()?;
        super::super::count_calls(&sock);
        let (one, two) = (charged(&sock)?, charged(&sock)?);
        let (t, before) = (one.truesize(), sock.w());
        one.consume();
        assert_eq!((sock.w(), ws()), (before - t, 1));
        assert_eq!(W_IN_CALLBACK.load(Relaxed), before - t + 1);
        two.consume();
        assert_eq!((sock.w(), ws()), (1, 2));
        Ok(())
    }

    #[test]
    fn c15_the_fields_are_set_in_the_destructor_and_clear_after_orphan() -> Result {
        let sock = counting_sock()?;
        let mut skb = looking(&sock)?;
        skb.orphan();
        let expected = (1, sock.sk().as_ptr() as usize, look as usize);
        assert!(seen() == expected && unowned(&skb));
        skb.consume();
        assert_eq!(LOOKS.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn c15_the_fields_are_set_in_the_destructor_and_clear_after_free() -> Result {
        let sock = counting_sock()?;
        // This frees all that belongs to `dst` but the structure itself, which stays to be seen.
        let (dst, src) = (looking(&sock)?, packet()?);
        let (dst, src) = (SkBuff::<Cloned>::from(dst), SkBuff::<Cloned>::from(src));
        // SAFETY: Both are ours alone; `dst` becomes a clone of `src`.
        unsafe { bindings::skb_morph(dst.as_ptr(), src.as_ptr()) };
        assert_eq!(seen(), (1, sock.sk().as_ptr() as usize, look as usize));
        assert!(unowned(&dst));
        dst.consume();
        src.consume();
        // And where the structure goes, too:
        looking(&sock)?.consume();
        assert_eq!(seen(), (1, sock.sk().as_ptr() as usize, look as usize));
        Ok(())
    }

    #[test]
    fn c16_with_interrupts_disabled_the_bytes_come_back_later() -> Result {
        let sock = counting_sock()?;
        for lost in [false, true] {
            let skb = charged(&sock)?;
            let (w, calls) = (sock.w(), ws());
            let raw = skb.as_ptr();
            let irq = local_interrupt_disable();
            if lost {
                skb.drop_any_with(DropReason::FULL_RING);
            } else {
                skb.consume_any();
            }
            // SAFETY: The packet waits for a softirq of this CPU, which cannot come yet.
            let users = unsafe { (*raw).users.refs.counter };
            let during = (sock.w(), ws());
            drop(irq);
            wait_calls(calls + 1);
            assert_eq!((users, during), (0, (w, calls)));
            assert_eq!((sock.w(), ws()), (1, calls + 1));
        }
        Ok(())
    }

    #[test]
    fn c17_napi_consume_credits_before_it_returns() -> Result {
        let sock = counting_sock()?;
        let skb = charged(&sock)?;
        // A failed assertion sleeps, so it must not be made with BH disabled.
        let after = crate::bh::disabled(|| {
            skb.napi_consume(64);
            (sock.w(), ws())
        });
        assert_eq!(after, (1, 1));
        Ok(())
    }

    #[test]
    fn c17_napi_consume_credits_for_a_packet_of_another_cpu() -> Result {
        let sock = counting_sock()?;
        let mut skb = charged(&sock)?;
        let after = crate::bh::disabled(|| {
            let headers = skb.headers_mut();
            headers.alloc_cpu = (headers.alloc_cpu + 1) % nr_cpu_ids() as u16;
            skb.napi_consume(64);
            (sock.w(), ws())
        });
        assert_eq!(after, (1, 1));
        Ok(())
    }

    #[test]
    fn c17_napi_consume_without_a_budget_is_for_any_context() -> Result {
        let sock = counting_sock()?;
        charged(&sock)?.napi_consume(0);
        assert_eq!((sock.w(), ws()), (1, 1));
        let skb = charged(&sock)?;
        let irq = local_interrupt_disable();
        skb.napi_consume(0);
        let during = (sock.w() != 1, ws());
        drop(irq);
        assert_eq!(during, (true, 1));
        wait_calls(2);
        assert_eq!((sock.w(), ws()), (1, 2));
        Ok(())
    }
}
