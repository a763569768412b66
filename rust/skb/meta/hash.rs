// SPDX-License-Identifier: GPL-2.0

//! The flow hash of a packet: by hardware, by a protocol, or by the flow dissector.

use crate::{
    bindings,
    net::Namespace,
    skb::{
        SkBuff, //
        Skb,
        State,
    },
    sock::Sock, //
};
use core::{
    mem,
    ptr, //
};

/// What a hash was made of: `enum pkt_hash_types`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PktHashType {
    /// Addresses of the link layer.
    L2,
    /// Addresses of the network layer.
    L3,
    /// Addresses of the network layer, and ports: the packets of one flow have it.
    L4,
}

impl Skb {
    /// The hash as it is, 0 if there is none: `skb_get_hash_raw`.
    #[inline]
    pub fn hash(&self) -> u32 {
        self.headers().hash
    }

    /// Whether the hash has ports in it: `skb->l4_hash`.
    #[inline]
    pub fn l4_hash(&self) -> bool {
        self.headers().l4_hash() != 0
    }

    /// Whether the hash was computed by the stack and not by hardware: `skb->sw_hash`.
    #[inline]
    pub fn sw_hash(&self) -> bool {
        self.headers().sw_hash() != 0
    }
}

impl<S: State> SkBuff<S> {
    /// The hash of the packet; computes it if there is none with ports in it and none by the stack.
    ///
    /// The headers are found by the [protocol](Skb::protocol) and the network header; they may be
    /// in page fragments. `net` is the namespace whose BPF flow dissector is asked, if it has one.
    /// Context: any but hard interrupt.
    ///
    /// C: [`skb_get_hash_net`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn get_hash(&mut self, net: &Namespace) -> u32 {
        if !self.l4_hash() && !self.sw_hash() {
            self.compute_hash(net);
        }
        self.hash()
    }

    #[cold]
    fn compute_hash(&mut self, net: &Namespace) {
        let skb = self.as_ptr();
        // The dissector asks the device of the packet whether a switch (DSA) hangs on it. Nothing
        // holds that device, so it is not shown.
        // SAFETY: The packet is ours alone and the namespace is valid. The dissector checks that
        // what it reads ends in the packet; it starts at the network header, which is never before
        // the start of the buffer.
        unsafe {
            let dev = &raw mut (*skb)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev;
            let saved = mem::replace(&mut *dev, ptr::null_mut());
            bindings::__skb_get_hash_net(net.as_ptr(), skb);
            *dev = saved;
        }
    }

    /// Sets a hash that hardware has computed: `skb_set_hash`.
    #[inline]
    pub fn set_hash(&mut self, hash: u32, made_of: PktHashType) {
        self.put_hash(hash, false, made_of);
    }

    /// Sets a hash that the stack has computed: `__skb_set_sw_hash`.
    #[inline]
    pub fn set_sw_hash(&mut self, hash: u32, made_of: PktHashType) {
        self.put_hash(hash, true, made_of);
    }

    /// Sets the hash that stands for the flow of a socket, if it has one: `skb_set_hash_from_sk`.
    ///
    /// So packets of one socket stay together, in a queue of the device and in those of a qdisc,
    /// and nobody has to look into them.
    #[inline]
    pub fn set_hash_from_sk(&mut self, sk: &Sock) {
        let hash = sk.txhash();
        if hash != 0 {
            self.put_hash(hash, false, PktHashType::L4);
        }
    }

    #[inline(always)]
    fn put_hash(&mut self, hash: u32, sw: bool, made_of: PktHashType) {
        let headers = self.headers_mut();
        headers.set_l4_hash((made_of == PktHashType::L4).into());
        headers.set_sw_hash(sw.into());
        headers.hash = hash;
    }

    /// Forgets the hash, as is due when what it was made of changes: `skb_clear_hash`.
    #[inline]
    pub fn clear_hash(&mut self) {
        let headers = self.headers_mut();
        headers.hash = 0;
        headers.set_sw_hash(0);
        headers.set_l4_hash(0);
    }
}
