#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The transmit ring: where packets wait, what stops and wakes the queue, what is counted."""

import time

from wren import (
    CommandError,
    Pair,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_in,
    ksft_run,
    ksft_true,
)

RING = 256
PAYLOAD = 1000
# Ethernet, IPv4 and UDP headers in front of it
FRAME = 14 + 20 + 8 + PAYLOAD
BQL = "queues/tx-0/byte_queue_limits/"


class Wire:
    """A pair with a first-in-first-out queue at a, somebody to take packets at b."""

    def __init__(self, queues=1, ring_only=False):
        self.pair = Pair(queues)
        self.ns_a, self.ns_b = self.pair.ns_a, self.pair.ns_b
        if queues == 1:
            self.ns_a.qdisc(Pair.A, "pfifo", limit=1000)
        self.sink = self.pair.sink()
        self.sock = self.pair.udp()
        if ring_only:
            # BQL out of the way: a new limit counts from the next completion on.
            self.bql("limit_min", 1 << 20)
            self.send(1)
            eventually(lambda: self.bql("limit") >= 1 << 20)
        self.start_a = self.ns_a.link(Pair.A)
        self.start_b = self.ns_b.link(Pair.B)

    def send(self, count):
        """So many datagrams of PAYLOAD bytes, without waiting for the wire."""
        for _ in range(count):
            self.sock.send(bytes(PAYLOAD))

    def sent(self, what="packets"):
        """What the device at a says it has sent since we began."""
        return self.ns_a.link(Pair.A)["tx_" + what] - self.start_a["tx_" + what]

    def received(self, what="packets"):
        """What the device at b says it has received since we began."""
        return self.ns_b.link(Pair.B)["rx_" + what] - self.start_b["rx_" + what]

    def bql(self, name, value=None):
        """A file of the byte queue limits of the first queue."""
        return self.ns_a.sysfs(Pair.A, BQL + name, value)

    def in_ring(self):
        """Packets that BQL knows as given to the device and not completed."""
        inflight = self.bql("inflight")
        ksft_eq(inflight % FRAME, 0, "whole frames are in flight")
        return inflight // FRAME

    def in_qdisc(self):
        """Packets that wait in front of the device."""
        return self.ns_a.qdisc_queue(Pair.A)[0]

    def counter(self, name):
        """A counter of the first transmit queue at a."""
        return self.ns_a.counters(Pair.A)["tx_queue_0_" + name]

    def drained(self, count):
        """Wait until b has seen so many packets; nothing is left anywhere then."""
        ksft_true(eventually(lambda: self.received() >= count), "all packets arrive")
        ksft_eq(self.received(), count)
        ksft_eq(self.sent(), count)
        ksft_true(eventually(lambda: self.bql("inflight") == 0), "nothing is in flight")
        ksft_eq(self.in_qdisc(), 0)


def c34_stopped_wire_keeps_packets():
    """Nothing is completed while the wire stands still, all of it when it runs again."""
    wire = Wire()
    wire.pair.speed(0)
    wire.send(50)
    ksft_gt(wire.in_ring(), 0)
    ksft_eq(wire.in_ring() + wire.in_qdisc(), 50, "each packet is in the ring or in the qdisc")
    ksft_eq(wire.received(), 0)
    wire.pair.speed(None)
    wire.drained(50)


def c38_bql_limits_what_is_in_the_ring():
    """With BQL's limit at two packets the ring holds no more, however many wait."""
    wire = Wire()
    limit = 2 * FRAME
    wire.bql("limit_max", limit)
    wire.pair.speed(0)
    wire.send(100)
    in_ring = wire.in_ring()
    ksft_gt(in_ring, 0)
    # The packet that crosses the limit is accepted.
    ksft_true(in_ring * FRAME <= limit + FRAME, f"{in_ring} packets")
    ksft_eq(in_ring + wire.in_qdisc(), 100)
    ksft_eq(wire.counter("stops"), 0, "it is BQL that stops the stack, not the ring")
    wire.pair.speed(None)
    wire.drained(100)
    ksft_true(wire.bql("limit") <= limit)


