#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Channels, ethtool -l and -L: how many there are, what is refused, and what becomes of packets in
the queues that go out of use."""

import errno
import os

import netdev
import rtnl
from events import RECEIVE, Events
from ring import PAYLOAD
from shape import Flood, channels, max_channels, repeat, set_channels, set_rings
from wren import (
    CommandError,
    KsftNamedVariant,
    Namespace,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)

QUEUES = 4


def both(pair):
    """The channels of both ends: receive and transmit of one, then of the other."""
    return channels(pair.ns_a, Pair.A) + channels(pair.ns_b, Pair.B)


def spread(pair, flows=40):
    """Send a packet of each of so many flows from a to b; what was put into each ring by that."""

    def packets():
        counters = pair.ns_a.counters(Pair.A)
        # Each rings the bell; what is in the ring is not counted as sent yet.
        return [counters[f"tx_queue_{queue}_doorbells"] for queue in range(QUEUES)]

    before = packets()
    for port in range(1000, 1000 + flows):
        pair.udp(port).send(bytes(PAYLOAD))
    return [now - then for now, then in zip(packets(), before, strict=True)]


def sinks(pair, flows=40):
    """Somebody at b for each of these flows."""
    for port in range(1000, 1000 + flows):
        pair.sink(port)


def received(pair):
    """Packets that the device at b has received."""
    return pair.ns_b.link(Pair.B)["rx_packets"]


def rings_only(pair):
    """BQL lets all of them into the rings: a new limit counts from the next completion on."""
    for queue in range(QUEUES):
        pair.ns_a.sysfs(Pair.A, f"queues/tx-{queue}/byte_queue_limits/limit_min", 1 << 20)
    before = received(pair)
    spread(pair)
    ksft_true(eventually(lambda: received(pair) - before == 40))


def one_is_in_use_at_first():
    """A device has a queue for each CPU, and uses one unless the request names a number."""
    ns = Namespace()
    defer(ns.close)
    ns.add("left", {rtnl.IFLA_IFNAME: "right"})
    cpus = os.cpu_count()
    for name in ("left", "right"):
        link = ns.link(name)
        ksft_eq((link["tx_queues"], link["rx_queues"]), (cpus, cpus))
        ksft_eq(channels(ns, name), (1, 1))
        ksft_eq(max_channels(ns, name), (cpus, cpus))


def as_many_as_were_asked_for():
    """numtxqueues is the number of channels to begin with, numrxqueues only a limit."""
    ns = Namespace()
    defer(ns.close)
    peer = {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_NUM_TX_QUEUES: 5, rtnl.IFLA_NUM_RX_QUEUES: 2}
    ns.add("left", peer, queues=3)
    ksft_eq(channels(ns, "left"), (3, 3))
    ksft_eq(channels(ns, "right"), (2, 5))
    ksft_eq(max_channels(ns, "left"), (3, 3))
    ksft_eq(max_channels(ns, "right"), (2, 5))


def receive_channels_are_those_of_the_peer():
    """Either end changes both directions, and the kernel's queues are as many."""
    pair = Pair(QUEUES)
    pair.ns_a.run("ethtool -L wren-a tx 2")
    ksft_eq(both(pair), (4, 2, 2, 4))
    pair.ns_b.run("ethtool -L wren-b rx 3")
    ksft_eq(both(pair), (4, 3, 3, 4))
    pair.ns_a.run("ethtool -L wren-a rx 1 tx 4")
    ksft_eq(both(pair), (1, 4, 4, 1))
    # One direction gets fewer and the other one more, in both orders.
    pair.ns_a.run("ethtool -L wren-a rx 3 tx 1")
    ksft_eq(both(pair), (3, 1, 1, 3))
    ksft_eq(pair.ns_a.sysfs(Pair.A, "queues/rx-2/rps_flow_cnt"), 0)
    try:
        pair.ns_a.sysfs(Pair.A, "queues/rx-3/rps_flow_cnt")
        ksft_true(False, "there is a fourth receive queue")
    except FileNotFoundError:
        pass


