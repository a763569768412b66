// SPDX-License-Identifier: GPL-2.0

//! One packet becomes two, two become one, and pages become linear data.
//!
//! None of these changes the [`truesize`](Skb::truesize) of a packet with a claim on it, unless the
//! claim changes by as much.

use super::{
    OwnerKind,
    Private,
    SkBuff, //
    Skb,
    State,
};
use crate::bindings;
use kernel::prelude::*;

impl Skb {
    /// Whether the pages belong to a program: `skb_zcopy`.
    pub(super) fn is_zerocopy(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        let flags = u32::from(unsafe { (*self.shinfo()).flags });
        flags & bindings::SKBFL_ZEROCOPY_ENABLE != 0
    }
}

impl SkBuff<Private> {
    /// Cuts the packet to `len` bytes and moves the rest into `rest`, an empty packet.
    ///
    /// Linear bytes are copied, pages are moved or, if the cut goes through one, shared. Only data
    /// moves: what else is to be in `rest` is up to the caller, and so is what the checksum and the
    /// segment count of both say.
    ///
    /// If neither packet has a claim on it, the bytes are accounted where they are now: truesize
    /// moves with them. Else it does not move, and who is charged for the first packet goes on
    /// being charged for both.
    ///
    /// Context: any.
    ///
    /// # Errors
    ///
    /// `ENODATA` if the packet is shorter than `len`; `ENOSPC` if `rest` has less tailroom than it
    /// gets linear bytes; `EMSGSIZE` if `rest` would stand for too much; `EINVAL` if it is not
    /// empty, or the packet has a fragment list or pages of a page pool, which cannot be split.
    ///
    /// C: [`skb_split`](srctree/net/core/skbuff.c)
    pub fn split(&mut self, len: usize, rest: &mut SkBuff<Private>) -> Result {
        if len > self.len() {
            return Err(ENODATA);
        }
        if !rest.is_empty() || rest.nr_frags() != 0 || rest.has_frag_list() || rest.is_zerocopy() {
            return Err(EINVAL);
        }
        if self.has_frag_list() || self.raw().pp_recycle() != 0 || rest.raw().pp_recycle() != 0 {
            return Err(EINVAL);
        }
        if self.headlen().saturating_sub(len) > rest.tailroom() {
            return Err(ENOSPC);
        }
        rest.truesize_with(self.data_len())?;
        // SAFETY: Both packets are ours alone, and so are their shared infos, by their state;
        // `rest` is empty and has the room, as was just checked.
        unsafe { bindings::skb_split(self.as_ptr(), rest.as_ptr(), len as u32) };

        if !self.is_claimed() && !rest.is_claimed() {
            // Linear bytes were copied into memory that `rest` has accounted for already.
            let moved = (rest.data_len() as u32).min(self.truesize());
            self.raw_mut().truesize -= moved;
            rest.raw_mut().truesize += moved;
        }
        Ok(())
    }

    /// Appends the data of `from`, if that can be done without allocating, and frees what is left
    /// of it, its claim included.
    ///
    /// The data is copied if it fits into the tailroom, else its pages are moved. Then truesize
    /// grows by the memory that has moved, and so does the charge if the packet is charged to a
    /// send buffer. Returns by how many bytes.
    ///
    /// What the checksum of this packet says is not changed.
    ///
    /// Context: any but hard interrupt.
    ///
    /// # Errors
    ///
    /// Gives `from` back if it cannot be merged: it does not fit into the tailroom and its buffer
    /// is no page, there are too many fragments, one of the two has a fragment list or pages of a
    /// program, or truesize of this packet cannot grow: its claim is of another kind, or it is at
    /// its limit.
    ///
    /// C: [`skb_try_coalesce`](srctree/net/core/skbuff.c), `kfree_skb_partial`
    pub fn try_coalesce<S: State>(&mut self, from: SkBuff<S>) -> Result<usize, SkBuff<S>> {
        if !self.may_coalesce(&from) {
            return Err(from);
        }
        let (mut stolen, mut delta) = (false, 0);
        // SAFETY: Both packets are ours alone, and `self` is not cloned by its state. C checks what
        // else there is to be checked.
        let merged = unsafe {
            bindings::skb_try_coalesce(self.as_ptr(), from.as_ptr(), &mut stolen, &mut delta)
        };
        if !merged {
            return Err(from);
        }
        // `may_coalesce` has seen to it that it is not negative.
        self.wmem_add(delta as u32);
        // SAFETY: The packet passes to C; if its buffer was stolen, it is left alone.
        unsafe { bindings::kfree_skb_partial(from.into_raw().as_ptr(), stolen) };
        Ok(delta as usize)
    }

    /// What C leaves to the caller of `skb_try_coalesce`, or finds out by a warning.
    fn may_coalesce(&self, from: &Skb) -> bool {
        // Nobody has looked whether the CPU can read the packets of the list.
        if from.has_frag_list() {
            return false;
        }
        if from.len() <= self.tailroom() && from.frags_readable() {
            return true;
        }
        // Pages are moved, so truesize grows.
        if matches!(self.owner_kind(), OwnerKind::Read | OwnerKind::Other)
            || self.truesize_with(from.truesize() as usize).is_err()
        {
            return false;
        }
        // C moves all of truesize but what it frees. A packet whose truesize was frozen by a claim
        // when its buffer grew may have less than its data takes.
        let freed = if from.headlen() != 0 {
            bindings::SK_BUFF_TRUESIZE_VALUE as usize
        } else {
            bindings::SKB_TRUESIZE_VALUE as usize + from.raw().end as usize
        };
        from.truesize() as usize >= freed + from.len()
    }
}

impl<S: State> SkBuff<S> {
    /// Pulls the paged data into the tailroom, if it all fits there, so that the pages can be freed
    /// now, and sets [`truesize`](Skb::truesize) to what the packet takes without them. Useful
    /// before a packet is put into a queue where it may stay for long.
    ///
    /// A packet with a claim on it is left as it is, and so is one whose data is shared with a
    /// clone, or that has a fragment list.
    ///
    /// Context: any.
    ///
    /// C: [`skb_condense`](srctree/net/core/skbuff.c)
    pub fn condense(&mut self) {
        if self.is_claimed() || self.has_frag_list() {
            return;
        }
        // SAFETY: The packet is ours alone; C leaves it alone if it is cloned, or the CPU cannot
        // read the pages.
        unsafe { bindings::skb_condense(self.as_ptr()) };
    }
}
