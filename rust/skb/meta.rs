// SPDX-License-Identifier: GPL-2.0

//! What a packet carries besides data: device, protocol, queue.

use super::{
    Cloned,
    DropReason,
    EthHdr,
    SkBuff, //
    Skb,
    State,
};
use crate::{
    bindings,
    netdev::NetDevice, //
};
use kernel::prelude::*;

/// What a protocol says about a packet that it sends.
#[derive(Clone, Copy, Default)]
pub struct TxMeta {
    /// EtherType in host byte order: `skb->protocol`.
    pub protocol: u16,
    /// Queueing priority: `skb->priority`, as SO_PRIORITY sets it.
    pub priority: u32,
    /// Mark for filters and routing: `skb->mark`, as SO_MARK sets it.
    pub mark: u32,
}

impl Skb {
    #[inline(always)]
    pub(super) fn headers(&self) -> &bindings::sk_buff__bindgen_ty_4__bindgen_ty_1 {
        // SAFETY: The packet is valid by the type invariant. The union only gives the group of
        // fields a second name.
        unsafe { (*self.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref() }
    }

    /// The EtherType in host byte order.
    #[inline]
    pub fn protocol(&self) -> u16 {
        u16::from_be(self.headers().protocol)
    }

    /// The transmit or receive queue of the packet: `skb_get_queue_mapping`.
    #[inline(always)]
    pub fn queue_mapping(&self) -> u16 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.as_ptr()).queue_mapping }
    }

    /// Index of the interface that the packet came in on: `skb->skb_iif`.
    #[inline]
    pub fn iif(&self) -> i32 {
        self.headers().skb_iif
    }

    /// Whether the link layer meant the packet for another host: `PACKET_OTHERHOST`.
    #[inline]
    pub fn is_for_other_host(&self) -> bool {
        u32::from(self.headers().pkt_type()) == bindings::PACKET_OTHERHOST
    }
}

impl<S: State> SkBuff<S> {
    #[inline(always)]
    pub(super) fn headers_mut(&mut self) -> &mut bindings::sk_buff__bindgen_ty_4__bindgen_ty_1 {
        // SAFETY: The packet is valid, and ours alone, by the type invariant.
        unsafe { (*self.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_mut() }
    }

    /// Says what the packet is before it goes down the stack.
    #[inline]
    pub fn set_tx_meta(&mut self, meta: &TxMeta) {
        let headers = self.headers_mut();
        headers.protocol = meta.protocol.to_be();
        headers.priority = meta.priority;
        headers.__bindgen_anon_4.mark = meta.mark;
    }

    /// Lets conntrack forget the packet: `nf_reset_ct`. A device that keeps packets for long has
    /// to, or conntrack cannot be unloaded meanwhile.
    #[inline]
    pub fn nf_reset_ct(&mut self) {
        // Without conntrack there is no such field.
        #[cfg(CONFIG_NF_CONNTRACK)]
        // SAFETY: The packet is ours alone.
        unsafe {
            if (*self.as_ptr())._nfct != 0 {
                bindings::nf_reset_ct(self.as_ptr());
            }
        }
    }

    /// Turns a packet that `from` has sent into one that `to` has received in its queue `rx_queue`.
    ///
    /// Its fragments become private, what belonged to the sender's side (route, marks, conntrack,
    /// time stamps) is cleared, the Ethernet header is taken off, and device, protocol, packet type
    /// and receive queue are set. The claim is left alone: [orphan](Self::orphan) it before.
    ///
    /// Context: softirq or BH disabled.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if the packet cannot be received there: it is too long, too short, or there is no
    /// memory. It was freed and the core counts it as `rx_dropped` of `to`.
    ///
    /// C: [`__dev_forward_skb`](srctree/net/core/dev.c)
    #[inline]
    pub fn forward(mut self, from: &NetDevice, to: &NetDevice, rx_queue: u16) -> Result<RxSkBuff> {
        // The header is read where it is: a packet of a tunnel may have nothing linear, and a short
        // one has no header.
        if self.may_pull(size_of::<EthHdr>()).is_err() {
            // SAFETY: The device is valid.
            unsafe { bindings::dev_core_stats_rx_dropped_inc(to.as_ptr()) };
            self.drop_with(DropReason::PKT_TOO_SMALL);
            return Err(EMSGSIZE);
        }
        let skb = self.into_raw();
        // SAFETY: The packet and the devices are valid; on failure C has freed the packet.
        unsafe {
            let raw = skb.as_ptr();
            (*raw)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = from.as_ptr();
            // `skb_record_rx_queue`: 0 means that none was recorded. What is there is the queue
            // that the sender chose, which `to` may not have.
            (*raw).queue_mapping = if u32::from(rx_queue) < (*to.as_ptr()).real_num_rx_queues {
                rx_queue + 1
            } else {
                0
            };
            if bindings::__dev_forward_skb(to.as_ptr(), raw) != 0 {
                return Err(EMSGSIZE);
            }
        }
        // SAFETY: On success the packet is still ours.
        Ok(RxSkBuff(unsafe { SkBuff::from_raw(skb) }))
    }
}

impl SkBuff<Cloned> {
    /// Takes the transmit time stamp that the sender may have asked for.
    ///
    /// It has to be taken before the packet can be completed and before it is orphaned, because
    /// the stamp goes to the owner: a clone of the packet, on its error queue.
    ///
    /// C: [`skb_tx_timestamp`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn tx_timestamp(&mut self) {
        // SAFETY: The packet is ours alone.
        unsafe { bindings::skb_tx_timestamp(self.as_ptr()) };
    }
}

/// A packet that a device has received and that has not gone up yet: its device, protocol and
/// packet type are set.
pub struct RxSkBuff(pub(crate) SkBuff<Cloned>);
