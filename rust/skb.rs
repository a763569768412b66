// SPDX-License-Identifier: GPL-2.0

//! Socket buffers: the packets of the network stack, with their ownership in the types.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! # Who owns a packet
//!
//! In C an upper layer gives its `struct sk_buff` away and the layer below frees it; nothing checks
//! that it is freed, that it is freed once, or that the upper layer leaves it alone afterwards.
//! Here a packet is a value:
//!
//! 1. [`SkBuff`] owns the packet: it holds the only reference (`users == 1`). It moves, it cannot
//!    be copied, and what was handed over cannot be named any more.
//! 2. [`SharedSkBuff`] holds one of several references (`skb_get`, a peeked packet). The packet can
//!    be read and given back, nothing else, until the holder is [the only
//!    one](SharedSkBuff::try_unshared) or has [a clone](SharedSkBuff::share_check).
//! 3. [`&Skb`](Skb) is a borrowed packet that somebody else owns.
//!
//! An owned packet ends in exactly one of these ways, each of which takes it by value:
//!
//! * [`SkBuff::consume`], [`SkBuff::napi_consume`]: it has done what it was made for;
//! * [`SkBuff::drop_with`]: it is lost, for a reason that dropwatch shows;
//! * it is handed to a [queue](SkbQueue), a [ring](crate::ring), a device or the stack.
//!
//! A packet that simply goes out of scope is a bug of the caller, but one that a kernel survives:
//! the packet is freed and [`implicit_drops`] goes up. The figure has to be 0 after every test and
//! can be read from `/sys/kernel/debug/knet/implicit_drops`.
//!
//! # What is in it
//!
//! The first bytes are linear, the others may be in page fragments. [`Skb::data`] is the linear
//! part, [`Skb::header_pointer`] finds a header wherever it is, and offsets remember where the
//! headers of the layers are ([`Skb::mac_header`] and others). Besides there are the device, the
//! protocol, marks and tags, and 48 bytes for whoever has the packet at the moment
//! ([`SkBuff::with_cb`]).
//!
//! # Who is charged for it
//!
//! The claim of a socket on a packet is separate from the memory. [`SkBuff::set_owner_w`] charges
//! the packet's [`truesize`](Skb::truesize) to the send buffer of a socket, and the bytes come back
//! when the packet is freed or when a layer says [`SkBuff::orphan`]. A clone carries no claim.
//! [`Destructor`] is for protocols that have to know when that is, [`SkBuff::set_owner_r`] for what
//! was received, [`Skb::claim`] and [`Skb::owner`] tell what is on a packet.
//!
//! # Where its bytes are
//!
//! The first [`headlen`](Skb::headlen) bytes are linear and can be borrowed. Those behind them are
//! in [page fragments](Skb::frags), and then in the [packets of a list](Skb::frag_list); they have
//! to be copied out, or made [linear](SkBuff::linearize).
//!
//! # Examples
//!
//! ```
//! use kernel::{prelude::*, sync::rcu};
//! use knet::{netdev::NetDevice, skb::{DropReason, SkBuff}, sock::LiveSock};
//!
//! fn send(sk: &LiveSock, dev: &NetDevice, header: &[u8], payload: &[u8]) -> Result {
//!     let mut skb = SkBuff::alloc(header.len(), payload.len(), GFP_KERNEL)?;
//!     if let Err(e) = skb.put_data(payload).and_then(|()| skb.push_data(header)) {
//!         skb.drop_with(DropReason::NOMEM);
//!         return Err(e);
//!     }
//!     skb.set_owner_w(sk);
//!     // After this `skb` is gone: the device frees it, and `sk` gets its bytes back.
//!     let guard = rcu::read_lock();
//!     skb.dev_queue_xmit(dev, &guard)
//! }
//! ```

mod alloc;
mod cb;
mod claim;
mod copy;
mod csum;
mod data;
mod dispose;
mod frag;
mod frag_list;
mod gso;
mod header;
mod meta;
mod queue;
mod reason;
mod resize;
mod share;
mod state;
mod wmem;
mod xmit;
mod zerocopy;

