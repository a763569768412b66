# SPDX-License-Identifier: GPL-2.0
"""The destructors of packets: what each gives back, and where the running kernel has them."""

import re
from pathlib import Path

# What a claim is charged to. In the kernel the key of a claim is the address of the packet, whose
# low bits are 0, plus one of these: a packet can be given from one claim to the next in one step.
SEND, RECEIVE, OPTION, REFERENCE = range(4)
CHARGED_TO = ("send buffer", "receive buffer", "option memory", "reference")
KIND_MASK = 7

KNOWN = {
    "sock_wfree": SEND,
    "__sock_wfree": SEND,
    "tcp_wfree": SEND,
    "unix_wfree": SEND,
    "xsk_destruct_skb": SEND,
    "sctp_wfree": SEND,
    "sock_rfree": RECEIVE,
    "sock_rmem_free": RECEIVE,
    "netlink_skb_destructor": RECEIVE,
    "kcm_rfree": RECEIVE,
    "sctp_sock_rfree": RECEIVE,
    "sock_ofree": OPTION,
    "sock_efree": REFERENCE,
    "sock_edemux": REFERENCE,
    "sock_pfree": REFERENCE,
}
# Those that call sock_wfree() or sock_rfree() while the packet still names them: seen there.
CALLERS = ("unix_wfree", "xsk_destruct_skb", "sctp_wfree", "netlink_skb_destructor")

SYMBOLS = "/proc/kallsyms"


class KernelError(Exception):
    """Something that the kernel does not have; the text is for a person."""


class Symbols:
    """The functions of the running kernel and its modules."""

    def __init__(self):
        # As bytes: there are 200 000 of them, and an emulated machine is slow.
        self._text = Path(SYMBOLS).read_bytes()
        self._addresses, self._names = {}, {}
        if not self.address("sock_wfree"):
            raise KernelError(
                f"{SYMBOLS} shows no addresses: run as root, and set kernel.kptr_restrict to 0"
            )

    def address(self, name):
        """0 if there is none; of several static ones that of the kernel, which comes first."""
        if name not in self._addresses:
            self._addresses[name] = self._find(name)
        return self._addresses[name]

    def _find(self, name):
        for kind in (b"t", b"T"):
            at = self._text.find(b" %s %s\n" % (kind, name.encode()))
            if at < 0:
                # Those of modules have the name of the module behind them.
                at = self._text.find(b" %s %s\t" % (kind, name.encode()))
            if at >= 0:
                return int(self._text[at - 16 : at], 16)
        return 0

    def name(self, address):
        """As a person writes it, the address itself if there is none."""
        if address not in self._names:
            self._names[address] = self._name(address)
        return self._names[address]

    def _name(self, address):
        at = self._text.find(b"%016x " % address)
        if at < 0:
            return f"{address:#x}"
        return readable(self._text[at + 19 : self._text.index(b"\n", at)].split()[0].decode())


def readable(name):
    """A name of Rust's (mangling v0) as a path; others as they are."""
    if not name.startswith("_R"):
        return name
    words, at = [], 2
    while at < len(name):
        digits = re.match(r"\d+", name[at:])
        if not digits:
            at += 1
            continue
        at += digits.end()
        at += name[at : at + 1] == "_"
        words.append(name[at : at + int(digits[0])])
        at += int(digits[0])
    return "::".join(words) or name
