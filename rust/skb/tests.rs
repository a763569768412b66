// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of packets. Those of claims are named after what must hold in the kernel.

mod alloc;
mod cb;
mod claim;
mod copy;
mod csum;
mod data;
#[cfg(all(
    CONFIG_FAILSLAB,
    CONFIG_FAIL_PAGE_ALLOC,
    CONFIG_FAULT_INJECTION_DEBUG_FS
))]
mod fault;
mod forward;
mod frag;
mod frag_list;
pub(crate) mod frames;
mod gso;
mod header;
#[cfg(all(
    CONFIG_FAILSLAB,
    CONFIG_FAIL_PAGE_ALLOC,
    CONFIG_FAULT_INJECTION_DEBUG_FS
))]
pub(crate) mod injection;
mod meta;
pub(crate) mod packets;
mod paged;
mod queue;
mod resize;
mod share;
mod state;
mod user;
mod zerocopy;
