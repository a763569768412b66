#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is counted: of each queue and of the device, by all interfaces alike, and each drop once."""

import socket
import struct
import threading

import netdev
import rtnl
from events import Drops
from ring import Wire
from shape import set_channels
from wren import (
    KsftNamedVariant,
    Namespace,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_run,
    ksft_true,
    ksft_variants,
)

ETHERTYPE = 0x88B6
BQL = "queues/tx-0/byte_queue_limits/inflight"
# Header, and the bytes of a tag that a receiver allows besides
ETH_HLEN, VLAN_HLEN = 14, 4
COUNT = 10


class Frames:
    """A pair, and frames of an EtherType that nobody else sends, from a to b."""

    def __init__(self):
        self.pair = Pair()
        self.ns_a, self.ns_b = self.pair.ns_a, self.pair.ns_b
        self.ns_a.run(f"tc qdisc replace dev {Pair.A} root pfifo limit 1000")
        with self.ns_a.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        defer(self.sock.close)
        self.sock.bind((Pair.A, 0))
        self.head = self.ns_b.link(Pair.B)["address"] + self.ns_a.link(Pair.A)["address"]
        self.head += struct.pack(">H", ETHERTYPE)

    def send(self, count, length=100):
        """So many frames of that length, header included."""
        for _ in range(count):
            self.sock.send(self.head + bytes(length - ETH_HLEN))

    def fill_ring(self, length=100):
        """Send without the wire taking anything; how many are in the ring."""
        self.pair.speed(0)
        self.send(COUNT, length)
        in_ring = self.ns_a.sysfs(Pair.A, BQL) // length
        ksft_gt(in_ring, 0)
        return in_ring

    def link(self, key):
        """A counter of the device at a."""
        return self.ns_a.link(Pair.A)[key]

    def counter(self, name):
        """A counter of its transmit queue."""
        return self.ns_a.counters(Pair.A)["tx_queue_0_" + name]


def too_long_for_the_peer():
    """What is longer than the MTU of the receiver allows is a length error there, and nothing
    else; the longest that is allowed arrives."""
    frames = Frames()
    frames.ns_b.change(Pair.B, mtu=1000)
    drops = Drops(ETHERTYPE, "PKT_TOO_BIG")
    before = frames.ns_b.link(Pair.B)
    limit = 1000 + ETH_HLEN + VLAN_HLEN
    frames.send(COUNT, limit + 1)
    frames.send(1, limit)

    def seen(key):
        return frames.ns_b.link(Pair.B)[key] - before[key]

    ksft_true(eventually(lambda: seen("rx_packets") == 1), "the longest frame")
    ksft_eq(seen("rx_length_errors"), COUNT)
    ksft_eq(seen("rx_errors"), COUNT)
    ksft_eq(drops.count(), COUNT)
    ksft_eq(frames.ns_b.counters(Pair.B)["rx_queue_0_length_errors"], COUNT)
    ksft_eq(frames.ns_b.counters(Pair.B)["rx_queue_0_drops"], 0)


@ksft_variants(
    [
        KsftNamedVariant("own_down", lambda pair: pair.ns_a.change(Pair.A, up=False)),
        KsftNamedVariant("peer_down", lambda pair: pair.ns_b.change(Pair.B, up=False)),
        KsftNamedVariant("no_carrier", lambda pair: pair.ns_a.change(Pair.A, carrier=0)),
    ]
)
def in_the_ring_when_the_link_goes(cut):
    """What waits for the wire when the link goes down is dropped: counted once, with a reason."""
    frames = Frames()
    in_ring = frames.fill_ring()
    drops = Drops(ETHERTYPE, "DEV_READY")
    purged, dropped = frames.counter("purged"), frames.link("tx_dropped")
    cut(frames.pair)
    ksft_eq(drops.count(), in_ring)
    ksft_eq(frames.counter("purged"), purged + in_ring)
    # What waited in the qdisc the core counts nowhere.
    ksft_eq(frames.link("tx_dropped"), dropped + in_ring)
    ksft_eq(frames.ns_a.sysfs(Pair.A, BQL), 0)