#[cfg(CONFIG_KUNIT)]
pub(crate) mod tests;

pub use self::{
    alloc::{
        PageFrag,
        PagedLayout,
        Unfilled, //
    },
    cb::WithCb,
    claim::{
        Claim,
        Destructor,
        DestructorFn,
        DestructorName,
        OwnerKind,
        RcvCharged,
        ReceivedSkb,
        WmemRef, //
    },
    csum::{
        IpSummed,
        Wsum, //
    },
    dispose::implicit_drops,
    frag::Frag,
    gso::{
        GsoType,
        Segmented, //
    },
    header::EthHdr,
    meta::{
        PktHashType,
        PktType,
        RxSkBuff,
        Tstamp,
        TstampType,
        TxMeta,
        VlanProto,
        VlanTag, //
    },
    queue::{
        Packets,
        SegmentList,
        SkbList,
        SkbQueue,
        SkbQueueGuard, //
    },
    reason::DropReason,
    share::SharedSkBuff,
    state::{
        Cloned,
        Failed,
        FrontMovable,
        HeaderPrivate,
        HeaderWritable,
        Private,
        State, //
    },
    zerocopy::{
        Completion,
        OnClone,
        UbufInfo, //
    }, //
};

#[doc(hidden)]
pub use self::claim::{
    run_destructor,
    RawSkBuff, //
};

pub(crate) use self::{
    alloc::{
        linear_size,
        TRUESIZE_MIN, //
    },
    dispose::IMPLICIT_DROPS, //
};

use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::types::Opaque;

/// A packet that somebody else owns: `struct sk_buff`, borrowed.
///
/// All methods read; none takes a lock.
///
/// # Invariants
///
/// The packet is valid and holds at least one reference for as long as it is borrowed. Nobody
/// writes to its linear data, or changes its fragments, meanwhile. All its bytes are initialised,
/// and so are those between its link-layer header and the data, where that header was set and lies
/// in front of the data.
#[repr(transparent)]
pub struct Skb(Opaque<bindings::sk_buff>);

impl Skb {
    /// Borrows a packet from C.
    ///
    /// # Safety
    ///
    /// `ptr` points to a packet that fulfils the invariants of [`Skb`] for the whole of `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::sk_buff) -> &'a Self {
        // INVARIANT: That is what the caller promises.
        // SAFETY: By the requirements of this function; the layouts are the same.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C knows.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.0.get()
    }
}

/// A packet and the only reference to it.
///
/// `S` says what of it may be written, see [`State`]: a packet that was just allocated is
/// [`Private`], one that came from the stack is [`Cloned`]. The [module page](self) tells how it
/// ends.
///
/// # Invariants
///
/// The pointer is to a valid `struct sk_buff` with `users == 1`, and that reference belongs to this
/// value. The packet is on no list. What the state `S` promises holds.
#[repr(transparent)]
pub struct SkBuff<S: State = Private>(NonNull<bindings::sk_buff>, PhantomData<S>);

// SAFETY: A packet is not bound to a thread or a CPU: the stack itself hands packets between them.
unsafe impl<S: State> Send for SkBuff<S> {}

// SAFETY: What `&SkBuff` can do is read.
unsafe impl<S: State> Sync for SkBuff<S> {}

impl<S: State> SkBuff<S> {
    /// Takes over a packet from C.
    ///
    /// # Safety
    ///
    /// `ptr` fulfils the invariants of [`SkBuff`] and the caller's reference passes to the result.
    #[inline(always)]
    pub unsafe fn from_raw(ptr: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: That is what the caller promises.
        Self(ptr, PhantomData)
    }

    /// Hands the packet, and with it the duty to free it, to C.
    #[inline(always)]
    pub fn into_raw(self) -> NonNull<bindings::sk_buff> {
        ManuallyDrop::new(self).0
    }
}

impl<S: State> Deref for SkBuff<S> {
    type Target = Skb;

    #[inline(always)]
    fn deref(&self) -> &Skb {
        // SAFETY: The packet is valid by the type invariant, and `&self` keeps writers away.
        unsafe { Skb::from_raw(self.0.as_ptr()) }
    }
}
