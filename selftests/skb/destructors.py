#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
The destructors of the stack, each met on a packet of real traffic and named by its symbol: what
Documentation/destructors.rst says of where one finds them.
"""

import os
import re
import select
import socket
import struct
import subprocess
from collections import Counter

from wren import (
    LONG,
    KsftSkipEx,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_run,
    ksft_true,
)

TRACEFS = "/sys/kernel/tracing"
COUNT = 5
PORT = 9
ETHERTYPE = 0x88B6

# Where packets pass by, as the first argument of a function
PROBES = {
    "sent": "__dev_queue_xmit",
    "started": "dev_hard_start_xmit",
    "tcp_received": "tcp_v4_rcv",
    "udp_received": "udp_rcv",
    "freed": "consume_skb",
}
# Offsets of sk and destructor in struct sk_buff: nothing in front of them can be configured.
FETCH = "destructor=+96($arg1):symbol sk=+24($arg1):x64"
LINE = re.compile(r": (\w+): \([^)]*\) destructor=([^+ ]+)\S*(?: \[\w+\])? sk=0x([0-9a-f]+)")

# Not in python's socket module
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
IP_RECVERR = 11
NETLINK_ROUTE, RTM_GETLINK, NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE = 0, 18, 1, 0x300, 3


def write(path, text):
    """Write to a file of tracefs, without truncating it, which would end all probes."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


class Trace:
    """Looks at the packets that pass by at some places, until the test ends."""

    def __init__(self, *places):
        if not os.path.exists(f"{TRACEFS}/kprobe_events"):
            subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=False)
        if not os.path.exists(f"{TRACEFS}/kprobe_events"):
            raise KsftSkipEx("no kprobe events")
        self.instance = f"{TRACEFS}/instances/wren-{os.getpid()}"
        group = f"wren{os.getpid()}"
        for place in places:
            probe = f"{group}/{place}"
            write(f"{TRACEFS}/kprobe_events", f"p:{probe} {PROBES[place]} {FETCH}\n")
            defer(write, f"{TRACEFS}/kprobe_events", f"-:{probe}\n")
        os.mkdir(self.instance)
        defer(os.rmdir, self.instance)
        for place in places:
            enable = f"{self.instance}/events/{group}/{place}/enable"
            write(enable, "1")
            defer(write, enable, "0")

    def seen(self):
        """How often a destructor was seen at a place on packets of a socket."""
        with open(f"{self.instance}/trace", encoding="ascii") as file:
            return Counter(match.groups() for match in map(LINE.search, file) if match)

    def count(self, place, destructor):
        """The most packets of one socket that had the destructor at that place."""
        return max(
            (n for (p, d, _), n in self.seen().items() if (p, d) == (place, destructor)),
            default=0,
        )


def readable(sock, flags=select.POLLIN):
    """Whether there is something to read before the time is up."""
    poll = select.poll()
    poll.register(sock, flags)
    return bool(poll.poll(1000 * LONG))


