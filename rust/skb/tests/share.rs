// SPDX-License-Identifier: GPL-2.0

//! Several references to one packet.

use crate::{
    skb::{
        SharedSkBuff,
        SkBuff, //
    },
    sock::testing::TestSock,
};
use kernel::prelude::*;

fn packet() -> Result<SkBuff> {
    let mut skb = SkBuff::alloc(0, 16, GFP_KERNEL)?;
    skb.put_data(b"data")?;
    Ok(skb)
}

/// Gives a reference back that should not have become an exclusive one.
fn shared(result: Result<SkBuff<crate::skb::Cloned>, SharedSkBuff>) -> Result<SharedSkBuff> {
    match result {
        Ok(skb) => {
            skb.consume();
            Err(EBUSY)
        }
        Err(skb) => Ok(skb),
    }
}

#[kunit_tests(knet_skb_share)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_reference_is_exclusive() -> Result {
        let one = packet()?.share();
        let two = one.get();
        assert_eq!((one.users(), one.as_ptr()), (2, two.as_ptr()));
        let one = shared(one.try_unshared())?;
        two.consume();
        let skb = one.try_unshared().map_err(|one| {
            one.consume();
            EBUSY
        })?;
        assert_eq!((skb.users(), skb.data()), (1, &b"data"[..]));
        skb.consume();
        Ok(())
    }

    #[test]
    fn share_check_clones_only_what_is_shared() -> Result {
        let one = packet()?.share();
        let address = one.as_ptr();
        let one = one.share_check(GFP_KERNEL)?;
        assert_eq!(one.as_ptr(), address);
        let one = one.share();
        let two = one.get().share_check(GFP_KERNEL)?;
        assert!(two.as_ptr() != address && two.cloned());
        // The reference that was given in is gone.
        assert_eq!(one.users(), 1);
        two.consume();
        one.consume();
        Ok(())
    }

    #[test]
    fn a_companion_is_given_to_nobody_by_share_check() -> Result {
        let mut skb = SkBuff::alloc_fclone(0, 16, GFP_KERNEL)?;
        skb.put_data(b"data")?;
        let one = skb.share();
        let two = one.get().share_check(GFP_KERNEL)?;
        // A copy: the companion is still free, and the original has its data for itself.
        assert!(!one.cloned() && two.data().as_ptr() != one.data().as_ptr());
        assert_eq!((two.data(), one.users()), (&b"data"[..], 1));
        two.consume();
        one.consume();
        Ok(())
    }

    #[test]
    fn c11_the_last_of_two_references_runs_the_destructor_once() -> Result {
        let sock = TestSock::new()?;
        let mut skb = packet()?;
        skb.set_owner_w(sock.sk());
        let charged = sock.w();
        let one = skb.share();
        let two = one.get();
        one.consume();
        assert_eq!(sock.w(), charged);
        two.consume();
        assert_eq!(sock.w(), 1);
        Ok(())
    }
}
