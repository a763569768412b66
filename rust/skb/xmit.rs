// SPDX-License-Identifier: GPL-2.0

//! Down the stack: from a protocol to a device.

use super::{
    DropReason,
    HeaderWritable,
    SkBuff,
    State, //
};
use crate::{
    bindings,
    netdev::NetDevice, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

impl<S: HeaderWritable> SkBuff<S> {
    /// Pushes the link-layer header of `dev`: for Ethernet the addresses and `ethertype` (host byte
    /// order).
    ///
    /// # Errors
    ///
    /// `ENOSPC` without enough headroom, `EINVAL` if the device is no Ethernet device.
    ///
    /// C: [`dev_hard_header`](srctree/include/linux/netdevice.h)
    pub fn dev_hard_header(
        &mut self,
        dev: &NetDevice,
        ethertype: u16,
        dest: &[u8; 6],
        source: &[u8; 6],
    ) -> Result {
        if !dev.is_ethernet() {
            return Err(EINVAL);
        }
        if self.headroom() < dev.hard_header_len() {
            return Err(ENOSPC);
        }
        // SAFETY: The device is valid, and its operations are static.
        let create = unsafe {
            (*dev.as_ptr())
                .header_ops
                .as_ref()
                .and_then(|ops| ops.create)
        };
        // SAFETY: The packet is ours alone and has the headroom that the device asks for; both
        // addresses have the length that an Ethernet device reads.
        let len = create.map_or(0, |create| unsafe {
            create(
                self.as_ptr(),
                dev.as_ptr(),
                ethertype,
                dest.as_ptr().cast(),
                source.as_ptr().cast(),
                self.len() as u32,
            )
        });
        // 0 if the device does not make headers.
        if len < size_of::<bindings::ethhdr>() as c_int {
            return Err(EINVAL);
        }
        Ok(())
    }
}

impl<S: State> SkBuff<S> {
    /// Gives the packet to `dev`, through its qdisc. The claim stays on it until the device has
    /// sent it or somebody has dropped it.
    ///
    /// Context: process or softirq. The guard keeps the device.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if it was dropped on the way; `EINVAL` if it is shorter than a link-layer header
    /// of the device, or leaves a checksum or a segmentation to the device that cannot be done (see
    /// [`gso_segment`](Self::gso_segment)); or the errno of a device without a queue. The packet is
    /// gone in any case. Congestion (`NET_XMIT_CN`) is success: another packet was dropped.
    ///
    /// C: [`dev_queue_xmit`](srctree/include/linux/netdevice.h), `net_xmit_errno`
    #[inline]
    pub fn dev_queue_xmit(mut self, dev: &NetDevice, _guard: &rcu::Guard) -> Result {
        // Drivers read the link-layer header without asking, where it is linear. C warns of an
        // empty packet.
        if self.is_empty() || self.may_pull(dev.hard_header_len()).is_err() {
            self.drop_with(DropReason::PKT_TOO_SMALL);
            return Err(EINVAL);
        }
        if let Err(reason) = self.check_offloads() {
            self.drop_with(reason);
            return Err(EINVAL);
        }
        self.set_dev(Some(dev));
        // SAFETY: The packet passes to C; the device is valid.
        let result =
            unsafe { bindings::__dev_queue_xmit(self.into_raw().as_ptr(), core::ptr::null_mut()) };
        match result {
            r if r < 0 => Err(Error::from_errno(r)),
            0 => Ok(()),
            r if r as u32 == bindings::NET_XMIT_CN => Ok(()),
            _ => Err(kernel::error::code::ENOBUFS),
        }
    }
}
