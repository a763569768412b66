#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
What others see of AF_WREN: tcpdump and packet sockets, at both ends; lsof. The frames that are sent
here, good and bad, are those of tools/wireshark/wren.pcap; WREN_CAPTURE=<file> makes that anew.
"""

import contextlib
import os
import socket
import subprocess
from pathlib import Path

import pcap
from wren import LONG, Pair, charged, defer, eventually, ksft_eq, ksft_exit, ksft_run, ksft_true
from wrensock import ETHERTYPE, SOL_WREN, WREN_CHECKSUM, WrenSocket, checksum, header

ETH_P_ALL, ETH_HLEN = 3, 14
KEPT = Path(__file__).resolve().parents[1] / "lib/wren.pcap"

# Who is who, so that a frame looks the same each time
MAC_A, MAC_B = bytes.fromhex("020000000a0a"), bytes.fromhex("020000000b0b")
BROADCAST, GROUP = b"\xff" * 6, bytes.fromhex("030000000007")
PORT_A, PORT_B = 50000, 7


class Ends:
    """A pair with a socket that has a port at each end."""

    def __init__(self):
        pair = Pair()
        self.ns_a, self.ns_b = pair.ns_a, pair.ns_b
        self.a, self.b = Pair.A, Pair.B
        self.ns_a.change(self.a, address=MAC_A)
        self.ns_b.change(self.b, address=MAC_B)
        self.index_a = self.ns_a.link(self.a)["index"]
        self.index_b = self.ns_b.link(self.b)["index"]
        self.at_a = self.open(self.ns_a, self.index_a, PORT_A)
        self.at_b = self.open(self.ns_b, self.index_b, PORT_B)

    @staticmethod
    def open(ns, ifindex, port, kind=socket.SOCK_DGRAM):
        """A socket that has the port, or that is bound to the interface if it is a raw one."""
        sock = WrenSocket(ns, kind)
        defer(sock.close)
        sock.bind(ifindex, port)
        sock.sock.settimeout(LONG)
        return sock

    def tap(self, ns, name, kind=socket.SOCK_RAW):
        """A packet socket that sees what a device sends and receives."""
        with ns.entered():
            sock = socket.socket(socket.AF_PACKET, kind, socket.htons(ETH_P_ALL))
        defer(sock.close)
        sock.bind((name, ETH_P_ALL))
        sock.settimeout(LONG)
        return sock

    def send(self, data=b"hello", mac=MAC_B):
        """From a to b."""
        self.at_a.sendto(data, self.index_a, PORT_B, mac)

    def answer(self, data=b"hello"):
        """From b to a."""
        self.at_b.sendto(data, self.index_b, PORT_A, MAC_A)


def seen(tap):
    """The next frame of ours that a packet socket sees, and how: (bytes, PACKET_*)."""
    while True:
        data, (_, protocol, how, _, _) = tap.recvfrom(1 << 16)
        if protocol == ETHERTYPE:
            return data, how


def expected(data, reverse=False):
    """The frame that a datagram is."""
    macs, ports = (MAC_B + MAC_A, (PORT_A, PORT_B))
    if reverse:
        macs, ports = (MAC_A + MAC_B, (PORT_B, PORT_A))
    check = checksum(header(*ports, len(data)) + data)
    return macs + ETHERTYPE.to_bytes(2, "big") + header(*ports, len(data), check or 0xFFFF) + data


def packet_sockets_see_both_directions():
    """What one end sends, leaves and arrives as the same frame, and so does the answer."""
    ends = Ends()
    tap_a, tap_b = ends.tap(ends.ns_a, ends.a), ends.tap(ends.ns_b, ends.b)
    ends.send(b"there")
    ksft_eq(seen(tap_a), (expected(b"there"), socket.PACKET_OUTGOING))
    ksft_eq(seen(tap_b), (expected(b"there"), socket.PACKET_HOST))
    ends.answer(b"and back")
    ksft_eq(seen(tap_b), (expected(b"and back", reverse=True), socket.PACKET_OUTGOING))
    ksft_eq(seen(tap_a), (expected(b"and back", reverse=True), socket.PACKET_HOST))


def packet_sockets_know_where_our_header_is():
    """A packet socket without Ethernet headers gets frames from our header on, both ways."""
    ends = Ends()
    taps = [
        ends.tap(ns, name, socket.SOCK_DGRAM)
        for ns, name in ((ends.ns_a, ends.a), (ends.ns_b, ends.b))
    ]
    ends.send()
    for tap in taps:
        ksft_eq(seen(tap)[0], expected(b"hello")[ETH_HLEN:])


def who_does_not_read_holds_nobody_up():
    """A tap that is never read costs no datagram, and its copies are not the sender's."""
    ends = Ends()
    for ns, name in ((ends.ns_a, ends.a), (ends.ns_b, ends.b)):
        ends.tap(ns, name)
    for number in range(50):
        ends.send(number.to_bytes(4, "big") * 100)
        ksft_eq(ends.at_b.sock.recv(1000), number.to_bytes(4, "big") * 100)
    ksft_true(eventually(lambda: charged(ends.at_a.sock) == 0), "all bytes have come back")


