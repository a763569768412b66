// SPDX-License-Identifier: GPL-2.0

//! Packets in a row: queues, lists, chains of segments.
//!
//! | type            | in C                                | who may touch it                    |
//! | --------------- | ----------------------------------- | ----------------------------------- |
//! | [`SkbQueue`]    | `struct sk_buff_head`, with its lock | everybody, at any time              |
//! | [`SkbList`]     | `struct sk_buff_head` on the stack  | its owner; it moves, and has no lock |
//! | [`SegmentList`] | packets chained by `skb->next`      | its owner, from the front           |
//!
//! All of them own their packets. One that goes out of scope with packets in it frees them, and
//! each counts as an [implicit drop](crate::skb::implicit_drops).
//!
//! Claims stay on packets in a queue: a queue of charged packets holds back their sender.

mod list;
mod segments;

pub use self::{
    list::SkbList,
    segments::SegmentList, //
};

use super::{
    Cloned,
    DropReason,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use core::{
    marker::PhantomData,
    pin::Pin,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        lock::{
            spinlock::SpinLockIrqBackend,
            Backend,
            Lock, //
        },
        LockClassKey,
        SpinLockIrqGuard, //
    },
    types::Opaque, //
};

/// The two links that a packet and the head of a queue begin with: `struct sk_buff_list`.
type Links = bindings::sk_buff_head__bindgen_ty_1_sk_buff_list;

/// Returns the links of a packet, or of the head of a queue that was cast to one.
#[inline(always)]
fn links(skb: *mut bindings::sk_buff) -> *mut Links {
    skb.cast()
}

/// Makes a [`SkbQueue`] with a lock class of its own, as `skb_queue_head_init()` does.
///
/// It uses the name if one is given, otherwise it generates one from the file and the line.
///
/// # Examples
///
/// ```ignore
/// #[pin_data]
/// struct Port {
///     #[pin]
///     backlog: SkbQueue,
/// }
///
/// pin_init!(Port { backlog <- new_skb_queue!("Port::backlog") })
/// ```
#[macro_export]
macro_rules! new_skb_queue {
    ($($name:literal)?) => {
        $crate::skb::SkbQueue::new(
            ::kernel::optional_name!($($name)?), ::kernel::static_lock_class!())
    };
}

/// A queue of packets with a lock: `struct sk_buff_head`.
///
/// Each method but [`len`](Self::len) and [`is_empty`](Self::is_empty) takes the lock, with
/// interrupts disabled, so a queue may be used from any context. What frees packets says so.
///
/// # Invariants
///
/// The head is initialised. What is linked to it is exactly `qlen` packets, in both directions;
/// each of them was a [`SkBuff<S>`] whose reference belongs to the queue now. The links change only
/// under the lock.
#[pin_data(PinnedDrop)]
pub struct SkbQueue<S: State = Cloned> {
    #[pin]
    head: Opaque<bindings::sk_buff_head>,
    packets: PhantomData<SkBuff<S>>,
}

// SAFETY: Packets can be sent, and the lock keeps the links together.
unsafe impl<S: State> Send for SkbQueue<S> {}
// SAFETY: As above.
unsafe impl<S: State> Sync for SkbQueue<S> {}

