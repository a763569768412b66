// SPDX-License-Identifier: GPL-2.0

//! Segmentation: what can be asked for.

use crate::skb::{
    GsoType,
    SkBuff, //
};
use kernel::prelude::*;

const SIZE: u16 = 1000;

#[kunit_tests(knet_skb_gso)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_make_no_segments_are_refused() -> Result {
        let mut skb = SkBuff::alloc(0, 2542, GFP_KERNEL)?;
        skb.put(2542)?;
        assert!(!skb.is_gso() && skb.gso_type().is_none());
        let len = skb.len();
        for (size, payload) in [
            (0, 2500),
            (u16::MAX, 2500),
            (u16::MAX - 119, 2500),
            (SIZE, SIZE.into()),
            (SIZE, 0),
            (SIZE, len + 1),
            (SIZE, usize::MAX),
        ] {
            assert!(skb.set_gso(GsoType::UdpL4, size, payload) == Err(EINVAL));
        }
        assert!(!skb.is_gso());
        skb.set_gso(GsoType::UdpL4, SIZE, 2500)?;
        assert!(skb.is_gso() && skb.gso_type() == Some(GsoType::UdpL4));
        assert_eq!((skb.gso_size(), skb.gso_segs()), (SIZE, 3));
        skb.gso_reset();
        assert!(!skb.is_gso() && skb.gso_type().is_none());
        skb.consume();
        let mut skb = SkBuff::alloc(0, 1 << 17, GFP_KERNEL)?;
        skb.put(1 << 17)?;
        assert!(skb.set_gso(GsoType::Tcpv4, 2, 1 << 17) == Err(EINVAL));
        skb.set_gso(GsoType::Tcpv4, 2, (1 << 17) - 2)?;
        assert_eq!(skb.gso_segs(), u16::MAX);
        skb.consume();
        Ok(())
    }
}