@contextlib.contextmanager
def tcpdump(ns, name, direction):
    """tcpdump of one frame that is on its way in or out; it has begun to listen."""
    command = ["tcpdump", "-i", name, "-Q", direction, "-c", "1", "-e", "-n", "-x", "-l"]
    command += ["--immediate-mode", "ether", "proto", hex(ETHERTYPE)]
    with ns.entered():
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        for line in process.stderr:
            if line.startswith("listening on"):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def tcpdump_sees_what_comes_and_goes():
    """tcpdump at a device sees our frames, and knows in which direction they go."""
    ends = Ends()
    for direction, send, frame in (
        ("out", ends.send, expected(b"hello")),
        ("in", ends.answer, expected(b"hello", reverse=True)),
    ):
        with tcpdump(ends.ns_a, ends.a, direction) as process:
            # One in the other direction is not what was asked for.
            ends.answer(b"no") if direction == "out" else ends.send(b"no")
            send()
            printed, _ = process.communicate(timeout=5 * LONG)
        words = [
            line.partition(":")[2].replace(" ", "")
            for line in printed.splitlines()
            if line.startswith("\t0x")
        ]
        ksft_true("ethertype Unknown (0x88b5)" in printed, printed)
        ksft_eq(bytes.fromhex("".join(words)), frame[ETH_HLEN:])


def sockets_tell_their_protocol():
    """What lsof asks a socket for: the name of its protocol."""
    ends = Ends()
    raw = ends.open(ends.ns_a, ends.index_a, 0, socket.SOCK_RAW)
    for sock in (ends.at_a, raw):
        name = os.getxattr(f"/proc/self/fd/{sock.sock.fileno()}", "system.sockprotoname")
        ksft_eq(name, b"WREN\0")


def datagrams(ends):
    """Sends one of each kind, each when the last has been recorded."""
    ends.send()
    yield
    ends.answer()
    yield
    ends.at_a.sock.setsockopt(SOL_WREN, WREN_CHECKSUM, 0)
    ends.send(b"without a checksum")
    yield
    ends.at_a.sock.setsockopt(SOL_WREN, WREN_CHECKSUM, 1)
    ends.send(b"")
    yield
    ends.send(bytes(range(256)) + b"odd")
    yield
    ends.send(b"to all", BROADCAST)
    yield
    ends.send(b"to some", GROUP)
    yield


def frames_by_hand(ends):
    """Sends what a datagram socket does not: padding, and what has to be dropped."""
    raw = ends.open(ends.ns_a, ends.index_a, 0, socket.SOCK_RAW)
    ports = (PORT_A, PORT_B)
    payload = b"by hand"
    size = len(payload)
    for frame in (
        (header(*ports, size) + payload).ljust(46, b"\0"),
        header(*ports, size, 0x1234) + payload,
        header(*ports, size, version=9) + payload,
        header(*ports, size, kind=99) + payload,
        header(*ports, size, zero=0xABCD) + payload,
        header(*ports, size + 1) + payload,
        header(0, PORT_B, size) + payload,
    ):
        raw.sendto(frame, ends.index_a, 0, MAC_B)
        yield
    # A raw socket does not send less than a header.
    with ends.ns_a.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packet:
        packet.bind((ends.a, 0))
        packet.send(expected(b"")[: ETH_HLEN + 5])
    yield


def frames_are_those_of_the_capture():
    """What is in the file that shows how the frames look is what is sent."""
    ends = Ends()
    tap = ends.tap(ends.ns_a, ends.a)
    ends.at_a.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    frames = []
    for send in (datagrams, frames_by_hand):
        for _ in send(ends):
            frames.append(seen(tap)[0])
    if "WREN_CAPTURE" in os.environ:
        pcap.write(os.environ["WREN_CAPTURE"], frames)
    else:
        ksft_eq(frames, pcap.read(KEPT))


def main():
    """Run them."""
    ksft_run(
        [
            packet_sockets_see_both_directions,
            packet_sockets_know_where_our_header_is,
            who_does_not_read_holds_nobody_up,
            tcpdump_sees_what_comes_and_goes,
            sockets_tell_their_protocol,
            frames_are_those_of_the_capture,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
