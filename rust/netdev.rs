// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! A driver of a virtual device
//!
//! 1. implements [`Operations`] for the private data of its device. The transmit function gets
//!    the packet by value and, by `&mut`, what the driver keeps for that transmit queue: the core
//!    holds the queue's lock, so nobody else has it;
//! 2. implements [`Poll`] for what one receive queue needs, and puts it into a [`Napi`];
//! 3. implements [`link::Kind`], so that `ip link add ... type KIND` makes such a device, and
//!    keeps a [`link::Registration`] in its module.
//!
//! A protocol uses [`NetDevice`] as it finds it, [`PacketType`] to receive frames and
//! [`Notifier`] to learn that a device goes away.

mod device;
pub mod ethtool;
pub mod features;
pub mod link;
mod napi;
mod notifier;
mod ops;
mod packet;
mod queue;
mod queue_stats;
mod queues;
mod stats;

#[cfg(CONFIG_KUNIT)]
pub(crate) mod tests;

pub use self::{
    device::{
        Device,
        NetDevice,
        GSO_LEGACY_MAX_SIZE, //
    },
    napi::{
        Napi,
        NapiRef,
        Poll,
        PollContext,
        PollResult, //
    },
    notifier::{
        Event,
        Listener,
        Notifier, //
    },
    ops::{
        Operations,
        Xmit, //
    },
    packet::{
        PacketHandler,
        PacketType, //
    },
    queue::{
        Completion,
        TxQueue,
        TxState, //
    },
    queue_stats::{
        QueueStatsRx,
        QueueStatsTx, //
    },
    queues::num_possible_cpus,
    stats::{
        Counter,
        LinkStats, //
    },
};

pub(crate) use self::ops::Private;
