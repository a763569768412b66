// SPDX-License-Identifier: GPL-2.0

//! A destructor of a family's own, charged to the send buffer as `sock_wfree` is.
//!
//! A protocol that wants to know when its packets have left the host (TCP does, to keep few of them
//! in queues below it) charges them with a destructor of its own. What is around that function is
//! the same for all, and is here:
//!
//! * Exactly [`truesize`](super::super::Skb::truesize) is charged while the claim is on the packet.
//!   The core relies on it where it replaces a destructor by `sock_wfree`: fragmentation,
//!   `skb_expand_head()` and others do. Then [`Destructor::wfree`] is not called for that packet,
//!   and the bytes come back all the same. Segmentation in software calls it before the first
//!   segment is sent, because the core knows no way to hand such a claim on.
//! * Nothing is kept in the packet but `sk` and `destructor`: not in `cb`, which other layers
//!   write to, nor in `destructor_arg`, which zero-copy has.
//! * All bytes but one come back before the function is called, and that one keeps the memory of
//!   the socket until the function has given it back: [`WmemRef`].
//! * The function has a symbol with a readable name, see [`skb_destructor`](crate::skb_destructor).
//!
//! # Unloading the module
//!
//! A charged packet keeps the memory of the socket, the socket keeps the module of its protocol
//! (`proto.owner`), and the trait can be implemented for a family only where the family is, so the
//! function is there as long as the packet is. When the last byte has come back the module may go
//! while the function is at its very end. [`Registration`](crate::sock::Registration) waits for
//! that when it is dropped, with `synchronize_rcu_tasks()`.
//!
//! # Examples
//!
//! ```ignore
//! impl Destructor for Example {
//!     const DESTRUCTOR: DestructorFn<Self> = knet::skb_destructor!(example_wfree: Example);
//!
//!     fn wfree(sk: WmemRef<Self>, _bytes: u32) {
//!         sk.data().packets.sub(1, Relaxed);
//!         sk.write_space();
//!     }
//! }
//!
//! skb.set_owner_wmem(sk);
//! ```

use super::{
    super::{
        SkBuff, //
        Skb,
        State,
    },
    RawDestructor, //
};
use crate::{
    bindings,
    refcount::Refcount,
    sock::{
        Family,
        LiveSocket,
        Socket, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// `struct sk_buff` as the function sees it that [`skb_destructor`](crate::skb_destructor) makes.
#[doc(hidden)]
pub type RawSkBuff = bindings::sk_buff;

/// A family whose packets end in a function of its own.
pub trait Destructor: Family {
    /// What C calls: made by [`skb_destructor`](crate::skb_destructor).
    const DESTRUCTOR: DestructorFn<Self>;

    /// A packet that was charged with [`SkBuff::set_owner_wmem`] was freed, orphaned, or
    /// segmented. `bytes` have come back, but for the one that `sk` stands for.
    ///
    /// Writers are not woken: call [`WmemRef::write_space`] for that. Whatever is read here was not
    /// read before the bytes were back.
    ///
    /// Context: any but hard interrupt; perhaps with the lock of a transmit queue held, so nothing
    /// may be sent from here. The socket may be closed.
    fn wfree(sk: WmemRef<Self>, bytes: u32);
}

/// The function that C calls for the packets of `F`.
///
/// # Invariants
///
/// The function does what [`run_destructor`] does, and is in the module of `F`.
pub struct DestructorFn<F>(RawDestructor, PhantomData<fn(F)>);

impl<F: Destructor> DestructorFn<F> {
    /// Used by [`skb_destructor`](crate::skb_destructor).
    ///
    /// # Safety
    ///
    /// `function` calls [`run_destructor::<F>`](run_destructor) and does nothing else.
    #[doc(hidden)]
    pub const unsafe fn new(function: RawDestructor) -> Self {
        // INVARIANT: That is what the caller promises; the macro puts the function where it is
        // used, which is where the trait is implemented: in the module of `F`.
        Self(function, PhantomData)
    }
}

/// Makes the function that C calls when a packet of a family ends: `skb_destructor!(name: Family)`.
///
/// `name` is its symbol: what `%ps`, kallsyms, ftrace and bpftrace's `ksym()` show as the
/// destructor of a packet. Symbols are not exported, but a prefix keeps them apart for people.
#[macro_export]
macro_rules! skb_destructor {
    ($name:ident: $family:ty) => {{
        /// # Safety
        ///
        /// C calls it once for a packet that was charged for the family.
        #[no_mangle]
        unsafe extern "C" fn $name(skb: *mut $crate::skb::RawSkBuff) {
            // SAFETY: By the requirements of this function.
            unsafe { $crate::skb::run_destructor::<$family>(skb) };
        }

        // SAFETY: The function does nothing else.
        unsafe { $crate::skb::DestructorFn::<$family>::new($name) }
    }};
}

/// What a destructor does.
///
/// # Safety
///
/// Called once, as the destructor of a packet whose claim was installed for `F`.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn run_destructor<F: Destructor>(skb: *mut RawSkBuff) {
    // SAFETY: The packet is valid during the call, and the fields are still set.
    let (sk, bytes) = unsafe { ((*skb).sk, (*skb).truesize) };
    // SAFETY: The socket lives as long as the charge. One byte of it stays, so the counter does not
    // come to zero here, and becomes the reference.
    let sk = unsafe {
        Refcount::from_raw(&raw mut (*sk).sk_wmem_alloc).sub_and_test(bytes as i32 - 1);
        WmemRef::from_raw(NonNull::new_unchecked(sk))
    };
    F::wfree(sk, bytes);
}

/// One byte of a send buffer. It keeps the memory of the socket, not the file: `sk_refcnt` may be
/// zero.
///
/// It may be kept, and given back later: TCP's takes the socket to the work that sends on.
///
/// # Invariants
///
/// The pointer is to a socket of `F`, and one of its `sk_wmem_alloc` belongs to this value.
pub struct WmemRef<F: Family>(NonNull<bindings::sock>, PhantomData<F>);

// SAFETY: Whoever has the last one frees the socket, on any CPU; what it gives access to is shared.
unsafe impl<F: Family> Send for WmemRef<F> {}
// SAFETY: As above.
unsafe impl<F: Family> Sync for WmemRef<F> {}

impl<F: Family> WmemRef<F> {
    /// Takes over one of `sk_wmem_alloc`.
    ///
    /// # Safety
    ///
    /// `sk` is a socket of `F`, and one of its `sk_wmem_alloc` passes to the result.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(sk: NonNull<bindings::sock>) -> Self {
        // INVARIANT: That is what the caller promises.
        Self(sk, PhantomData)
    }

    /// Hands the reference to C, or to a list of one's own.
    #[inline(always)]
    pub fn into_raw(self) -> NonNull<bindings::sock> {
        ManuallyDrop::new(self).0
    }

    /// Calls the socket's write-space callback, which wakes writers if there is room enough.
    ///
    /// W is higher by one than it will be, as in `sock_wfree`.
    ///
    /// Context: any but hard interrupt.
    #[inline]
    pub fn write_space(&self) {
        let sk = self.0.as_ptr();
        // SAFETY: The socket is valid by the type invariant. The callback is never null; it is read
        // once, as READ_ONCE does.
        unsafe {
            if let Some(callback) = (&raw const (*sk).sk_write_space).read_volatile() {
                callback(sk);
            }
        }
    }
}

