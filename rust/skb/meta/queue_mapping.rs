// SPDX-License-Identifier: GPL-2.0

//! Which queue of a device a packet goes out of or came in by.
//!
//! One field stands for both: on the way down it is the index of the transmit queue, on the way up
//! the index of the receive queue plus one, where 0 is a packet without.

use crate::skb::{
    SkBuff, //
    Skb,
    State,
};

impl Skb {
    /// The transmit queue of the packet: `skb_get_queue_mapping`.
    #[inline(always)]
    pub fn queue_mapping(&self) -> u16 {
        self.raw().queue_mapping
    }

    /// The receive queue of the packet, if one was recorded: `skb_get_rx_queue`.
    #[inline]
    pub fn rx_queue(&self) -> Option<u16> {
        self.queue_mapping().checked_sub(1)
    }
}

impl<S: State> SkBuff<S> {
    /// Sets the transmit queue. The core sets it again when it picks the queue of a device.
    ///
    /// C: [`skb_set_queue_mapping`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn set_queue_mapping(&mut self, queue: u16) {
        self.raw_mut().queue_mapping = queue;
    }

    /// Records the receive queue. A device that sends the packet on takes it as a hint for its
    /// transmit queue. The last number, 65535, cannot be recorded and leaves the packet without.
    ///
    /// C: [`skb_record_rx_queue`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn record_rx_queue(&mut self, queue: u16) {
        self.raw_mut().queue_mapping = queue.wrapping_add(1);
    }
}
