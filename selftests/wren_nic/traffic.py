#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What one does with a pair of devices: ping, TCP and UDP between two namespaces."""

import random
import socket
import struct
import subprocess
import threading
import time

from wren import (
    LONG,
    SO_RCVBUFFORCE,
    KsftSkipEx,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_run,
    ksft_true,
)

MEGABYTE = 1 << 20
# No multiple of anything that a packet may be long: what is out of place differs.
PERIOD = 65521
PAYLOAD = 1000
# Ethernet, IPv4 and UDP headers in front of it
FRAME = 14 + 20 + 8 + PAYLOAD
PKTGEN = "/proc/thread-self/net/pktgen"
TROUBLES = ("rx_errors", "rx_dropped", "tx_errors", "tx_dropped")


class Traffic:
    """A pair between whose ends nothing may be lost."""

    ADDR6_A, ADDR6_B = "2001:db8::1", "2001:db8::2"

    def __init__(self, queues=1, ipv6=False):
        self.pair = Pair(queues, ipv6=ipv6)
        self.queues = queues
        self.ends = ((self.pair.ns_a, Pair.A), (self.pair.ns_b, Pair.B))
        if ipv6:
            self.pair.ns_a.address(Pair.A, self.ADDR6_A, 64)
            self.pair.ns_b.address(Pair.B, self.ADDR6_B, 64)
        # What IPv6 wanted to send before there was carrier has been dropped, rightly.
        self.before = self.troubles()

    def troubles(self):
        """Errors and drops that the devices have counted."""
        return [[ns.link(name)[key] for key in TROUBLES] for ns, name in self.ends]

    def idle(self):
        """Whether nothing is in flight on any queue."""
        return not any(
            ns.sysfs(name, f"queues/tx-{queue}/byte_queue_limits/inflight")
            for ns, name in self.ends
            for queue in range(self.queues)
        )

    def went_well(self):
        """No device has lost anything, nor has it anything left."""
        ksft_eq(self.troubles(), self.before)
        ksft_true(eventually(self.idle), "nothing is in flight")

    def ping(self, ns, address, count=1, options=""):
        """Each echo is answered. A packet that is lost is waited for in vain, not for a second."""
        wait = round(LONG)
        ns.run(f"ping -q -c {count} -i 0.01 -W {wait} -w {wait} {options} {address}")

    def connect(self, port=5201, reverse=False):
        """A TCP connection from a to b: the socket that sends and the one that receives."""
        with self.pair.ns_b.entered():
            listener = socket.create_server((Pair.ADDR_B, port))
        with listener, self.pair.ns_a.entered():
            client = socket.create_connection((Pair.ADDR_B, port), timeout=LONG)
            defer(client.close)
            listener.settimeout(LONG)
            server, _ = listener.accept()
        defer(server.close)
        return (server, client) if reverse else (client, server)