impl<S: State> SkbQueue<S> {
    /// Makes an empty queue. [`new_skb_queue!`](crate::new_skb_queue) fills in the lock class.
    ///
    /// C: [`skb_queue_head_init`](srctree/include/linux/skbuff.h)
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        // INVARIANT: An empty ring, without packets.
        pin_init!(Self {
            // SAFETY: The memory is there and does not move; name and class are there for ever.
            head <- Opaque::ffi_init(|head: *mut bindings::sk_buff_head| unsafe {
                SpinLockIrqBackend::init(
                    (&raw mut (*head).lock).cast(),
                    name.as_char_ptr(),
                    key.as_ptr(),
                );
                init(head);
            }),
            packets: PhantomData,
        })
    }

    /// Appends a packet: `skb_queue_tail`.
    ///
    /// C: [`skb_queue_tail`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn queue_tail(&self, skb: SkBuff<S>) {
        // SAFETY: The head is initialised, the packet is valid and on no list; its reference passes
        // to the queue.
        unsafe { bindings::skb_queue_tail(self.head.get(), skb.into_raw().as_ptr()) };
    }

    /// Puts a packet in front of the others: `skb_queue_head`.
    ///
    /// C: [`skb_queue_head`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn queue_head(&self, skb: SkBuff<S>) {
        // SAFETY: As in `queue_tail`.
        unsafe { bindings::skb_queue_head(self.head.get(), skb.into_raw().as_ptr()) };
    }

    /// Takes the first packet: `skb_dequeue`.
    ///
    /// C: [`skb_dequeue`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn dequeue(&self) -> Option<SkBuff<S>> {
        // SAFETY: The head is initialised.
        let skb = NonNull::new(unsafe { bindings::skb_dequeue(self.head.get()) })?;
        // SAFETY: It is on the list no more, so its reference is ours, by the type invariant.
        Some(unsafe { SkBuff::from_raw(skb) })
    }

    /// Takes the last packet: `skb_dequeue_tail`.
    ///
    /// C: [`skb_dequeue_tail`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn dequeue_tail(&self) -> Option<SkBuff<S>> {
        // SAFETY: The head is initialised.
        let skb = NonNull::new(unsafe { bindings::skb_dequeue_tail(self.head.get()) })?;
        // SAFETY: As in `dequeue`.
        Some(unsafe { SkBuff::from_raw(skb) })
    }

    /// Takes the first packet that `wanted` says yes to, wherever it is: `skb_unlink`.
    ///
    /// `wanted` runs under the lock, with interrupts disabled.
    ///
    /// C: [`skb_unlink`](srctree/net/core/skbuff.c)
    pub fn unlink_first(&self, mut wanted: impl FnMut(&Skb) -> bool) -> Option<SkBuff<S>> {
        let guard = self.lock();
        let skb = guard.iter().find(|skb| wanted(skb))?.as_ptr();
        // SAFETY: The packet was found on this list, and the lock is still held. Nobody borrows it:
        // the guard lends packets no longer than itself.
        unsafe { unlink(self.head.get(), skb) };
        drop(guard);
        // SAFETY: It is on the list no more, so its reference is ours, by the type invariant.
        Some(unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) })
    }

    /// Takes all packets at once: `skb_queue_splice_init` to a list on the stack.
    ///
    /// C: [`skb_queue_splice_init`](srctree/include/linux/skbuff.h)
    pub fn take_all(&self) -> SkbList<S> {
        let head = self.head.get();
        let guard = self.lock();
        // SAFETY: The lock is held; the first and the last packet are valid if there are any, and
        // what is linked between them belongs to the list now.
        let list = unsafe {
            let Links { next, prev } = *links(head.cast());
            let list = SkbList::from_ring(next, prev, (*head).qlen, head.cast());
            init(head);
            list
        };
        drop(guard);
        list
    }

    /// Appends all packets of `list`, in their order: `skb_queue_splice_tail`.
    ///
    /// C: [`skb_queue_splice_tail`](srctree/include/linux/skbuff.h)
    pub fn queue_tail_all(&self, list: SkbList<S>) {
        let head: *mut bindings::sk_buff_head = self.head.get();
        let Some((first, last, len)) = list.into_raw() else {
            return;
        };
        let guard = self.lock();
        // SAFETY: The lock is held; `first` to `last` are a chain of packets that belongs to the
        // caller and passes to the queue.
        unsafe {
            let end = (*links(head.cast())).prev;
            (*links(first)).prev = end;
            (*links(last)).next = head.cast();
            (&raw mut (*links(end)).next).write_volatile(first);
            (&raw mut (*links(head.cast())).prev).write_volatile(last);
            let qlen = &raw mut (*head).qlen;
            qlen.write_volatile(*qlen + len);
        }
        drop(guard);
    }

    /// Frees all packets for `reason`: `skb_queue_purge_reason`.
    ///
    /// Their claims go back. Context: as [`SkBuff::drop_with`].
    ///
    /// C: [`skb_queue_purge_reason`](srctree/net/core/skbuff.c)
    #[inline]
    pub fn purge_with(&self, reason: DropReason) {
        // SAFETY: The head is initialised; the references on it pass to C.
        unsafe { bindings::skb_queue_purge_reason(self.head.get(), reason.as_raw()) };
    }

    /// How many packets are queued at this moment: `skb_queue_len_lockless`.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        // SAFETY: The head is initialised. Others may write meanwhile, so the field is read once,
        // as READ_ONCE() does.
        unsafe { (&raw const (*self.head.get()).qlen).read_volatile() }
    }

    /// Whether nothing is queued at this moment: `skb_queue_empty_lockless`.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        let head: *mut bindings::sk_buff = self.head.get().cast();
        // SAFETY: As in `len`.
        unsafe { (&raw const (*links(head)).next).read_volatile() == head }
    }

    /// Takes the lock, to look at the packets where they are.
    ///
    /// Interrupts are disabled while the guard lives: free no packet meanwhile, and call nothing of
    /// this queue but the guard.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let first = queue.lock().peek().map(|skb| skb.len());
    /// ```
    #[inline]
    pub fn lock(&self) -> SkbQueueGuard<'_, S> {
        // SAFETY: The lock was initialised with the head, by the same backend, and lives as long.
        let lock = unsafe {
            Lock::<(), SpinLockIrqBackend>::from_raw((&raw mut (*self.head.get()).lock).cast())
        };
        SkbQueueGuard {
            queue: self,
            _lock: lock.lock(),
        }
    }
}