@ksft_variants(
    [
        KsftNamedVariant("no_tx", "tx 0", "no RX or TX channel"),
        KsftNamedVariant("no_rx", "rx 0", "no RX or TX channel"),
        KsftNamedVariant("too_many_tx", "tx 5", "exceeds maximum"),
        KsftNamedVariant("too_many_rx", "rx 5", "exceeds maximum"),
        KsftNamedVariant("combined", "combined 1", "exceeds maximum"),
        KsftNamedVariant("other", "other 1", "exceeds maximum"),
    ]
)
def refusal(counts, message):
    """What cannot be is refused with a reason, and changes nothing."""
    pair = Pair(QUEUES)
    try:
        pair.ns_a.run(f"ethtool -L wren-a {counts}")
        ksft_true(False, "not refused")
    except CommandError as error:
        ksft_in(message, str(error))
    ksft_eq(both(pair), (4, 4, 4, 4))


def only_channels_carry_packets():
    """Flows go over the queues in use and no others; all arrive."""
    pair = Pair(QUEUES)
    sinks(pair)
    # The first channels are polled from when the device comes up, the others from later on.
    pair.ns_b.change(Pair.B, up=False)
    set_channels(pair.ns_a, Pair.A, tx=1)
    pair.ns_b.change(Pair.B, up=True)
    pair.up()
    before, total = received(pair), 0
    for count in (1, 4, 1, 3, 2, 4):
        set_channels(pair.ns_a, Pair.A, tx=count)
        queues = spread(pair)
        ksft_eq((sum(queues), sum(queues[count:])), (40, 0))
        ksft_ge(sum(packets > 0 for packets in queues), min(count, 2))
        total += 40
    ksft_true(eventually(lambda: received(pair) - before == total))


def what_waits_is_delivered():
    """Packets in the rings of queues that go out of use still cross the wire, also if the queues
    come back meanwhile with rings of another size."""
    pair = Pair(QUEUES)
    sinks(pair)
    rings_only(pair)
    before = received(pair)
    pair.speed(0)
    queues = spread(pair)
    ksft_ge(sum(packets > 0 for packets in queues[1:]), 1, f"{queues}")
    set_channels(pair.ns_a, Pair.A, tx=1)
    pair.speed(None)
    ksft_true(eventually(lambda: received(pair) - before == 40), f"{received(pair) - before} of 40")

    set_channels(pair.ns_a, Pair.A, tx=4)
    pair.speed(0)
    spread(pair)
    set_channels(pair.ns_a, Pair.A, tx=1)
    set_rings(pair.ns_a, Pair.A, tx=8)
    set_channels(pair.ns_a, Pair.A, tx=4)
    pair.speed(None)
    ksft_true(eventually(lambda: received(pair) - before == 80), f"{received(pair) - before} of 80")
    for queue in range(QUEUES):
        inflight = f"queues/tx-{queue}/byte_queue_limits/inflight"
        ksft_eq(pair.ns_a.sysfs(Pair.A, inflight), 0)
    ksft_eq(pair.ns_a.link(Pair.A)["tx_dropped"], 0)


def down_drops_what_waits():
    """What is in the ring of a queue that is out of use is dropped and counted at down."""
    pair = Pair(QUEUES)
    sinks(pair)
    rings_only(pair)
    pair.speed(0)
    dropped = pair.ns_a.link(Pair.A)["tx_dropped"]
    ksft_eq(sum(spread(pair)), 40)
    set_channels(pair.ns_a, Pair.A, tx=1)
    pair.ns_a.change(Pair.A, up=False)
    ksft_eq(pair.ns_a.link(Pair.A)["tx_dropped"] - dropped, 40)


