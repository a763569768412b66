// SPDX-License-Identifier: GPL-2.0

//! What was handed over cannot be touched again.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use knet::{
    netdev::{
        NetDevice,
        Xmit, //
    },
    ring::Slot,
    skb::{
        Cloned,
        DropReason,
        SkBuff, //
    },
};

/// The consumer of the ring may have freed the packet already.
pub fn ring(slot: Slot<'_, SkBuff<Cloned>>, skb: SkBuff<Cloned>) -> usize {
    slot.put(skb);
    // error[E0382]: borrow of moved value: `skb`
    skb.len()
}

/// The device may have freed it.
pub fn device(dev: &NetDevice, guard: &rcu::Guard, skb: SkBuff) -> Result<u32> {
    skb.dev_queue_xmit(dev, guard)?;
    // error[E0382]: borrow of moved value: `skb`
    Ok(skb.truesize())
}

/// It is freed twice.
pub fn twice(skb: SkBuff) {
    skb.consume();
    // error[E0382]: use of moved value: `skb`
    skb.drop_with(DropReason::NOMEM);
}

/// The stack presents it again; the driver has no more to say about it.
pub fn busy(skb: SkBuff<Cloned>) -> Xmit {
    let answer = Xmit::Busy(skb);
    // error[E0382]: use of moved value: `skb`
    skb.consume();
    answer
}

/// After an error the packet is in the error, not here.
pub fn failed(skb: SkBuff<Cloned>) -> Result<SkBuff> {
    match skb.unclone(GFP_ATOMIC) {
        Ok(skb) => Ok(skb),
        Err(failed) => {
            // error[E0382]: use of moved value: `skb`
            skb.consume();
            Err(failed.drop_with(DropReason::NOMEM))
        }
    }
}
