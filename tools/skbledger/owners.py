# SPDX-License-Identifier: GPL-2.0
"""Who has a socket: the processes that have it open, and what kind of socket it is."""

import os
import socket
from pathlib import Path

FAMILIES = {
    socket.AF_UNIX: "unix",
    socket.AF_INET: "inet",
    socket.AF_INET6: "inet6",
    socket.AF_NETLINK: "netlink",
    socket.AF_PACKET: "packet",
}
TYPES = {1: "stream", 2: "dgram", 3: "raw", 5: "seqpacket"}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 132: "sctp", 262: "mptcp"}
INET = (socket.AF_INET, socket.AF_INET6)


def kind_of(family, kind, protocol):
    """A few letters that say what kind of socket it is."""
    name = FAMILIES.get(family, f"family {family}")
    if family in INET:
        return f"{name}/{PROTOCOLS.get(protocol, protocol)}"
    if family == socket.AF_NETLINK:
        return f"{name}/{protocol}"
    return f"{name}/{TYPES.get(kind, kind)}"


def processes():
    """Of each socket that is open: {inode: [(pid, name)]}."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            links = [os.readlink(entry) for entry in os.scandir(process / "fd")]
        except OSError:
            # It has ended meanwhile.
            continue
        for link in set(links):
            if link.startswith("socket:["):
                found.setdefault(int(link[8:-1]), []).append((int(process.name), name))
    return found
