// SPDX-License-Identifier: GPL-2.0

//! What becomes of a packet on its way from one device to another.

use super::{
    device,
    find,
    rtnl,
    Registration,
    ETHERTYPE, //
};
use crate::{
    bindings,
    netdev::{
        features,
        NetDevice, //
    },
    skb::{
        tests::packets::linear,
        Cloned,
        DropReason,
        IpSummed,
        SkBuff,
        VlanProto,
        VlanTag, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
};

const TAG: VlanTag = VlanTag {
    proto: VlanProto::Ctag,
    tci: 0x2005,
};

/// The device that [`device`] has made.
fn found() -> Result<ARef<NetDevice>> {
    find(&rcu::read_lock())
        .map(|dev| ARef::from(&**dev))
        .ok_or(ENODEV)
}

/// Sets the features of the device.
fn set_features(dev: &NetDevice, features: u64) {
    // SAFETY: The device is valid, and nobody else uses it.
    unsafe { (&raw mut (*dev.as_ptr()).features).write_volatile(features) };
}

/// A frame of `len` bytes for nobody.
fn frame(len: usize) -> Result<SkBuff> {
    let mut bytes = KVec::from_elem(0u8, len, GFP_KERNEL)?;
    bytes[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    linear(&bytes)
}

/// What has come: protocol, tag beside it, length, what is known of its checksum.
type Received = (u16, Option<VlanTag>, usize, IpSummed);

/// Forwards a packet from the device to itself.
fn forward(dev: &NetDevice, skb: SkBuff<Cloned>) -> Result<Received, DropReason> {
    crate::bh::disabled(|| {
        skb.forward(dev, dev, 0).map(|rx| {
            let skb = rx.0;
            let received = (skb.protocol(), skb.vlan_tag(), skb.len(), skb.ip_summed());
            skb.consume();
            received
        })
    })
}

#[kunit_tests(knet_forward)]
mod tests {
    use super::*;

    #[test]
    fn too_long_for_the_receiver_is_refused() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        let limit = dev.mtu() + dev.hard_header_len() + bindings::VLAN_HLEN as usize;
        let longest = forward(&dev, frame(limit)?.into()).map(|received| received.2);
        let longer = forward(&dev, frame(limit + 1)?.into());
        assert!(longest == Ok(limit - 14));
        assert!(longer == Err(DropReason::PKT_TOO_BIG));
        Ok(())
    }

    #[test]
    fn a_device_that_is_down_receives_nothing() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        // SAFETY: The device is valid, and RTNL is held.
        rtnl(|| unsafe { bindings::dev_close(dev.as_ptr()) });
        let result = forward(&dev, frame(100)?.into());
        assert!(result == Err(DropReason::DEV_READY));
        Ok(())
    }

    #[test]
    fn a_tag_is_where_the_receiver_wants_it() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        let tagged = || {
            let mut skb = frame(100)?;
            skb.vlan_hwaccel_put_tag(TAG);
            Ok::<_, Error>(skb)
        };
        let ethertype = VlanProto::Ctag as u16;
        let mut results = KVec::new();
        for strip in [0, features::HW_VLAN_CTAG_RX, features::HW_VLAN_STAG_RX] {
            set_features(&dev, strip | features::RXCSUM);
            let received = forward(&dev, tagged()?.into()).map_err(|_| EINVAL)?;
            results.push((received.0, received.1, received.2), GFP_KERNEL)?;
        }
        assert!(results[0] == (ethertype, None, 90));
        assert!(results[1] == (ETHERTYPE, Some(TAG), 86));
        // That one takes off the other kind only.
        assert!(results[2] == (ethertype, None, 90));
        Ok(())
    }

    #[test]
    fn metadata_moves_with_the_headers() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        set_features(&dev, features::RXCSUM);
        let mut skb = frame(100)?;
        skb.vlan_hwaccel_put_tag(TAG);
        // As a program at the interface where it was received has left it.
        // SAFETY: The packet is ours, and the shared info at the end of its buffer.
        unsafe {
            let raw = &*skb.as_ptr();
            let shinfo = raw.head.add(raw.end as usize);
            (*shinfo.cast::<bindings::skb_shared_info>()).meta_len = 4;
        }
        let meta_len = crate::bh::disabled(|| {
            skb.forward(&dev, &dev, 0).map(|rx| {
                // SAFETY: As above.
                let meta_len = unsafe {
                    let raw = &*rx.0.as_ptr();
                    let shinfo = raw.head.add(raw.end as usize);
                    (*shinfo.cast::<bindings::skb_shared_info>()).meta_len
                };
                rx.0.consume();
                meta_len
            })
        });
        assert!(meta_len == Ok(4));
        Ok(())
    }

    #[test]
    fn a_tag_in_the_data_is_taken_off() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        let in_data = || {
            let mut bytes = [0u8; 100];
            bytes[12..14].copy_from_slice(&(VlanProto::Ctag as u16).to_be_bytes());
            bytes[14..16].copy_from_slice(&TAG.tci.to_be_bytes());
            bytes[16..18].copy_from_slice(&ETHERTYPE.to_be_bytes());
            linear(&bytes)
        };
        set_features(&dev, features::RXCSUM | features::HW_VLAN_CTAG_RX);
        let stripped = forward(&dev, in_data()?.into()).map(|r| (r.0, r.1, r.2));
        // The data of a clone is not written.
        let mut skb: SkBuff<Cloned> = in_data()?.into();
        let clone = skb.try_clone(GFP_KERNEL)?;
        let cloned = forward(&dev, skb).map(|r| (r.0, r.1, r.2));
        let untouched = clone.data()[12..14] == (VlanProto::Ctag as u16).to_be_bytes();
        clone.consume();
        set_features(&dev, features::RXCSUM);
        let kept = forward(&dev, in_data()?.into()).map(|r| (r.0, r.1, r.2));
        assert!(stripped == Ok((ETHERTYPE, Some(TAG), 82)));
        assert!(cloned == stripped);
        assert!(untouched);
        assert!(kept == Ok((VlanProto::Ctag as u16, None, 86)));
        Ok(())
    }

    #[test]
    fn without_rxcsum_nothing_is_trusted() -> Result {
        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        let unnecessary = || {
            let mut skb = frame(100)?;
            skb.set_csum_unnecessary(0)?;
            Ok::<_, Error>(skb)
        };
        let partial = || {
            let mut skb = frame(100)?;
            skb.set_csum_partial(34, 6)?;
            Ok::<_, Error>(skb)
        };
        let mut known = KVec::new();
        for features in [features::RXCSUM, 0] {
            set_features(&dev, features);
            for skb in [unnecessary()?, partial()?] {
                let received = forward(&dev, skb.into()).map_err(|_| EINVAL)?;
                known.push(received.3, GFP_KERNEL)?;
            }
        }
        assert_eq!(known[0], IpSummed::Unnecessary { level: 0 });
        assert_eq!(
            known[1],
            IpSummed::Partial {
                start: 20,
                offset: 6
            }
        );
        assert_eq!(known[2], IpSummed::None);
        assert_eq!(known[3], IpSummed::None);
        Ok(())
    }

    /// Each allocation on the way fails once.
    #[cfg(all(
        CONFIG_FAILSLAB,
        CONFIG_FAIL_PAGE_ALLOC,
        CONFIG_FAULT_INJECTION_DEBUG_FS
    ))]
    #[test]
    fn no_memory_is_a_reason() -> Result {
        use crate::skb::tests::injection::each_failure;

        let kind = KBox::pin_init(Registration::register(), GFP_KERNEL)?;
        device(&kind)?;
        let dev = found()?;
        set_features(&dev, features::RXCSUM);
        let failed = each_failure(|fault| {
            let mut skb: SkBuff<Cloned> = frame(100)?.into();
            skb.vlan_hwaccel_put_tag(TAG);
            // A clone has to get headers of its own before the tag goes in.
            let clone = skb.try_clone(GFP_KERNEL)?;
            let result = fault.inject(|| forward(&dev, skb));
            clone.consume();
            match result {
                Ok(_) => Ok(true),
                Err(DropReason::NOMEM) => Ok(false),
                Err(_) => Err(EINVAL),
            }
        })?;
        assert!(failed >= 1);
        Ok(())
    }
}
