// SPDX-License-Identifier: GPL-2.0

//! Packets whose pages are those of a program: zero-copy transmission.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! A program must not change what it has sent before it has left the machine, so somebody has to
//! tell it when that is. Each packet that has pages of a program, and each clone of it that shares
//! them, holds a reference to a `struct ubuf_info`; when the last one is gone its callback runs.
//! [`UbufInfo`] is such a reference, and [`Completion`] the callback:
//!
//! 1. Make a [`UbufInfo`] for one call of `sendmsg(2)`.
//! 2. Add pages to one or more packets with [`SkBuff::zerocopy_from_iter`].
//! 3. Drop the [`UbufInfo`] and send the packets. [`Completion::complete`] runs when all of them
//!    are freed, or when their pages were replaced by copies.
//!
//! The pointer lies in the same word of the shared info as `destructor_arg`, so a packet has either
//! the one or the other.

use super::{
    Private,
    SkBuff, //
    State,
};
use crate::{
    bindings,
    gfp, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::Flags,
    bindings::module,
    error::to_result,
    iov::IovIterSource,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Refcount, //
    },
    types::Opaque,
    ThisModule, //
};

/// What has to be done when the pages of a program are free again.
pub trait Completion: Send + Sized + 'static {
    /// No packet uses the pages any more.
    ///
    /// `zerocopy_success` is false if the data of a packet was copied on the way: the program has
    /// saved nothing, and had better send by copying.
    ///
    /// Context: where the last packet was freed: any but hard interrupt, RCU read-locked. Must not
    /// sleep.
    fn complete(self, zerocopy_success: bool);
}

/// What becomes of the pages when a packet that has them is cloned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnClone {
    /// They are copied first: the program never waits for a clone that stays somewhere.
    Copy,
    /// The clone shares them: `SKBFL_DONT_ORPHAN`, as MSG_ZEROCOPY does. They are only copied where
    /// a packet turns back to the receiving side.
    Share,
}

/// What C knows of a [`UbufInfo`].
///
/// # Invariants
///
/// `finish` may be called once, when the last reference is gone; until then a reference to `module`
/// is held, which contains it.
#[repr(C)]
struct Header {
    ubuf: Opaque<bindings::ubuf_info>,
    copied: Atomic<bool>,
    module: *mut module,
    finish: unsafe fn(NonNull<Header>, bool),
}

impl Header {
    fn refcount(&self) -> &Refcount {
        // SAFETY: The field is a `refcount_t`, which `Refcount` is a name for.
        unsafe { &*(&raw const (*self.ubuf.get()).refcnt).cast() }
    }
}

/// A [`Header`] and the completion behind it.
#[repr(C)]
struct Inner<C> {
    header: Header,
    completion: C,
}

/// For all completions: the function is in knet, so it is there after the module of the completion
/// has gone.
static OPS: bindings::ubuf_info_ops = bindings::ubuf_info_ops {
    complete: Some(complete),
    link_skb: None,
};

/// Gives up a reference.
///
/// # Safety
///
/// `ubuf` is the first field of a [`Header`], and the reference belongs to the caller.
unsafe extern "C" fn complete(
    _skb: *mut bindings::sk_buff,
    ubuf: *mut bindings::ubuf_info,
    zerocopy_success: bool,
) {
    let header: *mut Header = ubuf.cast();
    // SAFETY: The reference keeps the header.
    unsafe {
        if !zerocopy_success {
            // Whoever gives up the last reference sees it.
            (*header).copied.store(true, Relaxed);
        }
        if !(*header).refcount().dec_and_test() {
            return;
        }
    }
    // The module may be unloaded as soon as its reference is gone, and knet with it; but not before
    // this section is left.
    let _guard = rcu::read_lock();
    // SAFETY: By the type invariant of `Header`: this was the last reference. The header is gone
    // when `finish` returns.
    unsafe {
        let (module, success) = ((*header).module, !(*header).copied.load(Relaxed));
        ((*header).finish)(NonNull::new_unchecked(header), success);
        kernel::bindings::module_put(module);
    }
}

/// Frees the memory and calls the completion.
///
/// # Safety
///
/// `header` is that of an `Inner<C>` that was made by [`UbufInfo::new`] and has no references.
unsafe fn finish<C: Completion>(header: NonNull<Header>, zerocopy_success: bool) {
    // SAFETY: By the requirements of this function; it came out of a `KBox`.
    let inner = unsafe { KBox::<Inner<C>>::from_raw(header.as_ptr().cast()) };
    let completion = KBox::into_inner(inner).completion;
    completion.complete(zerocopy_success);
}

