// SPDX-License-Identifier: GPL-2.0

//! What a packet carries besides data: device, protocol, type, priority, mark. The submodules have
//! what needs more words.

mod hash;
mod queue_mapping;
mod receive;
mod reset;
mod tstamp;
mod vlan;

pub use self::{
    hash::PktHashType,
    tstamp::{
        Tstamp,
        TstampType, //
    },
    vlan::{
        VlanProto,
        VlanTag, //
    },
};

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
use core::marker::PhantomData;
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

/// For whom a packet is, as the link layer has seen it: `skb->pkt_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum PktType {
    /// For this host; what a packet is that says nothing else.
    Host = bindings::PACKET_HOST as u8,
    /// For all hosts.
    Broadcast = bindings::PACKET_BROADCAST as u8,
    /// For a group of hosts.
    Multicast = bindings::PACKET_MULTICAST as u8,
    /// For another host.
    OtherHost = bindings::PACKET_OTHERHOST as u8,
    /// Sent by this host: what a tap sees.
    Outgoing = bindings::PACKET_OUTGOING as u8,
    /// A broadcast or multicast packet that was looped back.
    Loopback = bindings::PACKET_LOOPBACK as u8,
    /// For user space.
    User = bindings::PACKET_USER as u8,
    /// For the kernel.
    Kernel = bindings::PACKET_KERNEL as u8,
}

