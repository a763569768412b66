// SPDX-License-Identifier: GPL-2.0

//! What other layers have hung on a packet, and has to go before the packet goes elsewhere.

use crate::{
    bindings,
    skb::{
        SkBuff, //
        State,
    }, //
};

impl<S: State> SkBuff<S> {
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

    /// Ends the tracing of the packet by netfilter: `nf_reset_trace`.
    #[inline]
    pub fn nf_reset_trace(&mut self) {
        #[cfg(any(CONFIG_NETFILTER_XT_TARGET_TRACE, CONFIG_NF_TABLES))]
        self.headers_mut().set_nf_trace(0);
    }

    /// Takes all extensions off the packet: `skb_ext_reset`. They are the path through IPsec, what
    /// a bridge has to remember, and the like.
    ///
    /// C: [`skb_ext_reset`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn ext_reset(&mut self) {
        #[cfg(CONFIG_SKB_EXTENSIONS)]
        if self.raw().active_extensions != 0 {
            // SAFETY: One reference to the extensions belongs to the packet, which is ours alone,
            // and the next line forgets them.
            unsafe { bindings::__skb_ext_put(self.raw().extensions) };
            self.raw_mut().active_extensions = 0;
        }
    }

    /// Forgets the path of the packet through IPsec: `secpath_reset`.
    ///
    /// C: [`secpath_reset`](srctree/include/net/xfrm.h)
    #[inline]
    pub fn secpath_reset(&mut self) {
        #[cfg(CONFIG_XFRM)]
        if self.raw().active_extensions & (1 << bindings::skb_ext_id_SKB_EXT_SEC_PATH) != 0 {
            // SAFETY: The packet is ours alone and has this extension.
            unsafe {
                bindings::__skb_ext_del(self.as_ptr(), bindings::skb_ext_id_SKB_EXT_SEC_PATH)
            };
        }
    }

    /// Clears what the packet has picked up on its way: route, extensions, conntrack and tracing,
    /// its type and the interface that it came in on. With `xnet` it goes to another namespace, and
    /// mark and time of arrival go, too.
    ///
    /// The claim stays; [`orphan`](Self::orphan) ends it.
    ///
    /// C: [`skb_scrub_packet`](srctree/net/core/skbuff.c)
    pub fn scrub(&mut self, xnet: bool) {
        // SAFETY: The packet is ours alone.
        unsafe { bindings::skb_scrub_packet(self.as_ptr(), xnet) };
    }
}