/// A reference to what tells a program that its pages are free again: `struct ubuf_info`.
///
/// Dropping it gives the reference up, and so does freeing a packet that has one. The last one
/// calls [`Completion::complete`].
///
/// # Invariants
///
/// The pointer is to the header of a valid `Inner<C>`, and one reference to it belongs to this
/// value.
pub struct UbufInfo<C: Completion>(NonNull<Header>, PhantomData<C>);

// SAFETY: References may be given up anywhere, and the completion may be called anywhere.
unsafe impl<C: Completion> Send for UbufInfo<C> {}

// SAFETY: What `&UbufInfo` can do is take another reference.
unsafe impl<C: Completion> Sync for UbufInfo<C> {}

impl<C: Completion> UbufInfo<C> {
    /// Makes the first reference. `module` is the one that `C` is in; it cannot be unloaded until
    /// the completion has run.
    ///
    /// Context: what `flags` allow.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENODEV` if the module is going. The completion is dropped then, not called.
    pub fn new(
        module: &'static ThisModule,
        completion: C,
        on_clone: OnClone,
        flags: Flags,
    ) -> Result<Self> {
        let mut ubuf_flags = bindings::SKBFL_ZEROCOPY_ENABLE | bindings::SKBFL_SHARED_FRAG;
        if on_clone == OnClone::Share {
            ubuf_flags |= bindings::SKBFL_DONT_ORPHAN;
        }
        let ubuf = bindings::ubuf_info {
            ops: &OPS,
            refcnt: bindings::refcount_t {
                refs: bindings::atomic_t { counter: 1 },
            },
            flags: ubuf_flags as u8,
        };
        let inner = KBox::new(
            Inner {
                header: Header {
                    ubuf: Opaque::new(ubuf),
                    copied: Atomic::new(false),
                    module: module.as_ptr(),
                    finish: finish::<C>,
                },
                completion,
            },
            flags,
        )?;
        // SAFETY: The module is valid, since it runs.
        if !unsafe { kernel::bindings::try_module_get(module.as_ptr()) } {
            return Err(ENODEV);
        }
        // SAFETY: A `KBox` is not null.
        let header = unsafe { NonNull::new_unchecked(KBox::into_raw(inner).cast()) };
        // INVARIANT: The count is 1, and that is the reference of this value.
        Ok(Self(header, PhantomData))
    }

    /// The references that there are, for tests.
    #[cfg(CONFIG_KUNIT)]
    pub(super) fn references(&self) -> i32 {
        // SAFETY: Valid by the type invariant.
        unsafe { self.0.as_ref() }
            .refcount()
            .as_atomic()
            .load(Relaxed)
    }
}

impl<C: Completion> Drop for UbufInfo<C> {
    /// C: [`net_zcopy_put`](srctree/include/linux/skbuff.h)
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant, and this is the end of it.
        unsafe { complete(ptr::null_mut(), self.0.as_ptr().cast(), true) };
    }
}

impl SkBuff<Private> {
    /// Appends the next `len` bytes of a program without copying them: its pages become fragments
    /// of the packet, which takes a reference to `ubuf` if it has none yet.
    ///
    /// The packet must be charged to a send buffer; the charge grows with
    /// [`truesize`](super::Skb::truesize) by the pages. Returns how many bytes were appended, which
    /// are less than `len` if the packet cannot have more fragments, or `from` has no more.
    ///
    /// Context: process, may sleep.
    ///
    /// # Errors
    ///
    /// * `EINVAL` if the packet is not charged to a send buffer, has a fragment list, or `from` is
    ///   not the memory of a program;
    /// * `EEXIST` if it has pages that another [`UbufInfo`] is for;
    /// * `EMSGSIZE` if it cannot have more fragments, would be longer than any packet, or stand for
    ///   more memory;
    /// * `EFAULT` if the memory cannot be read.
    ///
    /// The packet, its charge and `from` are what they were then.
    ///
    /// C: [`skb_zerocopy_iter_dgram`](srctree/include/linux/skbuff.h), `skb_zcopy_set`
    pub fn zerocopy_from_iter<C: Completion>(
        &mut self,
        from: &mut IovIterSource<'_>,
        len: usize,
        ubuf: &UbufInfo<C>,
    ) -> Result<usize> {
        if !self.is_wmem() || self.has_frag_list() || !is_user_backed(from) {
            return Err(EINVAL);
        }
        if self.is_zerocopy() && self.uarg() != ubuf.0.as_ptr().cast() {
            return Err(EEXIST);
        }
        let (before, truesize) = (self.len(), self.truesize());
        if len > (bindings::GSO_MAX_SIZE as usize).saturating_sub(before) {
            return Err(EMSGSIZE);
        }
        // SAFETY: The packet is ours alone and charged to a socket, whose `sk_wmem_alloc` grows
        // with truesize, whatever the result; the iterator is valid.
        let result = to_result(unsafe {
            bindings::__zerocopy_sg_from_iter(
                ptr::null_mut(),
                ptr::null_mut(),
                self.as_ptr(),
                from.as_raw().cast(),
                len,
                ptr::null_mut(),
            )
        });
        let added = self.len() - before;
        let error = match (result, self.truesize_with(0)) {
            // Each page counts whole, however few of its bytes are added at a time.
            (_, Err(error)) => Some(error),
            // If not all of it fits, what does is a success.
            (Err(error), _) if error != EMSGSIZE || added == 0 => Some(error),
            _ => None,
        };
        if let Some(error) = error {
            self.zerocopy_undo(before, truesize);
            // SAFETY: It was advanced by what was added.
            unsafe { from.revert(added) };
            return Err(error);
        }
        if added != 0 && !self.is_zerocopy() {
            self.set_uarg(ubuf);
        }
        Ok(added)
    }