def change_while_down():
    """Channels can be changed while a device is down, and are polled when it comes up."""
    pair = Pair(QUEUES)
    sinks(pair)
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        set_channels(pair.ns_a, Pair.A, tx=1)
        ns.change(name, up=False)
        set_channels(pair.ns_a, Pair.A, tx=4)
        ns.change(name, up=True)
        pair.up()
        before = received(pair)
        queues = spread(pair)
        ksft_ge(sum(packets > 0 for packets in queues), 2, f"{queues}")
        ksft_true(eventually(lambda before=before: received(pair) - before == 40))


def rings_are_polled():
    """A lane that has lost its channel still has a ring, so it is polled after down and up, too."""
    pair = Pair(QUEUES)
    index = pair.ns_b.link(Pair.B)["index"]

    def instances():
        with pair.ns_b.entered():
            return len(netdev.napis(index))

    set_channels(pair.ns_a, Pair.A, tx=1)
    ksft_eq(instances(), QUEUES)
    pair.ns_b.change(Pair.B, up=False)
    pair.ns_b.change(Pair.B, up=True)
    ksft_eq(instances(), QUEUES)
    set_channels(pair.ns_a, Pair.A, tx=2)
    ksft_eq(instances(), QUEUES)


def change_under_flood():
    """Channels of both directions change from both ends while packets are sent both ways over many
    flows: the devices lose none."""
    pair = Pair(QUEUES)
    carrier = pair.ns_a.sysfs(Pair.A, "carrier_changes")
    flood = Flood(pair, flows=16)
    for count in (1, 4, 2, 3) * 5:
        set_channels(pair.ns_a, Pair.A, tx=count, rx=5 - count)
        set_channels(pair.ns_b, Pair.B, rx=5 - count)
        set_rings(pair.ns_b, Pair.B, tx=8 << count)
    flood.end()
    ksft_eq(flood.counts("tx_dropped"), [0, 0])
    ksft_eq(pair.ns_a.sysfs(Pair.A, "carrier_changes"), carrier)
    ksft_eq(both(pair), (2, 2, 2, 2))


def lanes_share_receive_queues():
    """With fewer receive queues than channels into it, a device names those that it has in turn."""
    pair = Pair(QUEUES, rx_queues=2)
    ksft_eq(both(pair), (4, 4, 2, 4))
    sinks(pair)
    came = Events(RECEIVE, f'name == "{Pair.B}"')
    before = received(pair)
    ksft_ge(sum(packets > 0 for packets in spread(pair)), 3)
    ksft_true(eventually(lambda: received(pair) - before == 40))
    # Recorded is the number of the queue and one.
    ksft_eq(set(came.values("queue_mapping")), {1, 2})


def deleted_during_a_change():
    """The pair may go away under those who change it."""
    for _ in range(5):
        ns = Namespace()
        defer(ns.close)
        peer = {rtnl.IFLA_NUM_TX_QUEUES: 2, rtnl.IFLA_NUM_RX_QUEUES: 2}
        ns.add("left", {rtnl.IFLA_IFNAME: "right"} | peer, queues=2)
        ns.change("left", up=True)
        ns.change("right", up=True)
        ends = [
            repeat(lambda ns=ns: [set_channels(ns, "left", tx=tx) for tx in (2, 1)]),
            repeat(lambda ns=ns: [set_channels(ns, "right", tx=tx, rx=1) for tx in (2, 1)]),
        ]
        ns.delete("right")
        for end in ends:
            _, error = end()
            ksft_in(error and error.errno, (errno.ENODEV, errno.EOPNOTSUPP))
        ksft_eq(ns.links(), [])


def main():
    """Run them."""
    ksft_run(
        [
            one_is_in_use_at_first,
            as_many_as_were_asked_for,
            receive_channels_are_those_of_the_peer,
            refusal,
            only_channels_carry_packets,
            what_waits_is_delivered,
            down_drops_what_waits,
            change_while_down,
            rings_are_polled,
            change_under_flood,
            lanes_share_receive_queues,
            deleted_during_a_change,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
