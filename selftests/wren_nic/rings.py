#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The sizes of rings, ethtool -g and -G: what they are, what is refused, and that a change loses
nothing, whatever waits and whatever is under way."""

import errno
import socket
import struct

import rtnl
from ring import FRAME, PAYLOAD, Wire
from shape import SO_RCVBUFFORCE, Flood, repeat, rings, set_rings
from wren import (
    CommandError,
    KsftNamedVariant,
    Namespace,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)


def refused(ns, command):
    """What a command says that is refused."""
    try:
        ns.run(command)
    except CommandError as error:
        return str(error)
    return "not refused"


class Sequence(Wire):
    """A wire, and packets with numbers on it."""

    def __init__(self):
        super().__init__(ring_only=True)
        self.sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sink.settimeout(20)
        self.sink.recv(PAYLOAD)
        self.next = 0

    def number(self, count):
        """Send the next so many."""
        for _ in range(count):
            self.sock.send(struct.pack("=I", self.next) + bytes(PAYLOAD - 4))
            self.next += 1

    def arrive(self):
        """All of them arrive, in their order, and BQL knows it."""
        for number in range(self.next):
            ksft_eq(struct.unpack_from("=I", self.sink.recv(PAYLOAD))[0], number)
        self.next = 0
        ksft_true(eventually(lambda: self.bql("inflight") == 0), "nothing is in flight")
        ksft_eq(self.in_qdisc(), 0)
        ksft_eq(self.sent("dropped"), 0)
        ksft_eq(self.counter("busy"), 0)


def sizes_are_shown():
    """256 at first, at most 4096; both ends show both directions."""
    pair = Pair()
    shown = pair.ns_a.json("ethtool --json -g wren-a")[0]
    ksft_eq((shown["rx"], shown["tx"], shown["rx-max"], shown["tx-max"]), (256, 256, 4096, 4096))
    ksft_eq(rings(pair.ns_b, Pair.B), (256, 256))


def receive_ring_is_that_of_the_peer():
    """What one end sends through the other receives from: the size is one."""
    pair = Pair()
    pair.ns_a.run("ethtool -G wren-a tx 512")
    ksft_eq((rings(pair.ns_a, Pair.A), rings(pair.ns_b, Pair.B)), ((256, 512), (512, 256)))
    pair.ns_a.run("ethtool -G wren-a rx 64")
    ksft_eq((rings(pair.ns_a, Pair.A), rings(pair.ns_b, Pair.B)), ((64, 512), (512, 64)))
    set_rings(pair.ns_b, Pair.B, rx=8, tx=4096)
    ksft_eq((rings(pair.ns_a, Pair.A), rings(pair.ns_b, Pair.B)), ((4096, 8), (8, 4096)))


@ksft_variants(
    [
        KsftNamedVariant("no_power_of_two", "tx 100", "must be a power of two"),
        KsftNamedVariant("rx_no_power_of_two", "rx 24 tx 64", "must be a power of two"),
        KsftNamedVariant("too_small", "tx 4", "at least 8"),
        KsftNamedVariant("none", "rx 0", "must be a power of two"),
        KsftNamedVariant("too_large", "tx 8192", "exceeds maximum"),
        KsftNamedVariant("mini", "rx-mini 8", "exceeds maximum"),
        KsftNamedVariant("push", "tx-push on", "not supported"),
    ]
)
def refusal(sizes, message):
    """What cannot be is refused with a reason, and changes nothing."""
    pair = Pair()
    ksft_in(message, refused(pair.ns_a, f"ethtool -G wren-a {sizes}"))
    ksft_eq(rings(pair.ns_a, Pair.A), (256, 256))


@ksft_variants([KsftNamedVariant(str(size), size) for size in (8, 64, 512)])
def ring_stops_at_its_size(size):
    """The queue stops before a ring of that size is full, and is woken again."""
    wire = Sequence()
    set_rings(wire.ns_a, Pair.A, tx=size)
    wire.pair.speed(0)
    wire.number(size + 50)
    in_ring = wire.in_ring()
    ksft_true(size - 2 <= in_ring <= size, f"{in_ring} packets in a ring of {size}")
    ksft_eq(wire.in_qdisc(), size + 50 - in_ring)
    wakes = wire.counter("wakes")
    wire.pair.speed(None)
    wire.arrive()
    ksft_true(wire.counter("wakes") > wakes, "the queue was woken")


def larger_takes_more():
    """A full ring that grows takes what waited in front of it; BQL still knows what is in it."""
    wire = Sequence()
    set_rings(wire.ns_a, Pair.A, tx=64)
    wire.pair.speed(0)
    wire.number(300)
    ksft_true(wire.in_ring() <= 64)
    set_rings(wire.ns_a, Pair.A, tx=1024)
    ksft_true(eventually(lambda: wire.in_ring() == 300), f"{wire.in_ring()} of 300 are in the ring")
    ksft_eq(wire.in_qdisc(), 0)
    wire.pair.speed(None)
    wire.arrive()


def smaller_than_what_waits_loses_nothing():
    """What does not fit into the smaller ring stays where it is; nothing is added to it until there
    is room in a ring of that size."""
    wire = Sequence()
    wire.pair.speed(0)
    wire.number(200)
    ksft_eq(wire.in_ring(), 200)
    set_rings(wire.ns_a, Pair.A, tx=8)
    ksft_eq(rings(wire.ns_a, Pair.A), (256, 8))
    wire.number(50)
    ksft_eq((wire.in_ring(), wire.in_qdisc()), (200, 50))
    wire.pair.speed(None)
    wire.arrive()
    # From now on it is a small one.
    wire.pair.speed(0)
    wire.number(50)
    ksft_true(wire.in_ring() <= 8, f"{wire.in_ring()} packets in a ring of 8")
    wire.pair.speed(None)
    wire.arrive()


def smaller_and_larger_while_stopped():
    """However often the size changes while the wire stands still."""
    wire = Sequence()
    wire.pair.speed(0)
    for size in (8, 4096, 16, 1024, 8, 256, 512, 8):
        wire.number(30)
        set_rings(wire.ns_a, Pair.A, tx=size)
    ksft_eq(wire.in_ring() + wire.in_qdisc(), 240)
    wire.pair.speed(None)
    wire.arrive()


def a_stop_counts_once():
    """A queue that is stopped stays so while its ring changes, and has not stopped again."""
    wire = Sequence()
    set_rings(wire.ns_a, Pair.A, tx=64)
    wire.pair.speed(0)
    before = wire.counter("stops"), wire.counter("wakes")
    wire.number(100)
    for size in (32, 8, 16, 64, 32):
        set_rings(wire.ns_a, Pair.A, tx=size)
    ksft_eq((wire.counter("stops"), wire.counter("wakes")), (before[0] + 1, before[1]))
    wire.pair.speed(None)
    wire.arrive()
    ksft_eq(wire.counter("stops"), wire.counter("wakes"))


def slow_wire_keeps_its_pace():
    """A packet that is crossing while the ring changes arrives, and the others behind it."""
    wire = Sequence()
    wire.pair.speed(10)
    wire.number(100)
    for size in (8, 1024, 64, 512):
        set_rings(wire.ns_a, Pair.A, tx=size)
    wire.arrive()


def change_under_flood_loses_nothing():
    """Sizes of both directions change, from both ends, by ethtool and by rtnetlink, while packets
    are sent both ways: each arrives, and the carrier stays."""
    pair = Pair()
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        ns.run(f"tc qdisc replace dev {name} root pfifo limit 10000")
    carrier = pair.ns_a.sysfs(Pair.A, "carrier_changes")
    flood = Flood(pair)
    for size in (8, 4096, 16, 512, 8, 64, 2048, 256) * 3:
        set_rings(pair.ns_a, Pair.A, tx=size, rx=4096 // size * 8 if size > 8 else 4096)
        pair.ns_b.change(Pair.B, data={rtnl.IFLA_WREN_RING_SIZE: size})
    flood.lossless()
    ksft_eq(pair.ns_a.sysfs(Pair.A, "carrier_changes"), carrier)
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        ksft_eq(ns.counters(name)["tx_queue_0_busy"], 0)


def change_while_down():
    """A ring can be changed while the device, or its peer, is down."""
    wire = Sequence()
    for ns, name in ((wire.ns_a, Pair.A), (wire.ns_b, Pair.B)):
        ns.change(name, up=False)
        set_rings(wire.ns_a, Pair.A, tx=32, rx=16)
        ksft_eq(rings(wire.ns_b, Pair.B), (32, 16))
        ns.change(name, up=True)
        wire.pair.up()
        wire.number(100)
        wire.arrive()
        set_rings(wire.ns_a, Pair.A, tx=256, rx=256)


def down_after_smaller():
    """What a ring that became too small for it still holds is dropped and counted at down."""
    wire = Sequence()
    wire.pair.speed(0)
    wire.number(100)
    set_rings(wire.ns_a, Pair.A, tx=8)
    before = wire.counter("purged")
    wire.ns_a.change(Pair.A, up=False)
    ksft_eq(wire.counter("purged") - before, 100)
    ksft_eq(wire.bql("inflight"), 0)


def deleted_during_a_change():
    """The pair may go away under those who change it."""
    for _ in range(5):
        ns = Namespace()
        defer(ns.close)
        ns.add("left", {rtnl.IFLA_IFNAME: "right"})
        ns.change("left", up=True)
        ns.change("right", up=True)
        ends = [
            repeat(lambda ns=ns: [set_rings(ns, "left", tx=size) for size in (8, 64)]),
            repeat(lambda ns=ns: [set_rings(ns, "right", rx=size, tx=16) for size in (32, 128)]),
        ]
        ns.delete("right")
        for end in ends:
            _, error = end()
            ksft_in(error and error.errno, (errno.ENODEV, errno.EOPNOTSUPP))
        ksft_eq(ns.links(), [])


def bql_is_left_alone():
    """What waits stays accounted, to the byte, while it moves to another ring."""
    wire = Sequence()
    wire.pair.speed(0)
    wire.number(10)
    inflight = wire.bql("inflight")
    set_rings(wire.ns_a, Pair.A, tx=32)
    ksft_eq((inflight, wire.bql("inflight")), (10 * FRAME, 10 * FRAME))
    wire.pair.speed(None)
    wire.arrive()


def main():
    """Run them."""
    ksft_run(
        [
            sizes_are_shown,
            receive_ring_is_that_of_the_peer,
            refusal,
            ring_stops_at_its_size,
            larger_takes_more,
            smaller_than_what_waits_loses_nothing,
            smaller_and_larger_while_stopped,
            a_stop_counts_once,
            slow_wire_keeps_its_pace,
            bql_is_left_alone,
            change_under_flood_loses_nothing,
            change_while_down,
            down_after_smaller,
            deleted_during_a_change,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