def carry(size, *ways):
    """Send so many bytes each of these ways at the same time: they come out as they went in."""
    block = random.Random(4711).randbytes(PERIOD)
    data = (block * (size // PERIOD + 1))[:size]
    got = [bytearray() for _ in ways]

    def send(sock):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    def receive(sock, into):
        while part := sock.recv(1 << 16):
            into += part

    threads = []
    for (source, sink), into in zip(ways, got, strict=True):
        # For all of it: a time limit of sendall() is not one for each step.
        source.settimeout(5 * LONG)
        sink.settimeout(5 * LONG)
        threads.append(threading.Thread(target=send, args=(source,), daemon=True))
        threads.append(threading.Thread(target=receive, args=(sink, into), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for into in got:
        ksft_eq(len(into), size)
        ksft_true(into == data, "what arrives is what was sent")


def load(module):
    """A module of the kernel that a test needs."""
    if subprocess.run(["modprobe", "-q", module], check=False).returncode:
        raise KsftSkipEx(f"no {module}")


def ping():
    """Both ends answer, by IPv4 and by IPv6."""
    traffic = Traffic(ipv6=True)
    traffic.ping(traffic.pair.ns_a, Pair.ADDR_B, 20)
    traffic.ping(traffic.pair.ns_b, Pair.ADDR_A, 20)
    traffic.ping(traffic.pair.ns_a, traffic.ADDR6_B, 5)
    traffic.went_well()


def ping_sizes():
    """Packets of every size up to fragments of a large datagram."""
    traffic = Traffic()
    for size in (0, 1, 17, 18, 19, 1472, 1473, 65000):
        traffic.ping(traffic.pair.ns_a, Pair.ADDR_B, options=f"-s {size}")
    traffic.went_well()


def ping_jumbo():
    """Frames of 9000 bytes, in one piece."""
    traffic = Traffic()
    for ns, name in traffic.ends:
        ns.change(name, mtu=9000)
    traffic.ping(traffic.pair.ns_a, Pair.ADDR_B, 5, "-M do -s 8972")
    traffic.went_well()


def tcp():
    """A connection carries what is sent."""
    traffic = Traffic()
    carry(4 * MEGABYTE, traffic.connect())
    traffic.went_well()


def tcp_reverse():
    """... and so it does from the end that was called."""
    traffic = Traffic()
    carry(4 * MEGABYTE, traffic.connect(reverse=True))
    traffic.went_well()


def tcp_four_queues():
    """Several connections over several queues do not mix."""
    traffic = Traffic(queues=4)
    carry(MEGABYTE, *(traffic.connect(port) for port in range(5201, 5205)))
    traffic.went_well()


def tcp_both_ways():
    """Both directions of a connection at once, on a wire that is slow in both."""
    traffic = Traffic()
    for ns, name in traffic.ends:
        ns.speed(name, 50)
    a, b = traffic.connect()
    carry(MEGABYTE // 2, (a, b), (b, a))
    traffic.went_well()


def tcp_with_loss():
    """
    What TCP sends is a clone of what it keeps to send again, and the peer merges what it receives.
    A merge that touched the data of the original would show in what is sent again.
    """
    traffic = Traffic()
    load("sch_netem")
    ns_a = traffic.pair.ns_a
    ns_a.run(f"tc qdisc replace dev {Pair.A} root netem limit 10000 loss 5%")
    # So many packets that some of them are lost, by any measure.
    ns_a.run(f"ip link set {Pair.A} gso_max_segs 1")
    carry(MEGABYTE // 2, traffic.connect())
    ksft_gt(ns_a.qdisc_queue(Pair.A)[2], 0, "something was lost")
    traffic.went_well()


class Datagrams:
    """Numbered datagrams from a to b, which has room for all of them."""

    def __init__(self, traffic):
        with traffic.pair.ns_a.entered():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(self.sock.close)
        self.sock.connect((Pair.ADDR_B, 9))
        self.sink = traffic.pair.sink()
        self.sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 * MEGABYTE)
        self.sink.settimeout(LONG)
        self.sent = self.taken = 0

    def send(self, count):
        """So many more."""
        for _ in range(count):
            self.sock.send(struct.pack("=I", self.sent) + bytes(PAYLOAD - 4))
            self.sent += 1

    def take(self):
        """All that were sent come, in order."""
        while self.taken < self.sent:
            data = self.sink.recv(2 * PAYLOAD)
            ksft_eq((len(data), struct.unpack_from("=I", data)), (PAYLOAD, (self.taken,)))
            self.taken += 1


def udp_paced():
    """UDP below the speed of the wire loses nothing."""
    traffic = Traffic()
    traffic.pair.speed(10)
    datagrams = Datagrams(traffic)
    for _ in range(10):
        datagrams.send(10)
        datagrams.take()
    traffic.went_well()


def udp_flood():
    """A sender without a limit is held back by its send buffer: nothing is dropped."""
    traffic = Traffic()
    traffic.pair.ns_a.qdisc(Pair.A, "pfifo", limit=10000)
    datagrams = Datagrams(traffic)
    # Room for this many at most: what a packet is charged with is more than its payload.
    room = datagrams.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // PAYLOAD + 1
    count = room + 200
    traffic.pair.speed(20)
    start = time.monotonic()
    datagrams.send(count)
    # What has not found room has crossed the wire meanwhile.
    ksft_ge(time.monotonic() - start, 0.9 * 200 * FRAME * 8 / 20e6)
    datagrams.take()
    traffic.went_well()


def pktgen_shares_packets():
    """pktgen keeps a reference to each packet unless it is told not to: the device gets clones."""
    count = 2000
    traffic = Traffic()
    load("pktgen")
    ns_a, ns_b = traffic.pair.ns_a, traffic.pair.ns_b
    link = ns_b.link(Pair.B)
    arrived = link["rx_packets"] + count

    def tell(file, text):
        with open(f"{PKTGEN}/{file}", "w", encoding="ascii") as control:
            control.write(text)

    with ns_a.entered():
        tell("kpktgend_0", f"add_device {Pair.A}")
        for line in (
            f"count {count}",
            "pkt_size 60",
            f"dst_mac {link['address'].hex(':')}",
            f"dst {Pair.ADDR_B}",
        ):
            tell(Pair.A, line)
        # Comes back when all have been sent.
        tell("pgctrl", "start")
        with open(f"{PKTGEN}/{Pair.A}", encoding="ascii") as file:
            ksft_true("Result: OK" in file.read(), "pktgen has sent them")
    ksft_true(eventually(lambda: ns_b.link(Pair.B)["rx_packets"] >= arrived), "all arrive")
    traffic.went_well()


def main():
    """Run them."""
    ksft_run(
        [
            ping,
            ping_sizes,
            ping_jumbo,
            tcp,
            tcp_reverse,
            tcp_four_queues,
            tcp_both_ways,
            tcp_with_loss,
            udp_paced,
            udp_flood,
            pktgen_shares_packets,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