def purge_wakes():
    """A queue that was stopped when its ring is emptied is woken, and that is counted."""
    wire = Wire(ring_only=True)
    wire.pair.speed(0)
    wire.send(300)
    before = wire.counter("wakes")
    ksft_eq(wire.counter("stops"), before + 1)
    wire.ns_a.change(Pair.A, carrier=0)
    ksft_eq(wire.counter("wakes"), before + 1)


def in_the_ring_when_the_pair_goes():
    """What waits for the wire when the pair is deleted is dropped with a reason."""
    frames = Frames()
    in_ring = frames.fill_ring()
    drops = Drops(ETHERTYPE, "DEV_READY")
    frames.ns_b.delete(Pair.B)
    ksft_eq(drops.count(), in_ring)


def sent_while_the_link_goes():
    """What the transmit function gets after the link has gone down, and before the core has stopped
    the queue, is dropped: counted once, with a reason. So is what comes to a device that is not
    quite up."""
    frames = Frames()
    drops = Drops(ETHERTYPE, "DEV_READY")
    done = threading.Event()

    def flood():
        while not done.is_set():
            try:
                frames.send(1)
            except OSError:
                pass

    def cut():
        frames.ns_b.change(Pair.B, up=False)
        frames.ns_b.change(Pair.B, up=True)
        return frames.counter("drops") > 0

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        ksft_true(eventually(cut), "the link goes down in the middle of it")
    finally:
        done.set()
        thread.join()
    ksft_true(eventually(lambda: frames.ns_a.sysfs(Pair.A, BQL) == 0))
    dropped = frames.counter("drops") + frames.counter("purged")
    with frames.ns_a.entered():
        # That of the device also has what the core drops as long as it has stopped the queue.
        shown = netdev.device_stats(rtnl.get(Pair.A)["index"])["tx_hw_drops"]
    ksft_eq(shown, dropped)
    early = frames.ns_b.counters(Pair.B)["rx_queue_0_drops"]
    ksft_eq(frames.ns_b.link(Pair.B)["rx_length_errors"], 0)
    ksft_eq(drops.count(), dropped + early)


def busy_pair(queues, **kwargs):
    """A pair with flows in both directions, over all its queues, that have arrived."""
    pair = Pair(queues, **kwargs)
    total = 0
    for port in range(1000, 1030):
        sink, sock = pair.sink(port), pair.udp(port)
        for _ in range(3):
            sock.send(bytes(500))
        total += 3
        sink.sendto(b"back", (Pair.ADDR_A, sock.getsockname()[1]))
    received = eventually(lambda: pair.ns_b.link(Pair.B)["rx_packets"] >= total)
    ksft_true(received, "all packets arrive")
    ksft_true(
        eventually(
            lambda: pair.ns_b.link(Pair.B)["tx_packets"] == pair.ns_a.link(Pair.A)["rx_packets"]
        )
    )
    return pair


def interfaces_agree():
    """ip -s link, ethtool -S and netdev-genl show the same packets and bytes, by queue and in all;
    and so does the standard group of ethtool, which does not count headers."""
    queues = 4
    pair = busy_pair(queues)
    # A queue that was stopped and packets that were dropped are statistics, too.
    pair.speed(0)
    pair.udp().send(bytes(100))
    pair.ns_a.change(Pair.A, up=False)
    pair.up()
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        link, counters = ns.link(name), ns.counters(name)
        with ns.entered():
            device = netdev.device_stats(link["index"])
            by_queue = netdev.queue_stats(link["index"])
        for key in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
            way, what = key.split("_")
            single = [counters[f"{way}_queue_{queue}_{what}"] for queue in range(queues)]
            ksft_eq(sum(single), link[key], key)
            ksft_eq(device[key], link[key], key)
            kind = netdev.TX if way == "tx" else netdev.RX
            shown = {queue["id"]: queue[key] for queue in by_queue if queue["type"] == kind}
            ksft_eq(shown, dict(enumerate(single)), key)
        ksft_eq(device["tx_hw_drops"], link["tx_dropped"])
        ksft_eq(device["rx_hw_drops"], 0)
        for key, name_of in (("tx_stop", "stops"), ("tx_wake", "wakes")):
            ksft_eq(device[key], sum(counters[f"tx_queue_{n}_{name_of}"] for n in range(queues)))
        ((shown,),) = (ns.json(f"ethtool --json -S {name} --groups eth-mac"),)
        mac = shown["eth-mac"]
        ksft_eq(mac["FramesTransmittedOK"], link["tx_packets"])
        ksft_eq(mac["FramesReceivedOK"], link["rx_packets"])
        ksft_eq(mac["OctetsTransmittedOK"], link["tx_bytes"] - ETH_HLEN * link["tx_packets"])
        ksft_eq(mac["OctetsReceivedOK"], link["rx_bytes"] - ETH_HLEN * link["rx_packets"])
        ksft_eq(mac["FrameTooLongErrors"], 0)
    ksft_gt(pair.ns_a.link(Pair.A)["tx_dropped"], 0)


