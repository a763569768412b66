#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pairs of wren devices: how they are made, what they are, how they go away."""

import errno

from wren import (
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    Failed,
    KsftNamedVariant,
    Namespace,
    Pair,
    add_link,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_in,
    ksft_ne,
    ksft_run,
    ksft_true,
    ksft_variants,
)


def one_namespace(name="wren-test"):
    """A namespace that is deleted when the test is over."""
    ns = Namespace(name)
    defer(ns.close)
    return ns


def refused(ns, *args, **kwargs):
    """The errno with which the kernel refuses the link, 0 if it does not."""
    with ns.entered():
        try:
            add_link(*args, **kwargs)
        except OSError as error:
            return error.errno
    return 0


def ip_add_makes_pair():
    """`ip link add wren0 type wren` makes it and a peer with a name of the kernel's choice."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "type", "wren")
    links = ns.links()
    ksft_eq(len(links), 2)
    ksft_in("wren0", links)
    peer = next(name for name in links if name != "wren0")
    ksft_true(peer.startswith("wren"), peer)
    one, other = ns.link("wren0"), ns.link(peer)
    ksft_eq(one["linkinfo"]["info_kind"], "wren")
    ksft_eq(other["linkinfo"]["info_kind"], "wren")
    ksft_eq(one["link"], peer, "the link of each is the other one")
    ksft_eq(other["link"], "wren0")
    ksft_ne(one["address"], other["address"])


def ip_add_without_name():
    """Both names may be left to the kernel."""
    ns = one_namespace()
    ns.ip("link", "add", "type", "wren")
    links = ns.links()
    ksft_eq(len(links), 2)
    ksft_true(all(name.startswith("wren") for name in links), links)


def is_an_ethernet_device():
    """What users of an Ethernet device rely on, and a queue in front of it: with noqueue there
    is no back-pressure."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "type", "wren")
    link = ns.link("wren0")
    ksft_eq(link["link_type"], "ether")
    ksft_eq(link["mtu"], 1500)
    ksft_eq(link["txqlen"], 1000)
    ksft_true({"BROADCAST", "MULTICAST"} <= set(link["flags"]), link["flags"])
    ksft_eq(int(link["address"][:2], 16) & 3, 2, "a random address is local, and not multicast")
    ns.ip("link", "set", "wren0", "up")
    ksft_ne(ns.link("wren0")["qdisc"], "noqueue")
    ksft_in("driver: wren", ns.run("ethtool", "-i", "wren0"))


def peer_attributes():
    """IFLA_WREN_PEER gives the peer its name, address and MTU."""
    ns = one_namespace()
    mac = bytes.fromhex("02aabbccddee")
    with ns.entered():
        add_link("left", {IFLA_IFNAME: "right", IFLA_ADDRESS: mac, IFLA_MTU: 1400})
    ksft_eq(ns.links(), ["left", "right"])
    ksft_eq(ns.link("right")["address"], "02:aa:bb:cc:dd:ee")
    ksft_eq(ns.link("right")["mtu"], 1400)
    ksft_eq(ns.link("left")["mtu"], 1500)


def peer_in_other_namespace():
    """The peer is born in the namespace that IFLA_NET_NS_FD names, and link-netnsid tells it."""
    pair = Pair()
    ksft_eq(pair.ns_a.links(), [Pair.A])
    ksft_eq(pair.ns_b.links(), [Pair.B])
    ksft_in("link_netnsid", pair.ns_a.link(Pair.A))
    ksft_in("link_netnsid", pair.ns_b.link(Pair.B))


