// SPDX-License-Identifier: GPL-2.0

//! The name of a destructor, for people.

use super::super::Skb;
use crate::bindings;
use kernel::{
    fmt,
    prelude::*, //
};

/// A destructor that prints as its symbol, as `%ps` does: `sock_wfree`, or `name [module]`.
///
/// The name is looked up when it is printed, so keep none for longer than its packet: the module
/// that it belongs to may go. Then, and in a kernel without kallsyms, the address is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DestructorName(usize);

impl fmt::Display for DestructorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0u8; bindings::KSYM_SYMBOL_LEN_VALUE as usize];
        // SAFETY: The buffer has the size that C asks for. Any address may be looked up.
        let len =
            unsafe { bindings::sprint_symbol_no_offset(buffer.as_mut_ptr(), self.0 as c_ulong) };
        let name = usize::try_from(len).ok().and_then(|len| buffer.get(..len));
        f.write_str(core::str::from_utf8(name.unwrap_or_default()).map_err(|_| fmt::Error)?)
    }
}

impl Skb {
    /// Returns what prints the name of the packet's destructor, or `None` if it has none.
    ///
    /// This names also those that the kernel does not export (`unix_wfree`,
    /// `netlink_skb_destructor`) and those of modules, which [`owner_kind`](Self::owner_kind)
    /// cannot tell apart. Printing takes microseconds: for tools and logs.
    ///
    /// C: [`sprint_symbol_no_offset`](srctree/kernel/kallsyms.c)
    #[inline]
    pub fn destructor_name(&self) -> Option<DestructorName> {
        self.destructor()
            .map(|destructor| DestructorName(destructor as usize))
    }
}