def receive_queues_are_shared():
    """A device with fewer receive queues than its peer has transmit queues counts all packets."""
    pair = busy_pair(4, rx_queues=2)
    link = pair.ns_b.link(Pair.B)
    counters = pair.ns_b.counters(Pair.B)
    lanes = [counters[f"rx_queue_{lane}_packets"] for lane in range(4)]
    ksft_gt(lanes[2] + lanes[3], 0, "lanes without a queue of their own")
    with pair.ns_b.entered():
        queues = [q for q in netdev.queue_stats(link["index"]) if q["type"] == netdev.RX]
        device = netdev.device_stats(link["index"])
    shown = {queue["id"]: queue["rx_packets"] for queue in queues}
    ksft_eq(shown, {0: lanes[0] + lanes[2], 1: lanes[1] + lanes[3]})
    ksft_eq(device["rx_packets"], link["rx_packets"])


def queues_name_their_instance():
    """Each receive queue tells its NAPI instance, as long as the device is up; transmit queues are
    completed by the peer and tell none."""
    queues = 2
    pair = Pair(queues)
    index = pair.ns_b.link(Pair.B)["index"]
    with pair.ns_b.entered():
        shown = netdev.queues(index)
        napis = netdev.napis(index)
    ksft_eq(len(shown), 2 * queues)
    ids = [queue["napi"] for queue in shown if queue["type"] == netdev.RX]
    ksft_eq(len(set(ids)), queues, "an instance for each")
    ksft_eq(sorted(ids), sorted(napi["id"] for napi in napis))
    ksft_true(all("napi" not in queue for queue in shown if queue["type"] == netdev.TX))
    for _ in range(2):
        pair.ns_b.change(Pair.B, up=False)
        with pair.ns_b.entered():
            ksft_eq(netdev.queues(index), [])
            ksft_eq(netdev.napis(index), [])
        pair.ns_b.change(Pair.B, up=True)
        with pair.ns_b.entered():
            again = [queue.get("napi") for queue in netdev.queues(index)][:queues]
            ksft_eq(sorted(again), sorted(napi["id"] for napi in netdev.napis(index)))
    ksft_ge(min(again), 1)


def channels_that_come_later_name_theirs():
    """A receive queue that comes into use while the device is up tells its NAPI instance, too."""
    ns = Namespace()
    defer(ns.close)
    ns.add("left", {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_NUM_RX_QUEUES: 2}, queues=2)
    # The second one must not have been polled before.
    set_channels(ns, "left", tx=1)
    for name in ("left", "right"):
        ns.change(name, up=True)
    index = ns.link("right")["index"]
    for count in (1, 2, 1, 2):
        set_channels(ns, "left", tx=count)
        with ns.entered():
            shown = [queue for queue in netdev.queues(index) if queue["type"] == netdev.RX]
            napis = {napi["id"] for napi in netdev.napis(index)}
        ksft_eq(len(shown), count)
        ids = {queue.get("napi") for queue in shown}
        ksft_eq(len(ids & napis), count, "an instance for each")


def main():
    """Run them."""
    ksft_run(
        [
            too_long_for_the_peer,
            in_the_ring_when_the_link_goes,
            purge_wakes,
            in_the_ring_when_the_pair_goes,
            sent_while_the_link_goes,
            interfaces_agree,
            receive_queues_are_shared,
            queues_name_their_instance,
            channels_that_come_later_name_theirs,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
