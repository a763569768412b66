#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the stack and the driver owe each other when a packet is transmitted."""

import errno
import select
import socket

from wren import (
    Pair,
    charged,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_lt,
    ksft_run,
    ksft_true,
)

SO_TIMESTAMPING = 37
TX_SOFTWARE, REPORT_SOFTWARE = 1 << 1, 1 << 4
UDP_SEGMENT = 103
PAYLOAD = 1000
RING = 256
BQL = "queues/tx-0/byte_queue_limits/"


class Wire:
    """A pair, a socket that sends at a and somebody who takes it at b."""

    def __init__(self, qdisc="pfifo", limit=None):
        self.pair = Pair()
        self.pair.ns_a.qdisc(Pair.A, qdisc, limit)
        self.sink = self.pair.sink()
        self.sock = self.pair.udp()
        self.taken = 0

    def only_the_ring(self):
        """Take the byte queue limits out of the way."""
        self.pair.ns_a.sysfs(Pair.A, BQL + "limit_min", 1 << 20)
        # A new limit counts from the next completion on.
        self.sock.send(bytes(PAYLOAD))
        ksft_true(eventually(lambda: self.pair.ns_a.sysfs(Pair.A, BQL + "limit") >= 1 << 20))
        ksft_true(eventually(lambda: self.charged() == 0))

    def link(self, key):
        """A counter of the device at a."""
        return self.pair.ns_a.link(Pair.A)[key]

    def counter(self, name):
        """A counter of its transmit queue."""
        return self.pair.ns_a.counters(Pair.A)[f"tx_queue_0_{name}"]

    def charged(self):
        """Bytes of packets that the socket is charged for."""
        return charged(self.sock)

    def send_segments(self, count):
        """One large packet that the core has to cut before the device sees it."""
        self.pair.ns_a.run(f"ip link set {Pair.A} gso_max_segs 1")
        self.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, PAYLOAD)
        self.sock.send(bytes(count * PAYLOAD))

    def arrive(self, count):
        """So many datagrams come to b, and no more."""

        def take():
            while select.select([self.sink], [], [], 0)[0]:
                self.sink.recv(65536)
                self.taken += 1
            return self.taken >= count

        # The sender has its bytes back before the packets are in the socket at b.
        ksft_true(eventually(take), f"{self.taken} of {count} datagrams arrive")
        ksft_eq(self.taken, count)


def c33_every_segment_is_charged_and_credited():
    """The segments of a large datagram are charged one by one; at the end nothing is left."""
    wire = Wire(limit=1000)
    wire.pair.speed(0)
    wire.send_segments(10)
    ksft_gt(wire.charged(), 10 * PAYLOAD)
    wire.pair.speed(None)
    ksft_true(eventually(lambda: wire.charged() == 0), "all bytes come back")
    wire.arrive(10)


def c36_no_room_without_a_qdisc_is_a_drop():
    """Without a qdisc nobody keeps a packet that the queue does not take: the core drops it once,
    counts it, says ENETDOWN, and the sender has its bytes back."""
    wire = Wire("noqueue")
    wire.only_the_ring()
    wire.pair.speed(0)
    failed = 0
    for _ in range(1000):
        charged, dropped = wire.charged(), wire.link("tx_dropped")
        try:
            wire.sock.send(bytes(PAYLOAD))
        except OSError as error:
            failed = error.errno
            break
    ksft_eq(failed, errno.ENETDOWN)
    ksft_eq(wire.charged(), charged)
    ksft_eq(wire.link("tx_dropped"), dropped + 1)
    ksft_eq(wire.counter("busy"), 0, "the queue had been stopped before")
    wire.pair.speed(None)
    ksft_true(eventually(lambda: wire.charged() == 0), "what was taken is sent")


def c41_one_doorbell_for_a_burst():
    """The driver is told of ten packets that come as a list once, at the end."""
    wire = Wire(limit=1000)
    packets, doorbells = wire.counter("packets"), wire.counter("doorbells")
    wire.send_segments(10)
    ksft_true(eventually(lambda: wire.counter("packets") == packets + 10))
    ksft_true(eventually(lambda: wire.charged() == 0), "nobody waits for a doorbell")
    ksft_eq(wire.counter("doorbells"), doorbells + 1)
    wire.arrive(10)


def c41_a_stop_within_the_burst_rings_too():
    """A ring that fills in the middle of a burst has told the driver of what it has."""
    wire = Wire(limit=1000)
    wire.only_the_ring()
    received = wire.pair.ns_b.link(Pair.B)["rx_packets"]
    wire.pair.speed(0)
    for _ in range(RING - 5):
        wire.sock.send(bytes(PAYLOAD))
    doorbells, stops = wire.counter("doorbells"), wire.counter("stops")
    wire.send_segments(10)
    ksft_eq(wire.counter("stops"), stops + 1)
    ksft_eq(wire.counter("doorbells"), doorbells + 1)
    wire.pair.speed(None)
    ksft_true(eventually(lambda: wire.charged() == 0), "nobody waits for a doorbell")
    # The socket at b is too small for all of them.
    received += RING + 5
    ksft_true(eventually(lambda: wire.pair.ns_b.link(Pair.B)["rx_packets"] >= received))
    ksft_eq(wire.pair.ns_b.link(Pair.B)["rx_packets"], received)


def c43_one_timestamp_for_each_packet():
    """Who asks for transmit timestamps gets one for each packet, although the device releases the
    packet later."""
    wire = Wire(limit=1000)
    wire.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | REPORT_SOFTWARE)
    for _ in range(20):
        wire.sock.send(bytes(PAYLOAD))
    ksft_true(eventually(lambda: wire.charged() == 0))
    stamps = 0
    while True:
        try:
            _, ancillary, _, _ = wire.sock.recvmsg(
                2048, 1024, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            break
        stamps += any(
            (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING) for level, kind, _ in ancillary
        )
    ksft_eq(stamps, 20)


def c37_a_drop_is_credited_and_leaves_no_imbalance():
    """What was in the ring when the device goes down is dropped: each packet is counted, its bytes
    go back, and BQL has nothing in flight."""
    wire = Wire(limit=1000)
    wire.pair.speed(0)
    # The first is in the ring at least.
    for _ in range(10):
        wire.sock.send(bytes(PAYLOAD))
    ksft_gt(wire.pair.ns_a.sysfs(Pair.A, BQL + "inflight"), 0)
    purged = wire.counter("purged")
    wire.pair.ns_a.change(Pair.A, up=False)
    ksft_gt(wire.counter("purged"), purged)
    ksft_lt(wire.counter("purged") - purged, 11)
    ksft_true(eventually(lambda: wire.charged() == 0), "all bytes come back")
    ksft_eq(wire.pair.ns_a.sysfs(Pair.A, BQL + "inflight"), 0)


def main():
    """Run them."""
    ksft_run(
        [
            c33_every_segment_is_charged_and_credited,
            c36_no_room_without_a_qdisc_is_a_drop,
            c37_a_drop_is_credited_and_leaves_no_imbalance,
            c41_one_doorbell_for_a_burst,
            c41_a_stop_within_the_burst_rings_too,
            c43_one_timestamp_for_each_packet,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