def inet(namespace, kind, address, port):
    """A socket that is bound."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, kind)
    defer(sock.close)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    return sock


def packet_socket(namespace, device):
    """A packet socket that gets the frames of our EtherType from a device."""
    with namespace.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    defer(sock.close)
    sock.bind((device, ETHERTYPE))
    return sock


def frame():
    """One for everybody, of our EtherType."""
    return b"\xff" * 6 + b"\x02\0\0\0\0\x01" + struct.pack(">H", ETHERTYPE) + bytes(50)


def netlink_types(data):
    """The types of the messages in a packet."""
    while data:
        length, kind = struct.unpack_from("=IH", data)
        yield kind
        data = data[(length + 3) & ~3 :]


def tcp_exchange(pair, size):
    """Send over a connection from a to b, and return when all has been read."""
    listener = inet(pair.ns_b, socket.SOCK_STREAM, pair.ADDR_B, PORT)
    listener.listen()
    client = inet(pair.ns_a, socket.SOCK_STREAM, pair.ADDR_A, 0)
    client.settimeout(LONG)
    client.connect((pair.ADDR_B, PORT))
    server, _ = listener.accept()
    defer(server.close)
    server.settimeout(LONG)
    left = size
    client.sendall(bytes(size))
    while left:
        data = server.recv(left)
        ksft_true(data, "the connection stays open")
        left -= len(data)


def of_a_connection(where, destructor):
    """A connection has packets with that destructor there."""
    pair = Pair()
    trace = Trace(where)
    tcp_exchange(pair, 100000)
    ksft_ge(trace.count(where, destructor), 1)


def sock_wfree_of_datagrams():
    """UDP: a charge to the send buffer, as long as the device has the packet."""
    pair = Pair()
    pair.sink()
    sock = pair.udp()
    trace = Trace("sent")
    for _ in range(COUNT):
        sock.send(bytes(100))
    ksft_eq(trace.count("sent", "sock_wfree"), COUNT)


def sock_wfree_of_packet_sockets():
    """AF_PACKET: the same."""
    pair = Pair()
    sock = packet_socket(pair.ns_a, pair.A)
    trace = Trace("sent")
    for _ in range(COUNT):
        sock.send(frame())
    ksft_eq(trace.count("sent", "sock_wfree"), COUNT)


def tcp_wfree_of_data():
    """TCP: data is charged so that the end of a packet lets the socket send on."""
    of_a_connection("sent", "tcp_wfree")


def sock_wfree_of_pure_acks():
    """TCP: who only acknowledges need not be told when that has left."""
    of_a_connection("sent", "__sock_wfree")


def sock_rfree_of_what_was_received():
    """A packet socket: charged to the receive buffer until it is read."""
    pair = Pair()
    receiver = packet_socket(pair.ns_b, pair.B)
    sender = packet_socket(pair.ns_a, pair.A)
    trace = Trace("freed")
    for _ in range(COUNT):
        sender.send(frame())
        ksft_true(readable(receiver), "the frame arrives")
        receiver.recv(100)
    ksft_eq(trace.count("freed", "sock_rfree"), COUNT)


def sock_efree_behind_netem():
    """netem gives the bytes back and keeps the socket: skb_orphan_partial()."""
    pair = Pair()
    pair.sink()
    if subprocess.run(["modprobe", "-q", "sch_netem"], check=False).returncode:
        raise KsftSkipEx("no netem")
    pair.ns_a.run(f"tc qdisc replace dev {pair.A} root netem delay 20ms")
    sock = pair.udp()
    trace = Trace("sent", "started")
    sock.send(bytes(100))
    ksft_true(eventually(lambda: trace.count("started", "sock_efree") == 1), "it was sent")
    ksft_eq(trace.count("sent", "sock_wfree"), 1, "it was charged when it came to netem")


def sock_edemux_of_a_connection():
    """TCP early demux: the packet holds a reference to the socket that will get it."""
    of_a_connection("tcp_received", "sock_edemux")


def sock_pfree_of_a_connected_datagram():
    """UDP early demux: the packet names the socket, and RCU keeps it."""
    pair = Pair()
    sender = inet(pair.ns_a, socket.SOCK_DGRAM, pair.ADDR_A, PORT)
    receiver = inet(pair.ns_b, socket.SOCK_DGRAM, pair.ADDR_B, PORT)
    sender.connect((pair.ADDR_B, PORT))
    receiver.connect((pair.ADDR_A, PORT))
    trace = Trace("udp_received")
    for _ in range(COUNT):
        sender.send(bytes(100))
        ksft_true(readable(receiver), "the datagram arrives")
        receiver.recv(100)
    ksft_eq(trace.count("udp_received", "sock_pfree"), COUNT)


def sock_ofree_of_a_zerocopy_notification():
    """MSG_ZEROCOPY: the notification on the error queue is charged to the option memory."""
    pair = Pair()
    pair.sink()
    sock = pair.udp()
    sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    trace = Trace("freed")
    sock.send(bytes(1000), MSG_ZEROCOPY)
    ksft_true(readable(sock, select.POLLERR), "the notification comes")
    sock.recvmsg(0, 1000, socket.MSG_ERRQUEUE)
    ksft_eq(trace.count("freed", "sock_ofree"), 1)


def sock_rmem_free_of_an_error():
    """IP_RECVERR: what came back is on the error queue, charged to the receive buffer."""
    pair = Pair()
    sock = pair.udp()
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    trace = Trace("freed")
    sock.send(bytes(100))
    ksft_true(readable(sock, select.POLLERR), "nobody is there, says ICMP")
    sock.recvmsg(1000, 1000, socket.MSG_ERRQUEUE)
    ksft_eq(trace.count("freed", "sock_rmem_free"), 1)


def unix_wfree_of_unix_sockets():
    """AF_UNIX: charged to the sender until the receiver has read it."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    defer(sender.close)
    defer(receiver.close)
    trace = Trace("freed")
    for _ in range(COUNT):
        sender.send(bytes(100))
    ksft_eq(trace.count("freed", "unix_wfree"), 0, "not before it was read")
    for _ in range(COUNT):
        receiver.recv(100)
    ksft_eq(trace.count("freed", "unix_wfree"), COUNT)


def netlink_skb_destructor_of_an_answer():
    """Netlink: what the kernel answers is charged to the receive buffer."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    defer(sock.close)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    trace = Trace("freed")
    sock.send(struct.pack("=IHHIIBxHiII", 32, RTM_GETLINK, flags, 1, 0, 0, 0, 0, 0, 0))
    reads = 0
    done = False
    while not done:
        ksft_true(readable(sock), "the answer comes")
        data = sock.recv(1 << 16)
        reads += 1
        done = NLMSG_DONE in netlink_types(data)
    ksft_ge(trace.count("freed", "netlink_skb_destructor"), reads)


def main():
    """Run them."""
    ksft_run(
        [
            sock_wfree_of_datagrams,
            sock_wfree_of_packet_sockets,
            tcp_wfree_of_data,
            sock_wfree_of_pure_acks,
            sock_rfree_of_what_was_received,
            sock_efree_behind_netem,
            sock_edemux_of_a_connection,
            sock_pfree_of_a_connected_datagram,
            sock_ofree_of_a_zerocopy_notification,
            sock_rmem_free_of_an_error,
            unix_wfree_of_unix_sockets,
            netlink_skb_destructor_of_an_answer,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
