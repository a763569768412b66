// SPDX-License-Identifier: GPL-2.0

//! Telling claims apart.

use super::{
    charged,
    counting_sock,
    packet,
    TestSock, //
};
use crate::{
    bindings,
    skb::{
        Claim,
        OwnerKind,
        SkBuff, //
        Skb,
    },
};
use core::ptr;
use kernel::{
    prelude::*,
    str::CString, //
};

type Destructor = unsafe extern "C" fn(*mut bindings::sk_buff);

/// Each destructor that is exported, what it is called, and what it is worth to a packet of T.
const KNOWN: [(Destructor, &str, OwnerKind, bool); 7] = [
    (bindings::sock_wfree, "sock_wfree", OwnerKind::Write, true),
    (
        bindings::__sock_wfree,
        "__sock_wfree",
        OwnerKind::WriteSilent,
        true,
    ),
    (bindings::tcp_wfree, "tcp_wfree", OwnerKind::WriteTcp, true),
    (bindings::sock_rfree, "sock_rfree", OwnerKind::Read, true),
    (
        bindings::sock_efree,
        "sock_efree",
        OwnerKind::Reference,
        false,
    ),
    (
        bindings::sock_edemux,
        "sock_edemux",
        OwnerKind::EarlyDemux,
        false,
    ),
    (
        bindings::sock_pfree,
        "sock_pfree",
        OwnerKind::Prefetch,
        false,
    ),
];

/// One that knet does not know.
///
/// # Safety
///
/// None; it is never called.
unsafe extern "C" fn unknown(_skb: *mut bindings::sk_buff) {}

/// Calls `f` with a packet that seems to have a claim, which is taken off again without running.
fn with<R>(sock: &TestSock, destructor: Destructor, f: impl FnOnce(&Skb) -> R) -> Result<(R, u32)> {
    let mut skb = packet()?;
    let raw = skb.raw_mut();
    raw.sk = sock.sk().as_ptr();
    raw.__bindgen_anon_3.__bindgen_anon_1.destructor = Some(destructor);
    let result = f(&skb);
    let raw = skb.raw_mut();
    raw.sk = ptr::null_mut();
    raw.__bindgen_anon_3.__bindgen_anon_1.destructor = None;
    let t = skb.truesize();
    skb.consume();
    Ok((result, t))
}

/// The name of the destructor as it is printed.
fn name(skb: &Skb) -> Result<CString> {
    let name = skb.destructor_name().ok_or(ENOENT)?;
    Ok(CString::try_from_fmt(fmt!("{name}"))?)
}

#[kunit_tests(knet_skb_claim_kind)]
mod tests {
    use super::*;

    #[test]
    fn each_exported_destructor_is_told_apart() -> Result {
        let sock = counting_sock()?;
        for (destructor, _, kind, charges) in KNOWN {
            let (claim, t) = with(&sock, destructor, |skb| skb.claim())?;
            let bytes = Some(if charges { t } else { 0 });
            assert_eq!(claim, Claim { kind, bytes });
        }
        let (claim, _) = with(&sock, unknown, |skb| skb.claim())?;
        assert!(claim.kind == OwnerKind::Other && claim.bytes.is_none());
        let skb = packet()?;
        assert!(skb.claim().kind == OwnerKind::None && skb.claim().bytes == Some(0));
        skb.consume();
        Ok(())
    }

    #[test]
    fn an_owner_is_named_only_where_the_claim_keeps_it() -> Result {
        let sock = counting_sock()?;
        for (destructor, _, kind, _) in KNOWN {
            let (owner, _) = with(&sock, destructor, |skb| skb.owner().map(|sk| sk.as_ptr()))?;
            let keeps = !matches!(kind, OwnerKind::Read | OwnerKind::Prefetch);
            assert_eq!(owner, keeps.then_some(sock.sk().as_ptr()));
        }
        assert!(with(&sock, unknown, |skb| skb.owner().is_none())?.0);
        Ok(())
    }

    #[test]
    fn a_destructor_prints_as_its_symbol() -> Result {
        let sock = counting_sock()?;
        for (destructor, symbol, _, _) in KNOWN {
            let (printed, _) = with(&sock, destructor, name)?;
            assert_eq!(printed?.to_bytes(), symbol.as_bytes());
        }
        // One of a module is followed by the name of the module.
        let (printed, _) = with(&sock, unknown, name)?;
        assert!(printed?.to_bytes().ends_with(b" [knet]"));
        let skb = packet()?;
        assert!(skb.destructor_name().is_none());
        skb.consume();
        Ok(())
    }

    #[test]
    fn names_of_the_same_destructor_are_equal() -> Result {
        let sock = counting_sock()?;
        let (one, two): (SkBuff, SkBuff) = (charged(&sock)?, charged(&sock)?);
        assert!(one.destructor_name() == two.destructor_name());
        let (other, _) = with(&sock, unknown, |skb| skb.destructor_name())?;
        assert!(one.destructor_name() != other);
        one.consume();
        two.consume();
        Ok(())
    }
}