def queues():
    """numtxqueues and numrxqueues are those in sysfs."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "numtxqueues", "4", "numrxqueues", "4", "type", "wren")
    listed = ns.run("ls", "/sys/class/net/wren0/queues").split()
    ksft_eq(sorted(listed), [f"{way}-{n}" for way in ("rx", "tx") for n in range(4)])
    ksft_eq(ns.link("wren0")["num_tx_queues"], 4)


def delete_either():
    """Deleting one end deletes both, whichever it is."""
    ns = one_namespace()
    for victim in ("left", "right"):
        with ns.entered():
            add_link("left", {IFLA_IFNAME: "right"})
        ns.ip("link", "set", "left", "up")
        ns.ip("link", "set", "right", "up")
        ns.ip("link", "del", victim)
        ksft_eq(ns.links(), [])


def delete_across_namespaces():
    """... and wherever the other one is."""
    pair = Pair()
    pair.ns_b.ip("link", "del", Pair.B)
    ksft_eq(pair.ns_b.links(), [])
    ksft_eq(pair.ns_a.links(), [])


def namespace_exit():
    """A namespace that ends takes its device along, and that device its peer."""
    ns = one_namespace("wren-test")
    other = Namespace("wren-test-2")
    with open("/run/netns/wren-test-2", "rb") as file, ns.entered():
        add_link("left", {IFLA_IFNAME: "right", IFLA_NET_NS_FD: file.fileno()})
    ns.ip("link", "set", "left", "up")
    ksft_eq(other.links(), ["right"])
    other.close()
    ksft_true(eventually(lambda: ns.links() == []), "the peer is gone")


def move_to_namespace():
    """A device that moves stays joined to its peer."""
    ns = one_namespace("wren-test")
    other = one_namespace("wren-test-2")
    with ns.entered():
        add_link("left", {IFLA_IFNAME: "right"})
    ns.ip("link", "set", "right", "netns", "wren-test-2")
    ns.ip("link", "set", "left", "up")
    other.ip("link", "set", "right", "up")
    ksft_true(eventually(lambda: "LOWER_UP" in ns.link("left")["flags"]))
    ns.ip("link", "del", "left")
    ksft_eq(other.links(), [])


def carrier_follows_peer():
    """Carrier is there if and only if both ends are up."""
    ns = one_namespace()
    with ns.entered():
        add_link("left", {IFLA_IFNAME: "right"})

    def carrier(name):
        return "LOWER_UP" in ns.link(name)["flags"]

    ns.ip("link", "set", "left", "up")
    ksft_true("NO-CARRIER" in ns.link("left")["flags"], "the peer is down")
    ns.ip("link", "set", "right", "up")
    ksft_true(eventually(lambda: carrier("left") and carrier("right")))
    ns.ip("link", "set", "right", "down")
    ksft_true(eventually(lambda: not carrier("left")))
    ns.ip("link", "set", "right", "up")
    ksft_true(eventually(lambda: carrier("left") and carrier("right")))


def mtu_limits():
    """68 to 65535 as for other virtual devices; the rest is refused and changes nothing."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "type", "wren")
    info = ns.link("wren0")
    for mtu in (info["min_mtu"], info["max_mtu"], 9000):
        ns.ip("link", "set", "wren0", "mtu", str(mtu))
        ksft_eq(ns.link("wren0")["mtu"], mtu)
    for mtu in (info["min_mtu"] - 1, info["max_mtu"] + 1):
        try:
            ns.ip("link", "set", "wren0", "mtu", str(mtu))
            ksft_true(False, f"MTU {mtu} is accepted")
        except Failed:
            pass
    ksft_eq(ns.link("wren0")["mtu"], 9000)


def address_is_checked():
    """A multicast address, or none, cannot be that of a device."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "type", "wren")
    ns.ip("link", "set", "wren0", "address", "02:00:00:00:00:01")
    for bad in ("01:00:00:00:00:01", "00:00:00:00:00:00"):
        try:
            ns.ip("link", "set", "wren0", "address", bad)
            ksft_true(False, f"{bad} is accepted")
        except Failed:
            pass
    ksft_eq(ns.link("wren0")["address"], "02:00:00:00:00:01")


def name_taken():
    """A name that is taken, of the device or of the peer: EEXIST, and nothing half-made."""
    ns = one_namespace()
    ns.ip("link", "add", "wren0", "type", "wren")
    before = ns.links()
    ksft_eq(refused(ns, "wren0"), errno.EEXIST)
    ksft_eq(refused(ns, "left", {IFLA_IFNAME: "wren0"}), errno.EEXIST)
    ksft_eq(refused(ns, "left", {IFLA_IFNAME: "left"}), errno.EEXIST)
    ksft_eq(ns.links(), before)


@ksft_variants(
    [
        KsftNamedVariant("peer_too_short", {"raw_peer": bytes(15)}, (errno.EINVAL, errno.ERANGE)),
        KsftNamedVariant("peer_empty", {"raw_peer": b""}, (errno.EINVAL, errno.ERANGE)),
        KsftNamedVariant("peer_garbage", {"raw_peer": bytes(16) + b"\xff" * 8}, (errno.EINVAL, 0)),
        KsftNamedVariant(
            "peer_multicast", {"peer": {IFLA_ADDRESS: b"\x01\0\0\0\0\x01"}}, (errno.EADDRNOTAVAIL,)
        ),
        KsftNamedVariant(
            "peer_address_short", {"peer": {IFLA_ADDRESS: b"\x02\0\0"}}, (errno.EINVAL,)
        ),
        KsftNamedVariant("peer_mtu", {"peer": {IFLA_MTU: 10}}, (errno.EINVAL,)),
        KsftNamedVariant(
            "peer_bad_namespace",
            {"peer": {IFLA_NET_NS_FD: 0x7FFFFFFF}},
            (errno.EBADF, errno.EINVAL),
        ),
        KsftNamedVariant("no_queues", {"queues": 0}, (errno.EINVAL,)),
        KsftNamedVariant("too_many_queues", {"queues": 5000}, (errno.EINVAL,)),
    ]
)
def bad_request(kwargs, expected):
    """What makes no sense is refused, and leaves no device behind."""
    ns = one_namespace()
    result = refused(ns, "left", **kwargs)
    ksft_in(result, expected)
    if result:
        ksft_eq(ns.links(), [])


def main():
    """Run them."""
    ksft_run(
        [
            ip_add_makes_pair,
            ip_add_without_name,
            is_an_ethernet_device,
            peer_attributes,
            peer_in_other_namespace,
            queues,
            delete_either,
            delete_across_namespaces,
            namespace_exit,
            move_to_namespace,
            carrier_follows_peer,
            mtu_limits,
            address_is_checked,
            name_taken,
            bad_request,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
