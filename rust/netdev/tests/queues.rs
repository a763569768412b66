// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the queues of a device, from outside of its data path.

use super::{
    device,
    find,
    rtnl,
    TestPort, //
};
use crate::{
    bindings,
    netdev::{
        link::Registration,
        Device, //
    },
    rtnl::Rtnl, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Makes a device with one queue and calls `f` with it.
fn with_device<R>(f: impl FnOnce(&Device<TestPort>) -> R) -> Result<R> {
    let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
    device(&kind)?;
    let dev = {
        let guard = rcu::read_lock();
        find(&guard).ok_or(ENODEV)?.as_ptr()
    };
    // SAFETY: The device goes with the registration of its kind, which is ours.
    Ok(f(unsafe { Device::from_raw(dev) }))
}

#[kunit_tests(knet_netdev_queues)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_lent_to_one_at_a_time() -> Result {
        with_device(|dev| {
            let nested = dev.with_tx_queue(0, |_| dev.with_tx_queue(0, |_| ()));
            assert_eq!(nested, Ok(Err(EDEADLK)));
            // Neither the lock nor the bottom halves were left behind.
            assert_eq!(dev.with_tx_queue(0, |_| 7), Ok(7));
        })
    }

    #[test]
    fn a_queue_that_is_not_there_is_not_lent() -> Result {
        with_device(|dev| {
            assert_eq!(dev.with_tx_queue(1, |_| ()), Err(EINVAL));
            assert_eq!(dev.with_tx_queue(u16::MAX, |_| ()), Err(EINVAL));
        })
    }

    #[test]
    fn a_stopped_queue_is_woken_once() -> Result {
        with_device(|dev| {
            let woken = dev.with_tx_queue(0, |mut queue| {
                let stopped = queue.state.maybe_stop(|| 0, 1, 1);
                (stopped, queue.state.wake(), queue.state.wake())
            });
            assert_eq!(woken, Ok((true, true, false)));
        })
    }

    #[test]
    fn a_queue_is_not_lent_with_interrupts_disabled() -> Result {
        with_device(|dev| {
            // SAFETY: Interrupts are enabled in a test, and are so again at once; nothing sleeps.
            let lent = unsafe {
                bindings::local_irq_disable();
                let lent = dev.with_tx_queue(0, |_| ());
                bindings::local_irq_enable();
                lent
            };
            assert_eq!(lent, Err(EDEADLK));
            assert_eq!(dev.with_tx_queue(0, |_| 7), Ok(7));
        })
    }

    #[test]
    fn queues_of_a_device_that_goes_stay_as_they_are() -> Result {
        let results = with_device(|dev| {
            rtnl(|| {
                // SAFETY: RTNL is held.
                let held = unsafe { Rtnl::held() };
                let set_state = |state: u32| {
                    // SAFETY: The device is valid, and RTNL is held until it is as it was.
                    unsafe { (*dev.as_ptr()).reg_state = state as _ };
                };
                set_state(bindings::netdev_reg_state_NETREG_UNREGISTERING);
                let going = dev.set_real_num_queues(1, 1, held);
                set_state(bindings::netdev_reg_state_NETREG_REGISTERED);
                (going, dev.set_real_num_queues(1, 1, held))
            })
        })?;
        assert_eq!(results, (Err(ENODEV), Ok(())));
        Ok(())
    }

    #[test]
    fn no_more_queues_are_in_use_than_there_are() -> Result {
        with_device(|dev| {
            rtnl(|| {
                // SAFETY: RTNL is held.
                let held = unsafe { Rtnl::held() };
                let set = |tx, rx| dev.set_real_num_queues(tx, rx, held);
                for (tx, rx) in [(0, 1), (1, 0), (2, 1), (1, 2), (usize::MAX, 1)] {
                    assert!(set(tx, rx).is_err());
                }
                assert!(set(1, 1).is_ok());
                assert_eq!((dev.real_num_tx_queues(), dev.real_num_rx_queues()), (1, 1));
            })
        })
    }
}