def c39_full_ring_stops_and_wakes_queue():
    """The ring fills, the queue stops before it is full, the qdisc keeps the rest, none is
    dropped; completion wakes the queue."""
    wire = Wire(ring_only=True)
    wire.pair.speed(0)
    before = wire.ns_a.counters(Pair.A)
    wire.send(RING + 200)
    in_ring = wire.in_ring()
    ksft_true(RING // 2 < in_ring <= RING, f"{in_ring} packets in a ring of {RING}")
    ksft_eq(in_ring + wire.in_qdisc(), RING + 200)
    ksft_gt(wire.counter("stops"), before["tx_queue_0_stops"])
    wakes = wire.counter("wakes")
    wire.pair.speed(None)
    wire.drained(RING + 200)
    ksft_true(eventually(lambda: wire.counter("wakes") > wakes), "the queue was woken")
    ksft_eq(wire.counter("busy"), before["tx_queue_0_busy"])
    ksft_eq(wire.counter("drops"), before["tx_queue_0_drops"])
    ksft_eq(wire.sent("dropped"), 0)


def c39_stop_and_wake_again_and_again():
    """The queue is never stuck: the ring fills and drains many times."""
    wire = Wire(ring_only=True)
    total = 0
    for _ in range(5):
        wire.pair.speed(0)
        wire.send(RING + 50)
        total += RING + 50
        wire.pair.speed(None)
        arrived = eventually(lambda total=total: wire.received() == total)
        ksft_true(arrived, f"{wire.received()} of {total} packets")
    wire.drained(total)
    ksft_ge(wire.counter("stops"), 5)


def c38_down_resets_queue():
    """What is in the ring when the device goes down is dropped and counted; BQL starts anew."""
    wire = Wire()
    wire.pair.speed(0)
    wire.send(50)
    ksft_gt(wire.in_ring(), 0)
    wire.ns_a.change(Pair.A, up=False)
    ksft_eq(wire.bql("inflight"), 0)
    ksft_eq(wire.received(), 0)
    wire.pair.speed(None)
    wire.pair.up()
    before = wire.received()
    wire.send(20)
    ksft_true(eventually(lambda: wire.received() - before == 20), "it sends again")
    ksft_true(eventually(lambda: wire.bql("inflight") == 0), "nothing is in flight")


def c38_peer_down_empties_ring():
    """A ring whose consumer goes away does not keep its packets."""
    wire = Wire()
    wire.pair.speed(0)
    wire.send(50)
    ksft_gt(wire.in_ring(), 0)
    wire.ns_b.change(Pair.B, up=False)
    ksft_true(eventually(lambda: wire.bql("inflight") == 0), "nothing is in flight")
    wire.pair.speed(None)
    wire.ns_b.change(Pair.B, up=True)
    wire.pair.up()
    before = wire.received()
    wire.send(20)
    ksft_true(eventually(lambda: wire.received() - before == 20), "it sends again")


def speed_paces_wire():
    """At 10 Mb/s packets arrive no faster than that."""
    wire = Wire()
    wire.pair.speed(10)
    count = 200
    start = time.monotonic()
    wire.send(count)
    ksft_true(eventually(lambda: wire.received() == count))
    ksft_gt(time.monotonic() - start, 0.9 * (count - 1) * FRAME * 8 / 10e6)


def speed_is_reported():
    """Unknown without a limit, else what was set; the other direction has its own."""
    wire = Wire()
    ksft_in("Speed: Unknown!", wire.ns_a.run("ethtool wren-a"))
    wire.ns_a.run("ethtool -s wren-a speed 100 duplex full autoneg off")
    ksft_in("Speed: 100Mb/s", wire.ns_a.run("ethtool wren-a"))
    ksft_in("Speed: Unknown!", wire.ns_b.run("ethtool wren-b"))
    wire.pair.speed(None)
    ksft_in("Speed: Unknown!", wire.ns_a.run("ethtool wren-a"))


def half_duplex_is_refused():
    """There is no such wire, and a refused setting changes nothing."""
    wire = Wire()
    try:
        wire.ns_a.run("ethtool -s wren-a speed 10 duplex half autoneg off")
        ksft_true(False, "half duplex is accepted")
    except CommandError:
        pass
    ksft_in("Speed: Unknown!", wire.ns_a.run("ethtool wren-a"))


def statistics_are_exact():
    """Packets and bytes on both sides, whole 64 bits, device and queue alike."""
    wire = Wire()
    before_a, before_b = wire.ns_a.counters(Pair.A), wire.ns_b.counters(Pair.B)
    wire.send(300)
    wire.drained(300)
    ksft_eq(wire.sent("bytes"), 300 * FRAME)
    ksft_eq(wire.received("bytes"), 300 * FRAME)
    for key in ("errors", "dropped"):
        ksft_eq(wire.sent(key), 0)
        ksft_eq(wire.received(key), 0)
    after_a, after_b = wire.ns_a.counters(Pair.A), wire.ns_b.counters(Pair.B)
    shown = wire.ns_a.run("ethtool -S wren-a")
    for key, value in after_a.items():
        ksft_in(f"{key}: {value}\n", shown)
    for key, count in (("packets", 300), ("bytes", 300 * FRAME)):
        ksft_eq(after_a[f"tx_queue_0_{key}"] - before_a[f"tx_queue_0_{key}"], count)
        ksft_eq(after_b[f"rx_queue_0_{key}"] - before_b[f"rx_queue_0_{key}"], count)


def queues_share_the_work():
    """With four queues, flows spread over them, and their counters add up to the device's."""
    wire = Wire(queues=4)
    total = 0
    for port in range(1000, 1040):
        sock = wire.pair.udp(port)
        wire.pair.sink(port)
        for _ in range(5):
            sock.send(bytes(PAYLOAD))
        total += 5
    ksft_true(eventually(lambda: wire.received() == total))
    counters = wire.ns_a.counters(Pair.A)
    packets = [counters[f"tx_queue_{queue}_packets"] for queue in range(4)]
    ksft_eq(sum(packets), wire.ns_a.link(Pair.A)["tx_packets"])
    ksft_ge(sum(count > 0 for count in packets), 2, f"{packets}")
    received = wire.ns_b.counters(Pair.B)
    ksft_eq(
        sum(received[f"rx_queue_{queue}_packets"] for queue in range(4)),
        wire.ns_b.link(Pair.B)["rx_packets"],
    )


def main():
    """Run them."""
    ksft_run(
        [
            c34_stopped_wire_keeps_packets,
            c38_bql_limits_what_is_in_the_ring,
            c39_full_ring_stops_and_wakes_queue,
            c39_stop_and_wake_again_and_again,
            c38_down_resets_queue,
            c38_peer_down_empties_ring,
            speed_paces_wire,
            speed_is_reported,
            half_duplex_is_refused,
            statistics_are_exact,
            queues_share_the_work,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
