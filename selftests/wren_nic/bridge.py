#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
A wren pair in front of a bridge and real NICs: the machine at a is one of a segment that goes on
behind a cable. What the pair leaves to devices, checksums and segmentation, is for the NIC to do or
for the core.
"""

import os
import socket

from traffic import MEGABYTE, carry, load
from wren import (
    LONG,
    KsftSkipEx,
    Namespace,
    Pair,
    charged,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_run,
    ksft_true,
)

BRIDGE = "wren-br"
FAR = "192.0.2.9"
VLAN, VLAN_NEAR, VLAN_FAR = 10, "198.51.100.1", "198.51.100.9"
UDP_SEGMENT = 103
PAYLOAD = 1000


class Nic(Namespace):
    """The namespace of one of the NICs that are joined by a cable, and the name of the NIC."""

    def __init__(self, variable):
        if variable not in os.environ:
            raise KsftSkipEx(f"{variable} is not set: no NICs with a cable between them")
        path, self.name = os.environ[variable].split(":")
        self._sysfs = None
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        defer(self.close)


class Segment:
    """End a, the pair, a bridge where end b and a NIC are ports, a cable, and the far NIC."""

    def __init__(self):
        load("bridge")
        self.near, self.far = Nic("WREN_PHYS_A"), Nic("WREN_PHYS_B")
        self.pair = Pair()
        self.pair.ns_b.change(Pair.B, netns=self.near.fd)
        self.near.run(f"ip link add {BRIDGE} type bridge")
        defer(self.near.delete, BRIDGE)
        for port in (Pair.B, self.near.name):
            self.near.run(f"ip link set {port} master {BRIDGE}")
            self.near.change(port, up=True)
        self.near.change(BRIDGE, up=True)
        # The pair goes before the bridge, and the NIC is left as it was found.
        defer(self.pair.ns_a.delete, Pair.A)
        self.far.run(f"ip addr add {FAR}/24 dev {self.far.name}")
        defer(self.far.run, f"ip addr del {FAR}/24 dev {self.far.name}")
        ksft_true(eventually(lambda: self.pair.ns_a.carrier(Pair.A)))
        # What was said to be at b is far away now.
        self.pair.ns_a.run(f"ping -q -c 1 -w {round(LONG)} {FAR}")

    def connect(self, address=FAR):
        """A TCP connection to the far end: both its sockets."""
        with self.far.entered():
            listener = socket.create_server((address, 5201))
        with listener, self.pair.ns_a.entered():
            client = socket.create_connection((address, 5201), timeout=LONG)
            defer(client.close)
            listener.settimeout(LONG)
            server, _ = listener.accept()
        defer(server.close)
        return client, server

    def datagrams(self):
        """A socket that sends to the far end, and the one there."""
        with self.far.entered():
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sink.close)
        sink.bind((FAR, 0))
        sink.settimeout(LONG)
        with self.pair.ns_a.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sock.close)
        sock.connect(sink.getsockname())
        return sock, sink


def tcp_both_ways():
    """What is left to segment and to sum up is done where it leaves the machine."""
    segment = Segment()
    client, server = segment.connect()
    carry(MEGABYTE // 2, (client, server), (server, client))


def large_datagrams():
    """The same for datagrams that are sent as one packet."""
    segment = Segment()
    sock, sink = segment.datagrams()
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, PAYLOAD)
    data = os.urandom(10 * PAYLOAD)
    sock.send(data)
    ksft_eq(b"".join(sink.recv(1 << 16) for _ in range(10)), data)


def tags_cross_the_bridge():
    """A VLAN tag that is beside the packet in the pair is on the cable."""
    segment = Segment()
    load("8021q")
    for ns, name, address in (
        (segment.pair.ns_a, Pair.A, VLAN_NEAR),
        (segment.far, segment.far.name, VLAN_FAR),
    ):
        ns.run(f"ip link add link {name} name wren-vlan type vlan id {VLAN}")
        defer(ns.delete, "wren-vlan")
        ns.run(f"ip addr add {address}/24 dev wren-vlan")
        ns.change("wren-vlan", up=True)
    client, server = segment.connect(VLAN_FAR)
    carry(MEGABYTE // 8, (client, server), (server, client))


def c34_claim_lasts_until_the_wire_of_the_pair():
    """The sender is charged until the pair has taken the packet, not until the NIC has: it is the
    pair that is its device. Nothing is lost on the way."""
    segment = Segment()
    sock, sink = segment.datagrams()
    segment.pair.speed(0)
    for number in range(10):
        sock.send(bytes([number]) * PAYLOAD)
    ksft_gt(charged(sock), 10 * PAYLOAD)
    segment.pair.speed(None)
    ksft_true(eventually(lambda: charged(sock) == 0), "given back")
    ksft_eq([sink.recv(1 << 16)[0] for _ in range(10)], list(range(10)))


def main():
    """All tests of this program."""
    ksft_run(
        [
            tcp_both_ways,
            large_datagrams,
            tags_cross_the_bridge,
            c34_claim_lasts_until_the_wire_of_the_pair,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
