// SPDX-License-Identifier: GPL-2.0

//! The claim of a socket on a packet: who is charged, how much, and until when.
//!
//! The normal claim is built on `sock_wfree`, because the core treats that destructor specially:
//! segmentation hands it to the last segment, netem releases it and keeps the socket, GRO keeps it.
//! While a claim is on a packet exactly [`truesize`](Skb::truesize) bytes of the socket's
//! `sk_wmem_alloc` belong to it, so no safe method changes the one without the other.
//!
//! | claim                         | destructor    | worth      | keeps the socket    |
//! | ----------------------------- | ------------- | ---------- | ------------------- |
//! | [`SkBuff::set_owner_w`]       | `sock_wfree`  | `truesize` | its memory          |
//! | [`SkBuff::set_owner_wmem`]    | the family's  | `truesize` | its memory          |
//! | [`SkBuff::set_owner_r`]       | `sock_rfree`  | `truesize` | no                  |
//! | [`SkBuff::set_owner_sk_safe`] | `sock_efree`  | nothing    | by a reference      |
//! | [`SkBuff::set_owner_edemux`]  | `sock_edemux` | nothing    | by a reference      |
//!
//! `Documentation/destructors.rst` lists all destructors of the stack.

mod destructor;
mod name;
mod read;
mod set;

pub use self::{
    destructor::{
        run_destructor,
        Destructor,
        DestructorFn,
        RawSkBuff,
        WmemRef, //
    },
    name::DestructorName,
    read::{
        RcvCharged,
        ReceivedSkb, //
    }, //
};

use super::{
    SkBuff, //
    Skb,
    State,
};
use crate::{
    bindings,
    sock::Sock, //
};

/// A destructor as C knows it.
type RawDestructor = unsafe extern "C" fn(*mut bindings::sk_buff);

/// What kind of claim is on a packet, told by the address of its destructor.
///
/// Only what the kernel exports can be told apart so. [`Skb::destructor_name`] names the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerKind {
    /// No claim.
    None,
    /// Charged to a send buffer; the write-space callback runs at the end: `sock_wfree`.
    Write,
    /// Charged to a send buffer; nobody is woken: `__sock_wfree`, a pure ACK of TCP.
    WriteSilent,
    /// Charged to the send buffer of a TCP socket, which may send on at the end: `tcp_wfree`.
    WriteTcp,
    /// Charged to a receive buffer: `sock_rfree`.
    Read,
    /// Holds a reference to a socket, no bytes: `sock_efree`.
    Reference,
    /// Holds a reference to a socket, perhaps to a timewait or request socket: `sock_edemux`.
    EarlyDemux,
    /// Names the socket that will get the packet, perhaps without a reference: `sock_pfree`.
    Prefetch,
    /// A destructor that is not exported, or one of a module.
    Other,
}

/// What the claim on a packet is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// What kind of claim it is.
    pub kind: OwnerKind,
    /// The bytes that come back when it ends, or `None` if only the destructor knows.
    pub bytes: Option<u32>,
}

impl Skb {
    /// Returns the destructor.
    #[inline]
    fn destructor(&self) -> Option<RawDestructor> {
        // SAFETY: The packet is valid by the type invariant; it is in no TCP queue, where the field
        // would be a list head, because somebody lent it to us.
        unsafe {
            (*self.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor
        }
    }

    /// Returns what kind of claim is on the packet.
    pub fn owner_kind(&self) -> OwnerKind {
        let Some(destructor) = self.destructor() else {
            return OwnerKind::None;
        };
        let is = |known: RawDestructor| destructor as usize == known as usize;
        if is(bindings::sock_wfree) {
            OwnerKind::Write
        } else if is(bindings::tcp_wfree) {
            OwnerKind::WriteTcp
        } else if is(bindings::__sock_wfree) {
            OwnerKind::WriteSilent
        } else if is(bindings::sock_rfree) {
            OwnerKind::Read
        } else if is(bindings::sock_efree) {
            OwnerKind::Reference
        } else if is(bindings::sock_edemux) {
            OwnerKind::EarlyDemux
        } else if is(bindings::sock_pfree) {
            OwnerKind::Prefetch
        } else {
            OwnerKind::Other
        }
    }

    /// Returns what the claim on the packet is worth.
    ///
    /// The bytes are those of the send or receive buffer. They are [`truesize`](Self::truesize)
    /// for each destructor that charges at all, and it is what the core counts on when it replaces
    /// a destructor by `sock_wfree`.
    pub fn claim(&self) -> Claim {
        let kind = self.owner_kind();
        let bytes = match kind {
            OwnerKind::Write | OwnerKind::WriteSilent | OwnerKind::WriteTcp | OwnerKind::Read => {
                Some(self.truesize())
            }
            OwnerKind::None
            | OwnerKind::Reference
            | OwnerKind::EarlyDemux
            | OwnerKind::Prefetch => Some(0),
            OwnerKind::Other => None,
        };
        Claim { kind, bytes }
    }

    /// Returns the socket that the claim on the packet belongs to, if it is certain that there is
    /// one and that it lives as long as the claim.
    ///
    /// That is so for charges to a send buffer and for references, but not for those to a timewait
    /// or request socket, which is no whole `struct sock`. A receive charge keeps no socket alive:
    /// [`RcvCharged::sk`] has it. What an unknown destructor goes with nobody knows:
    /// [`owner_of`](Self::owner_of) tells for those of one's own family.
    ///
    /// The socket may be closed already: a charged packet keeps its memory alive, not the file.
    pub fn owner(&self) -> Option<&Sock> {
        // SAFETY: The packet is valid by the type invariant.
        let sk = unsafe { (*self.as_ptr()).sk };
        match self.owner_kind() {
            OwnerKind::Write | OwnerKind::WriteSilent | OwnerKind::WriteTcp => {}
            OwnerKind::Reference | OwnerKind::EarlyDemux => {
                // SAFETY: The claim holds a reference, and each kind of socket begins with a
                // `struct sock_common`; read once, as `sk_fullsock` does.
                let state = unsafe { (&raw const (*sk).__sk_common.skc_state).read_volatile() };
                if matches!(
                    u32::from(state),
                    bindings::TCP_TIME_WAIT | bindings::TCP_NEW_SYN_RECV
                ) {
                    return None;
                }
            }
            OwnerKind::None | OwnerKind::Read | OwnerKind::Prefetch | OwnerKind::Other => {
                return None;
            }
        }
        // SAFETY: These destructors go with a whole `struct sock` that lives as long as the claim,
        // and the claim ends only by way of an owner of the packet, who has lent it to us.
        Some(unsafe { Sock::from_raw(sk) })
    }
}

impl<S: State> SkBuff<S> {
    /// Puts a claim on the packet.
    ///
    /// # Safety
    ///
    /// There is none on it, and what `destructor` gives back belongs to the packet from now on.
    #[inline(always)]
    pub(super) unsafe fn install(&mut self, sk: *mut bindings::sock, destructor: RawDestructor) {
        let skb = self.raw_mut();
        skb.sk = sk;
        skb.__bindgen_anon_3.__bindgen_anon_1.destructor = Some(destructor);
    }
}
