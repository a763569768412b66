#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the device does for the stack, and that the stack does it where the device does not."""

import random
import select
import socket

import netdev
from events import RECEIVE, Events
from wren import (
    CommandError,
    KsftNamedVariant,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)

UDP_SEGMENT = 103
CHECKSUM_NONE, CHECKSUM_PARTIAL = 0, 3
ETH_P_8021Q, ETH_P_8021AD = 0x8100, 0x88A8
ETH_HLEN, VLAN_HLEN, MTU = 14, 4, 1500
VLAN = 10
# Longer than anything takes, in milliseconds
LONG = 20000


def switch(ns, name, on, *wanted):
    """Turn features of a device on or off, and return all that are on."""
    with ns.entered():
        netdev.set_features(name, dict.fromkeys(wanted, on))
    return those_on(ns, name)


def those_on(ns, name):
    """The features of a device that are on."""
    with ns.entered():
        return {feature for feature, on in netdev.features(name).items() if on}


def open_socket(ns, kind):
    """A socket in the namespace, closed when the test is over."""
    with ns.entered():
        sock = socket.socket(socket.AF_INET, kind)
    defer(sock.close)
    return sock


def tcp(pair, address, size=20_000):
    """Random bytes in both directions at the same time; whether they arrive as they were sent."""
    listener = open_socket(pair.ns_b, socket.SOCK_STREAM)
    listener.bind((address, 0))
    listener.listen()
    one = open_socket(pair.ns_a, socket.SOCK_STREAM)
    one.settimeout(LONG / 1000)
    one.connect(listener.getsockname())
    listener.settimeout(LONG / 1000)
    other, _ = listener.accept()
    left, got = {}, {}
    poll = select.poll()
    for sock in (one, other):
        sock.setblocking(False)
        left[sock.fileno()], got[sock.fileno()] = random.randbytes(size), bytearray()
        poll.register(sock, select.POLLIN | select.POLLOUT)
    data = dict(left)
    by_number = {sock.fileno(): sock for sock in (one, other)}
    while any(left.values()) or any(len(received) < size for received in got.values()):
        ready = poll.poll(LONG)
        if not ready:
            return False
        for number, events in ready:
            if events & select.POLLIN:
                chunk = by_number[number].recv(1 << 20)
                if not chunk:
                    return False
                got[number] += chunk
            if left[number] and events & select.POLLOUT:
                left[number] = left[number][by_number[number].send(left[number]) :]
            if not left[number]:
                poll.modify(number, select.POLLIN)
    return got[one.fileno()] == data[other.fileno()] and got[other.fileno()] == data[one.fileno()]


