// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the table, with sockets that nobody but it knows.

use crate::{
    bindings,
    sock::{
        chains_for_memory,
        Create,
        Family,
        Ioctl,
        LiveSocket,
        Protocol,
        RecvMsg,
        SendMsg,
        SockTable,
        Socket, //
    },
};
use core::mem::MaybeUninit;
use kernel::{
    alloc::flags::__GFP_ZERO,
    prelude::*,
    str::CStr,
    sync::rcu, //
};

/// A family that is never registered.
struct Test;

static PROTOCOL: Protocol<Test> = Protocol::new();

#[vtable]
impl Family for Test {
    type Data = u32;
    type Context = ();

    const NAME: &'static CStr = c"KNET-TEST";

    fn protocol() -> &'static Protocol<Self> {
        &PROTOCOL
    }

    fn create(_context: &(), _args: &Create<'_>) -> impl PinInit<u32, Error> {
        Ok::<_, Error>(0)
    }

    fn release(_sk: &LiveSocket<Self>) {}

    fn bind(_sk: &LiveSocket<Self>, _addr: &[u8]) -> Result {
        Err(EINVAL)
    }

    fn getname(_sk: &LiveSocket<Self>, _addr: &mut [u8], _peer: bool) -> Result<usize> {
        Err(EINVAL)
    }

    fn sendmsg(_sk: &LiveSocket<Self>, _msg: &mut SendMsg<'_>) -> Result<usize> {
        Err(EINVAL)
    }

    fn recvmsg(_sk: &LiveSocket<Self>, _msg: &mut RecvMsg<'_>) -> Result<usize> {
        Err(EINVAL)
    }

    fn ioctl(_sk: &LiveSocket<Self>, _cmd: Ioctl) -> Result<u32> {
        Err(EINVAL)
    }
}

/// A socket that is in no file: what a table uses of one, and a number.
struct TestSocket(KBox<MaybeUninit<Socket<Test>>>);

impl TestSocket {
    fn new(number: u32) -> Result<Self> {
        let mut socket = Self(KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?);
        let ptr = socket.0.as_mut_ptr();
        // SAFETY: Zeroes are valid for all of it, and nobody else knows it.
        unsafe {
            (*(*ptr).sk.as_ptr()).__sk_common.skc_refcnt.refs.counter = 1;
            (*ptr).data = number;
        }
        Ok(socket)
    }

    fn sk(&self) -> &LiveSocket<Test> {
        // SAFETY: It holds one reference for as long as it lives, and is taken out of its table
        // before.
        unsafe { LiveSocket::from_raw(self.0.as_ptr().cast::<bindings::sock>()) }
    }

    fn references(&self) -> i32 {
        // SAFETY: As in `sk`.
        unsafe { (*self.sk().as_ptr()).__sk_common.skc_refcnt.refs.counter }
    }
}

const CHAINS: usize = 16;

fn table() -> Result<Pin<KBox<SockTable<Test>>>> {
    KBox::pin_init(SockTable::new(CHAINS), GFP_KERNEL)
}

/// The number of the first socket of a chain.
fn first(table: &SockTable<Test>, place: u32) -> Option<u32> {
    let guard = rcu::read_lock();
    table.lookup(place, &guard, |_| true).map(|sk| *sk.data())
}

/// How often `number` is found by somebody who looks at all.
fn seen(table: &SockTable<Test>, number: u32) -> usize {
    let mut count = 0;
    table.for_each(|sk| count += usize::from(*sk.data() == number));
    count
}