#[pinned_drop]
impl<S: State> PinnedDrop for SkbQueue<S> {
    fn drop(self: Pin<&mut Self>) {
        while let Some(skb) = self.dequeue() {
            drop(skb);
        }
    }
}

/// `__skb_queue_head_init`
///
/// # Safety
///
/// `head` can be written, and what was linked to it is accounted for.
#[inline(always)]
unsafe fn init(head: *mut bindings::sk_buff_head) {
    let links = links(head.cast());
    // SAFETY: By the requirements of this function. Volatile as in C: `len` and `is_empty` read
    // without the lock.
    unsafe {
        (&raw mut (*links).next).write_volatile(head.cast());
        (&raw mut (*links).prev).write_volatile(head.cast());
        (&raw mut (*head).qlen).write_volatile(0);
    }
}

/// `__skb_unlink`
///
/// # Safety
///
/// `skb` is on the list of `head`, whose lock is held.
unsafe fn unlink(head: *mut bindings::sk_buff_head, skb: *mut bindings::sk_buff) {
    // SAFETY: By the requirements of this function the neighbours are packets or the head.
    // Volatile as in `init`.
    unsafe {
        let qlen = &raw mut (*head).qlen;
        qlen.write_volatile(*qlen - 1);
        let Links { next, prev } = *links(skb);
        *links(skb) = Links {
            next: ptr::null_mut(),
            prev: ptr::null_mut(),
        };
        (&raw mut (*links(next)).prev).write_volatile(prev);
        (&raw mut (*links(prev)).next).write_volatile(next);
    }
}

/// The lock of a queue, and a view of what is in it.
pub struct SkbQueueGuard<'a, S: State> {
    queue: &'a SkbQueue<S>,
    _lock: SpinLockIrqGuard<'a, ()>,
}

impl<S: State> SkbQueueGuard<'_, S> {
    /// The first packet: `skb_peek`.
    #[inline]
    pub fn peek(&self) -> Option<&Skb> {
        self.iter().next()
    }

    /// The last packet: `skb_peek_tail`.
    #[inline]
    pub fn peek_tail(&self) -> Option<&Skb> {
        let head: *mut bindings::sk_buff = self.queue.head.get().cast();
        // SAFETY: The lock is held, so what is linked is the head or a packet, and stays so for as
        // long as the guard is borrowed.
        unsafe {
            let last = (*links(head)).prev;
            (last != head).then(|| Skb::from_raw(last))
        }
    }

    /// All packets from the first to the last: `skb_queue_walk`.
    #[inline]
    pub fn iter(&self) -> Packets<'_> {
        let head: *mut bindings::sk_buff = self.queue.head.get().cast();
        Packets {
            // SAFETY: The head is initialised.
            next: unsafe { (*links(head)).next },
            end: head,
            packets: PhantomData,
        }
    }
}

/// Packets on a queue or list, in their order.
///
/// # Invariants
///
/// `next` is `end` or a packet, which is valid for `'a`; so it goes on to `end` by their links.
pub struct Packets<'a> {
    next: *mut bindings::sk_buff,
    end: *mut bindings::sk_buff,
    packets: PhantomData<&'a Skb>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = &'a Skb;

    #[inline]
    fn next(&mut self) -> Option<&'a Skb> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: By the type invariant.
        let skb = unsafe { Skb::from_raw(self.next) };
        // INVARIANT: The link of a packet leads to the next one, or to the end.
        // SAFETY: As above.
        self.next = unsafe { (*links(self.next)).next };
        Some(skb)
    }
}