impl Skb {
    #[inline(always)]
    pub(super) fn headers(&self) -> &bindings::sk_buff__bindgen_ty_4__bindgen_ty_1 {
        // SAFETY: The packet is valid by the type invariant. The union only gives the group of
        // fields a second name.
        unsafe { (*self.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_ref() }
    }

    /// Whether `dev` is the device that the packet came in on or goes out of: `skb->dev`.
    ///
    /// The packet does not hold its device, which may be gone. So it can be compared and not be
    /// followed; who needs the device is given it beside the packet.
    #[inline]
    pub fn is_dev(&self, dev: &NetDevice) -> bool {
        // SAFETY: The packet is valid by the type invariant, and the pointer is only compared.
        let own = unsafe {
            (*self.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev
        };
        own == dev.as_ptr()
    }

    /// The EtherType in host byte order.
    #[inline]
    pub fn protocol(&self) -> u16 {
        u16::from_be(self.headers().protocol)
    }

    /// Index of the interface that the packet came in on: `skb->skb_iif`.
    #[inline]
    pub fn iif(&self) -> i32 {
        self.headers().skb_iif
    }

    /// For whom the packet is.
    #[inline]
    pub fn pkt_type(&self) -> PktType {
        match u32::from(self.headers().pkt_type()) {
            bindings::PACKET_HOST => PktType::Host,
            bindings::PACKET_BROADCAST => PktType::Broadcast,
            bindings::PACKET_MULTICAST => PktType::Multicast,
            bindings::PACKET_OTHERHOST => PktType::OtherHost,
            bindings::PACKET_OUTGOING => PktType::Outgoing,
            bindings::PACKET_LOOPBACK => PktType::Loopback,
            bindings::PACKET_USER => PktType::User,
            // The field has three bits.
            _ => PktType::Kernel,
        }
    }

    /// Queueing priority.
    #[inline]
    pub fn priority(&self) -> u32 {
        self.headers().priority
    }

    /// Mark for filters and routing.
    #[inline]
    pub fn mark(&self) -> u32 {
        // SAFETY: Both members of the union are integers of this size.
        unsafe { self.headers().__bindgen_anon_4.mark }
    }

    /// Whether the packet may be sent by another queue than the packets of its flow before it:
    /// nothing of its socket is in flight. [`set_owner_w`](SkBuff::set_owner_w) says so.
    #[inline]
    pub fn ooo_okay(&self) -> bool {
        self.headers().ooo_okay() != 0
    }
}

impl<S: State> SkBuff<S> {
    /// Says which device the packet is on, for C to follow.
    #[inline(always)]
    pub(crate) fn set_dev(&mut self, dev: Option<&NetDevice>) {
        // SAFETY: The packet is valid, and ours alone, by the type invariant.
        unsafe {
            (*self.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = dev.map_or(core::ptr::null_mut(), NetDevice::as_ptr);
        }
    }

    #[inline(always)]
    pub(super) fn headers_mut(&mut self) -> &mut bindings::sk_buff__bindgen_ty_4__bindgen_ty_1 {
        // SAFETY: The packet is valid, and ours alone, by the type invariant.
        unsafe { (*self.as_ptr()).__bindgen_anon_4.__bindgen_anon_1.as_mut() }
    }

    /// Says what the packet is before it goes down the stack.
    #[inline]
    pub fn set_tx_meta(&mut self, meta: &TxMeta) {
        self.set_protocol(meta.protocol);
        self.set_priority(meta.priority);
        self.set_mark(meta.mark);
    }

    /// Sets the EtherType, given in host byte order.
    #[inline]
    pub fn set_protocol(&mut self, protocol: u16) {
        self.headers_mut().protocol = protocol.to_be();
    }

    /// Says for whom the packet is.
    #[inline]
    pub fn set_pkt_type(&mut self, pkt_type: PktType) {
        self.headers_mut().set_pkt_type(pkt_type as u8);
    }

    /// Says which NAPI instance the packet came in by, unless it names one already:
    /// `__skb_mark_napi_id`.
    #[inline(always)]
    pub(crate) fn mark_napi_id(&mut self, napi_id: u32) {
        #[cfg(CONFIG_NET_RX_BUSY_POLL)]
        {
            // SAFETY: Both members of the union are integers of this size.
            let id = unsafe { &mut self.headers_mut().__bindgen_anon_3.napi_id };
            if *id < bindings::MIN_NAPI_ID_VALUE {
                *id = napi_id;
            }
        }
        #[cfg(not(CONFIG_NET_RX_BUSY_POLL))]
        let _ = napi_id;
    }

    /// Sets the queueing priority.
    #[inline]
    pub fn set_priority(&mut self, priority: u32) {
        self.headers_mut().priority = priority;
    }

    /// Sets the mark for filters and routing.
    #[inline]
    pub fn set_mark(&mut self, mark: u32) {
        self.headers_mut().__bindgen_anon_4.mark = mark;
    }

    /// Says whether the packet may be sent by another queue than the packets of its flow before it.
    #[inline]
    pub fn set_ooo_okay(&mut self, okay: bool) {
        self.headers_mut().set_ooo_okay(okay.into());
    }

    /// Turns a packet that `from` has sent into one that `to` has received in its queue `rx_queue`.
    ///
    /// Its fragments become private, what belonged to the sender's side (route, marks, conntrack,
    /// time stamps) is cleared, the Ethernet header is taken off, and device, protocol, packet type
    /// and receive queue are set. The claim is left alone: [orphan](Self::orphan) it before.
    ///
    /// The features of `to` say how it gets the packet. Without `RXCSUM` no checksum is taken on
    /// trust, and one that is still to be done is filled in, but for packets that are to be cut.
    /// With `HW_VLAN_CTAG_RX`, or `HW_VLAN_STAG_RX`, a VLAN tag is beside the packet, without it is
    /// in the data, however it was sent.
    ///
    /// A packet may leave a checksum and its segmentation to others, of any kind that the stack
    /// knows. If what it says about them was broken on the way, it is put right where that is
    /// possible: its fragment list is made linear.
    ///
    /// Context: softirq or BH disabled.
    ///
    /// # Errors
    ///
    /// The packet cannot be received there and was freed for the [`DropReason`] that is returned:
    /// `PKT_TOO_BIG`, `PKT_TOO_SMALL`, `SKB_CSUM` or `SKB_GSO_SEG` because it leaves a checksum or
    /// a segmentation to others that cannot be done, `DEV_READY` because `to` is not up, or
    /// `NOMEM`. Nobody has counted it yet.
    ///
    /// C: [`__dev_forward_skb`](srctree/net/core/dev.c)
    #[inline]
    pub fn forward<'dev>(
        mut self,
        from: &NetDevice,
        to: &'dev NetDevice,
        rx_queue: u16,
    ) -> Result<RxSkBuff<'dev>, DropReason> {
        if let Err(reason) = self.prepare_receive(to) {
            self.drop_with(reason);
            return Err(reason);
        }
        // The header is there, and is about to go.
        let _ = self.prepull_rcsum(size_of::<EthHdr>());
        let skb = self.into_raw();
        // SAFETY: The packet is ours alone, the devices are valid, and an Ethernet header is there.
        unsafe {
            let raw = skb.as_ptr();
            // `skb_record_rx_queue`: 0 means that none was recorded. What is there is the queue
            // that the sender chose, which `to` may not have.
            (*raw).queue_mapping = if u32::from(rx_queue) < (*to.as_ptr()).real_num_rx_queues {
                rx_queue + 1
            } else {
                0
            };
            bindings::skb_scrub_packet(raw, !to.net().is(from.net()));
            let headers = (*raw).__bindgen_anon_4.__bindgen_anon_1.as_mut();
            headers.priority = 0;
            headers.protocol = bindings::eth_type_trans(raw, to.as_ptr());
        }
        // SAFETY: The packet was ours all the time, and has just been received by `to`.
        let skb = unsafe { SkBuff::from_raw(skb).vlan_out_of_data(to)? };
        Ok(RxSkBuff(skb, PhantomData))
    }
}

/// A packet that a device has received and that has not gone up yet: its device, protocol and
/// packet type are set.
///
/// It names its device, so it does not outlive it.
pub struct RxSkBuff<'dev>(pub(crate) SkBuff<Cloned>, PhantomData<&'dev NetDevice>);