#[kunit_tests(knet_sock_table)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_at_its_place() -> Result {
        let (table, one) = (table()?, TestSocket::new(1)?);
        assert!(first(&table, 5).is_none());
        table.insert(5, 0, one.sk(), |_| false, || {})?;
        assert!(first(&table, 5) == Some(1));
        assert!(first(&table, 6).is_none());
        // Another hash of the same chain: so who looks has to compare.
        let guard = rcu::read_lock();
        let other = table.lookup(5 + CHAINS as u32, &guard, |sk| *sk.data() == 2);
        assert!(other.is_none());
        drop(guard);
        table.remove(one.sk());
        assert!(first(&table, 5).is_none());
        Ok(())
    }

    #[test]
    fn the_table_holds_the_socket() -> Result {
        let (table, one) = (table()?, TestSocket::new(1)?);
        table.insert(1, 1, one.sk(), |_| false, || {})?;
        assert_eq!(one.references(), 2);
        table.rehash(2, one.sk());
        assert_eq!(one.references(), 2);
        table.remove(one.sk());
        assert_eq!(one.references(), 1);
        table.remove(one.sk());
        assert_eq!(one.references(), 1);
        Ok(())
    }

    #[test]
    fn a_group_decides_who_is_taken() -> Result {
        let table = table()?;
        let (one, two) = (TestSocket::new(1)?, TestSocket::new(2)?);
        let mut committed = false;
        table.insert(1, 7, one.sk(), |_| true, || committed = true)?;
        assert!(committed);

        // The same group at another place.
        let mut committed = false;
        let refused = table.insert(2, 7, two.sk(), |sk| *sk.data() == 1, || committed = true);
        assert!(refused == Err(EADDRINUSE));
        assert!(!committed);
        assert!(first(&table, 2).is_none());
        assert_eq!(two.references(), 1);

        // It may decide otherwise, and is not asked about another group.
        table.insert(2, 7, two.sk(), |_| false, || {})?;
        table.remove(two.sk());
        table.insert(1, 8, two.sk(), |_| true, || {})?;
        table.remove(one.sk());
        table.remove(two.sk());
        Ok(())
    }

    #[test]
    fn who_has_left_is_in_nobodys_way() -> Result {
        let table = table()?;
        let (one, two) = (TestSocket::new(1)?, TestSocket::new(2)?);
        table.insert(1, 7, one.sk(), |_| true, || {})?;
        table.remove(one.sk());
        table.insert(1, 7, two.sk(), |_| true, || {})?;
        table.remove(two.sk());
        Ok(())
    }

    #[test]
    fn who_moves_stays_in_its_group() -> Result {
        let table = table()?;
        let (one, two) = (TestSocket::new(1)?, TestSocket::new(2)?);
        table.insert(1, 7, one.sk(), |_| true, || {})?;
        table.rehash(2, one.sk());
        assert!(first(&table, 1).is_none());
        assert!(first(&table, 2) == Some(1));
        assert!(table.insert(1, 7, two.sk(), |_| true, || {}) == Err(EADDRINUSE));
        table.remove(one.sk());
        Ok(())
    }

    #[test]
    fn who_is_not_there_does_not_move() -> Result {
        let (table, one) = (table()?, TestSocket::new(1)?);
        table.rehash(1, one.sk());
        assert!(first(&table, 1).is_none());
        let other = self::table()?;
        other.add(3, one.sk())?;
        table.rehash(1, one.sk());
        table.remove(one.sk());
        assert!(first(&other, 3) == Some(1));
        other.remove(one.sk());
        Ok(())
    }

    #[test]
    fn a_socket_is_in_one_table_once() -> Result {
        let (table, other, one) = (table()?, self::table()?, TestSocket::new(1)?);
        table.add(3, one.sk())?;
        for table in [&table, &other] {
            assert!(table.add(4, one.sk()) == Err(EINVAL));
            assert!(table.insert(4, 4, one.sk(), |_| false, || {}) == Err(EINVAL));
        }
        assert_eq!(one.references(), 2);
        table.remove(one.sk());
        other.add(4, one.sk())?;
        other.remove(one.sk());
        Ok(())
    }

    #[test]
    fn who_has_no_group_is_in_nobodys_way() -> Result {
        let table = table()?;
        let (one, two) = (TestSocket::new(1)?, TestSocket::new(2)?);
        table.add(3, one.sk())?;
        for group in 0..CHAINS as u32 {
            table.insert(3, group, two.sk(), |_| true, || {})?;
            table.remove(two.sk());
        }
        table.remove(one.sk());
        Ok(())
    }

    #[test]
    fn all_of_many_are_there_once() -> Result {
        const MANY: u32 = 5 * CHAINS as u32;

        let table = table()?;
        let mut sockets = KVec::new();
        for n in 0..MANY {
            let socket = TestSocket::new(n)?;
            table.insert(n, n, socket.sk(), |sk| *sk.data() == n, || {})?;
            sockets.push(socket, GFP_KERNEL)?;
        }
        for n in 0..MANY {
            assert_eq!(seen(&table, n), 1);
            let guard = rcu::read_lock();
            assert!(table.lookup(n, &guard, |sk| *sk.data() == n).is_some());
        }
        for socket in &sockets {
            table.remove(socket.sk());
        }
        assert_eq!(seen(&table, 0), 0);
        Ok(())
    }

    #[test]
    fn chains_are_a_power_of_two() -> Result {
        for chains in [0, 3, 12] {
            let made = KBox::pin_init(SockTable::<Test>::new(chains), GFP_KERNEL);
            assert!(made.err() == Some(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn chains_follow_the_memory() -> Result {
        // No machine has so little, or so much.
        assert!(chains_for_memory(63, 5, 64) == Ok(8));
        assert!(chains_for_memory(64, 4, 64) == Ok(4));
        assert!(chains_for_memory(0, 4, 64) == Ok(64));
        let (fine, coarse) = (
            chains_for_memory(14, 1, 1 << 30)?,
            chains_for_memory(15, 1, 1 << 30)?,
        );
        assert!(fine.is_power_of_two() && fine == 2 * coarse);
        for (min, max) in [(0, 4), (8, 4), (1, 3)] {
            assert!(chains_for_memory(14, min, max) == Err(EINVAL));
        }
        Ok(())
    }
}