    /// Takes the fragments off that were added to a packet of that length and truesize.
    fn zerocopy_undo(&mut self, len: usize, truesize: u32) {
        if self.len() != len {
            // SAFETY: The packet is ours alone and longer. Nothing is allocated for cutting
            // fragments of a packet that is not cloned, so it does not fail.
            unsafe { bindings::___pskb_trim(self.as_ptr(), len as u32) };
        }
        self.wmem_sub(self.truesize() - truesize);
    }

    /// Lets the packet hold a reference: `skb_zcopy_set`.
    fn set_uarg<C: Completion>(&mut self, ubuf: &UbufInfo<C>) {
        let shinfo = self.shinfo();
        // SAFETY: The header is valid by the type invariant of `UbufInfo`. The shared info is ours
        // alone by the state of the packet.
        unsafe {
            let header = ubuf.0.as_ref();
            header.refcount().inc();
            (*shinfo).__bindgen_anon_2.destructor_arg = header.ubuf.get().cast();
            (*shinfo).flags |= (*header.ubuf.get()).flags;
        }
    }

    /// Which reference the packet holds: `skb_uarg`.
    fn uarg(&self) -> *mut bindings::ubuf_info {
        // SAFETY: The packet is valid; the word may be read under either of its names.
        unsafe { (*self.shinfo()).__bindgen_anon_2.destructor_arg.cast() }
    }
}

impl<S: State> SkBuff<S> {
    /// Replaces pages that belong to a program by copies, unless their [`UbufInfo`] lets clones
    /// share them: `skb_orphan_frags`.
    ///
    /// A device does that with a packet that it keeps for longer than it takes to send it. The
    /// packet gives its reference up, with `zerocopy_success` false. The claim, and truesize under
    /// it, do not change.
    ///
    /// Context: what `flags` allow.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL` if there is none to unshare the headers, `EFAULT` if the CPU cannot read
    /// the pages. The packet is what it was.
    ///
    /// C: [`skb_orphan_frags`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn orphan_frags(&mut self, flags: Flags) -> Result {
        if !self.is_zerocopy() {
            return Ok(());
        }
        // SAFETY: The packet is ours alone.
        to_result(unsafe { bindings::skb_orphan_frags(self.as_ptr(), gfp::as_raw(flags)) })
    }

    /// As [`orphan_frags`](Self::orphan_frags), whatever the [`UbufInfo`] allows: for a packet that
    /// turns to the receiving side, where it may stay for ever.
    ///
    /// C: [`skb_orphan_frags_rx`](srctree/include/linux/skbuff.h)
    #[inline]
    pub fn orphan_frags_rx(&mut self, flags: Flags) -> Result {
        if !self.is_zerocopy() {
            return Ok(());
        }
        // SAFETY: The packet is ours alone.
        to_result(unsafe { bindings::skb_orphan_frags_rx(self.as_ptr(), gfp::as_raw(flags)) })
    }
}

/// `user_backed_iter`: the pages of other iterators have no references that a packet could take.
fn is_user_backed(from: &mut IovIterSource<'_>) -> bool {
    use kernel::bindings::{
        iter_type_ITER_IOVEC,
        iter_type_ITER_UBUF, //
    };

    // SAFETY: The iterator is valid.
    let kind = u32::from(unsafe { (*from.as_raw()).iter_type });
    kind == iter_type_ITER_UBUF || kind == iter_type_ITER_IOVEC
}
