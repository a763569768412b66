// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/wren`: the sockets of a namespace, a line each.

use crate::{
    addr::Address,
    ports::Ports, //
};
use kernel::{
    seq_file::SeqFile,
    seq_print,
    str::CStr,
    sync::Arc, //
};
use knet::net::{
    Namespace,
    ProcEntry,
    ProcNet, //
};

static ENTRY: ProcEntry<Sockets> = ProcEntry::new();

/// What the file shows.
pub(crate) struct Sockets(pub(crate) Arc<Ports>);

impl ProcNet for Sockets {
    const NAME: &'static CStr = c"wren";

    fn entry() -> &'static ProcEntry<Self> {
        &ENTRY
    }

    fn show(&self, net: &Namespace, file: &SeqFile) {
        seq_print!(
            file,
            "type   port  if   peer                        wmem     rmem     drops inode\n"
        );
        self.0.for_each(net, |sk| {
            let data = sk.data();
            let kind = if data.is_raw() { "raw" } else { "dgram" };
            let peer = data.peer.get().unwrap_or_default();
            let Address { port, ifindex, mac } = peer;
            let [a, b, c, d, e, f] = mac;
            seq_print!(
                file,
                "{kind:<6} {:<5} {:<4} {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} \
                 {port:<5} {ifindex:<4} {:<8} {:<8} {:<5} {}\n",
                data.port(),
                sk.bound_dev_if(),
                sk.wmem_alloc(),
                sk.rmem_alloc(),
                sk.drops(),
                sk.inode()
            );
        });
    }
}
