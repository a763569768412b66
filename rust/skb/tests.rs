// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of packets. Those of claims are named after what must hold in the kernel.

mod alloc;
mod cb;
mod claim;
mod copy;
mod csum;
mod data;
mod frag;
mod frag_list;
mod gso;
mod header;
mod meta;
mod packets;
mod paged;
mod queue;
mod resize;
mod share;
mod state;
mod user;
mod zerocopy;