def udp(pair, address, size=1000, count=10):
    """One large packet of several datagrams; whether they arrive as they were sent."""
    sink = open_socket(pair.ns_b, socket.SOCK_DGRAM)
    sink.bind((address, 0))
    sink.settimeout(LONG / 1000)
    sock = open_socket(pair.ns_a, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
    data = random.randbytes(size * count)
    sock.sendto(data, sink.getsockname())
    return b"".join(sink.recv(65536) for _ in range(count)) == data


def sent():
    """Packets that the transmit function at a gets."""
    return Events("net/net_dev_start_xmit", f'name == "{Pair.A}"')


def received():
    """Packets that b gives to the stack."""
    return Events(RECEIVE, f'name == "{Pair.B}"')


def each_feature_can_be_switched():
    """With any one of its features switched, packets of both directions arrive as they were sent,
    and afterwards all is as before."""
    pair = Pair()
    with pair.ns_a.entered():
        before = netdev.features(Pair.A)
    for wanted in ("tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-udp-segmentation"):
        ksft_true(before[wanted], wanted)
    for feature, on in before.items():
        now = switch(pair.ns_a, Pair.A, not on, feature)
        ksft_eq(feature in now, not on, feature)
        ksft_true(tcp(pair, Pair.ADDR_B), f"TCP with {feature} switched")
        ksft_true(udp(pair, Pair.ADDR_B), f"UDP with {feature} switched")
        now = switch(pair.ns_a, Pair.A, on, feature)
        ksft_eq(now, {feature for feature, on in before.items() if on}, feature)


def the_device_takes_what_is_not_ready():
    """With all features on, large packets without checksums go through the ring, both of TCP and
    UDP, and are not cut for the peer."""
    pair = Pair()
    out, came = sent(), received()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_gt(max(out.values("len")), ETH_HLEN + MTU, "TCP segmentation is left to the device")
    ksft_gt(max(came.values("len")), MTU, "the peer has it whole")
    out.clear()
    ksft_true(udp(pair, Pair.ADDR_B))
    ksft_gt(max(out.values("len")), 10_000, "UDP segmentation is left to the device")
    ksft_in(CHECKSUM_PARTIAL, out.values("ip_summed"))


def without_segmentation_the_core_cuts():
    """With segmentation off, no packet in the ring is longer than the MTU."""
    pair = Pair()
    switch(pair.ns_a, Pair.A, False, "tx-tcp-segmentation", "tx-udp-segmentation")
    out = sent()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_true(udp(pair, Pair.ADDR_B))
    ksft_eq(max(out.values("len")), ETH_HLEN + MTU)


def without_tx_checksum_the_core_fills_it_in():
    """With transmit checksums off, no packet in the ring lacks one."""
    pair = Pair()
    switch(pair.ns_a, Pair.A, False, "tx-checksum-ip-generic")
    out = sent()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_true(udp(pair, Pair.ADDR_B))
    ksft_eq(set(out.values("ip_summed")), {CHECKSUM_NONE})


def without_scatter_gather_packets_are_linear():
    """With scatter-gather off, no packet in the ring has fragments."""
    pair = Pair()
    switch(pair.ns_a, Pair.A, False, "tx-scatter-gather")
    out = sent()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_eq(set(out.values("data_len")), {0})


def without_rx_checksum_nothing_is_trusted():
    """With receive checksums off, the peer fills in all checksums before it sends, and the stack
    checks each. When they are on again the peer sends as before."""
    pair = Pair()
    before = those_on(pair.ns_a, Pair.A)
    switch(pair.ns_b, Pair.B, False, "rx-checksum")
    lost = before - those_on(pair.ns_a, Pair.A)
    ksft_in("tx-checksum-ip-generic", lost)
    ksft_in("tx-tcp-segmentation", lost)
    ksft_in("tx-udp-segmentation", lost)
    came = received()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_true(udp(pair, Pair.ADDR_B))
    ksft_eq(set(came.values("ip_summed")), {CHECKSUM_NONE})
    switch(pair.ns_b, Pair.B, True, "rx-checksum")
    ksft_eq(those_on(pair.ns_a, Pair.A), before)
    came.clear()
    ksft_true(tcp(pair, Pair.ADDR_B))
    ksft_in(CHECKSUM_PARTIAL, came.values("ip_summed"))


def on_the_wire_when_rx_checksum_goes_off():
    """A packet that waits for the wire without a checksum when the receiver stops trusting gets one
    on arrival."""
    pair = Pair()
    sink, sock = pair.sink(), pair.udp()
    pair.speed(0)
    sock.send(b"on the wire")
    came = received()
    switch(pair.ns_b, Pair.B, False, "rx-checksum")
    pair.speed(None)
    sink.settimeout(LONG / 1000)
    ksft_eq(sink.recv(100), b"on the wire")
    ksft_eq(came.values("ip_summed"), [CHECKSUM_NONE])


def vlan_pair(*tags):
    """A pair with VLAN devices on top, one on the other: (protocol, number) from the outside in.
    Returns it with the address at b."""
    pair = Pair()
    for ns, below, end in ((pair.ns_a, Pair.A, 1), (pair.ns_b, Pair.B, 2)):
        for level, (protocol, number) in enumerate(tags):
            name = f"vlan{level}"
            tag = f"type vlan proto {protocol} id {number}"
            ns.run(f"ip link add link {below} name {name} up {tag}")
            below = name
        ns.run(f"ip addr add 198.51.100.{end}/24 dev {below}")
    return pair, "198.51.100.2"


@ksft_variants(
    [
        KsftNamedVariant("ctag", "802.1q", ETH_P_8021Q, "vlan-hw"),
        KsftNamedVariant("stag", "802.1ad", ETH_P_8021AD, "vlan-stag-hw"),
    ]
)
def tag_is_where_each_end_wants_it(protocol, ethertype, feature):
    """The tag is beside the packet or in it as the sender's feature says, and comes beside it or in
    it as the receiver's says, whatever the other one is."""
    pair, address = vlan_pair((protocol, VLAN))
    out, came = sent(), received()
    for insert in (True, False):
        switch(pair.ns_a, Pair.A, insert, f"tx-{feature}-insert")
        for strip in (True, False):
            switch(pair.ns_b, Pair.B, strip, f"rx-{feature}-parse")
            out.clear()
            came.clear()
            case = f"insert {insert}, strip {strip}"
            ksft_true(udp(pair, address), case)
            ksft_true(tcp(pair, address), case)
            ksft_eq(set(out.values("vlan_tagged")), {int(insert)}, case)
            ksft_eq(set(came.values("vlan_tagged")), {int(strip)}, case)
            if strip:
                ksft_eq(set(came.values("vlan_tci")), {VLAN}, case)
                ksft_eq(set(came.values("vlan_proto")), {ethertype}, case)
            else:
                ksft_eq(set(came.values("protocol")), {ethertype}, case)


def tag_in_a_tag():
    """A provider's VLAN with a customer's VLAN in it, with all features and without."""
    pair, address = vlan_pair(("802.1ad", 5), ("802.1q", 7))
    tags = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"]
    tags += ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"]
    for ns in (pair.ns_a, pair.ns_b):
        # A receiver allows for one tag.
        ns.change("vlan1", mtu=MTU - VLAN_HLEN)
    for on in (True, False):
        for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
            switch(ns, name, on, *tags)
        ksft_true(tcp(pair, address), f"TCP, offloads {on}")
        ksft_true(udp(pair, address), f"UDP, offloads {on}")


def tag_needs_no_mtu():
    """A frame of full length and its tag pass, wherever the tag is."""
    pair, address = vlan_pair(("802.1q", VLAN))
    for insert in (True, False):
        switch(pair.ns_a, Pair.A, insert, "tx-vlan-hw-insert")
        ksft_true(udp(pair, address, size=MTU - 28, count=1), f"insert {insert}")


def big_tcp():
    """Packets of more than 64 KB pass once they are allowed, up to the limit of the device."""
    pair = Pair()
    try:
        pair.ns_a.run(f"ip link set {Pair.A} gso_max_size 600000")
        ksft_true(False, "more than the device takes")
    except CommandError:
        pass
    pair.ns_a.run(f"ip link set {Pair.A} gso_max_size 200000 gso_ipv4_max_size 200000")
    with pair.ns_a.entered():
        # Large packets whatever the speed: a slow machine would see small ones.
        with open("/proc/sys/net/ipv4/tcp_min_tso_segs", "w", encoding="ascii") as file:
            file.write("80")
    out, came = sent(), received()
    limit = 65536 + ETH_HLEN

    def passed():
        return tcp(pair, Pair.ADDR_B, 1_000_000) and max(out.values("len")) > limit

    ksft_true(eventually(passed), "a large packet is sent, and all arrives")
    ksft_gt(max(came.values("len")), 65536)


def main():
    """Run them."""
    random.seed(1)
    ksft_run(
        [
            each_feature_can_be_switched,
            the_device_takes_what_is_not_ready,
            without_segmentation_the_core_cuts,
            without_tx_checksum_the_core_fills_it_in,
            without_scatter_gather_packets_are_linear,
            without_rx_checksum_nothing_is_trusted,
            on_the_wire_when_rx_checksum_goes_off,
            tag_is_where_each_end_wants_it,
            tag_in_a_tag,
            tag_needs_no_mtu,
            big_tcp,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