impl<F: Destructor> WmemRef<F> {
    /// Charges a packet as [`SkBuff::set_owner_wmem`] does. The socket may be closed, as long as
    /// the byte is held.
    #[inline]
    pub fn set_owner_wmem<S: State>(&self, skb: &mut SkBuff<S>) {
        // SAFETY: The socket is of `F`, and one of `sk_wmem_alloc` is ours.
        unsafe { skb.charge::<F>(self.0.as_ptr()) };
    }
}

impl<F: Family> Deref for WmemRef<F> {
    type Target = Socket<F>;

    #[inline(always)]
    fn deref(&self) -> &Socket<F> {
        // SAFETY: The socket is of `F` and lives as long as this value by the type invariant.
        unsafe { Socket::from_raw(self.0.as_ptr()) }
    }
}

impl<F: Family> Drop for WmemRef<F> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: One of `sk_wmem_alloc` is ours by the type invariant, and this is the end of it.
        unsafe { bindings::sk_free(self.0.as_ptr()) };
    }
}

impl<S: State> SkBuff<S> {
    /// Charges the packet to the send buffer of `sk`, with the destructor of the family:
    /// [`Destructor::wfree`] is called when it ends.
    ///
    /// Otherwise as [`set_owner_w`](Self::set_owner_w).
    ///
    /// Context: any but hard interrupt.
    #[inline]
    pub fn set_owner_wmem<F: Destructor>(&mut self, sk: &LiveSocket<F>) {
        // SAFETY: The socket is of `F`, and has a reference, so `sk_wmem_alloc` is not zero.
        unsafe { self.charge::<F>(sk.as_ptr()) };
    }

    /// # Safety
    ///
    /// `sk` is a socket of `F` whose `sk_wmem_alloc` is not zero, even if the claim goes that is on
    /// the packet.
    #[inline]
    unsafe fn charge<F: Destructor>(&mut self, sk: *mut bindings::sock) {
        self.orphan();
        // SAFETY: The packet has no claim; its truesize is charged below, before anybody else sees
        // the packet.
        unsafe { self.install(sk, F::DESTRUCTOR.0) };
        let truesize = self.truesize() as i32;
        // SAFETY: The socket is valid by the requirements of this function; `sk_txhash` is read
        // once, as READ_ONCE does.
        let (old, hash) = unsafe {
            (
                Refcount::from_raw(&raw mut (*sk).sk_wmem_alloc).add(truesize),
                (&raw const (*sk).sk_txhash).read_volatile(),
            )
        };
        let headers = self.headers_mut();
        // As `skb_set_owner_w`: the flow of the socket, and whether it may change its queue now.
        if hash != 0 {
            headers.set_l4_hash(1);
            headers.hash = hash;
        }
        headers.set_ooo_okay((old == bindings::SK_WMEM_ALLOC_BIAS as i32).into());
    }
}

impl Skb {
    /// Returns the socket of `F` that the packet is charged to with the destructor of `F`, or
    /// `None` if it has another claim or none.
    #[inline]
    pub fn owner_of<F: Destructor>(&self) -> Option<&Socket<F>> {
        if self.destructor()? as usize != F::DESTRUCTOR.0 as usize {
            return None;
        }
        // SAFETY: That destructor goes with a socket of `F` that lives as long as the charge.
        Some(unsafe { Socket::from_raw((*self.as_ptr()).sk) })
    }
}
