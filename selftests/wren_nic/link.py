#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pairs of wren devices: how they are made, what they are, how they go away."""

import errno

import rtnl
from wren import (
    KsftNamedVariant,
    Namespace,
    Pair,
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


def one_namespace():
    """A namespace that is gone when the test is over."""
    ns = Namespace()
    defer(ns.close)
    return ns


def refusal(function, *args, **kwargs):
    """The errno with which the kernel refuses it, 0 if it does not."""
    try:
        function(*args, **kwargs)
    except OSError as error:
        return error.errno
    return 0


def left_and_right(ns):
    """A pair with these names in that namespace."""
    ns.add("left", {rtnl.IFLA_IFNAME: "right"})


def ip_add_makes_pair():
    """`ip link add wren0 type wren` makes it and a peer with a name of the kernel's choice."""
    ns = one_namespace()
    ns.run("ip link add wren0 type wren")
    links = ns.links()
    ksft_eq(len(links), 2)
    ksft_in("wren0", links)
    peer = next(name for name in links if name != "wren0")
    ksft_true(peer.startswith("wren"), peer)
    one, other = ns.link("wren0"), ns.link(peer)
    ksft_eq(one["kind"], "wren")
    ksft_eq(other["kind"], "wren")
    ksft_ne(one["address"], other["address"])


def link_is_peer():
    """IFLA_LINK of each end is the other one: "wren0@wren1"."""
    ns = one_namespace()
    left_and_right(ns)
    ksft_eq(ns.link("left")["link"], ns.link("right")["index"])
    ksft_eq(ns.link("right")["link"], ns.link("left")["index"])


def add_without_name():
    """Both names may be left to the kernel."""
    ns = one_namespace()
    ns.add(None)
    links = ns.links()
    ksft_eq(len(links), 2)
    ksft_true(all(name.startswith("wren") for name in links), links)


def is_an_ethernet_device():
    """What users of an Ethernet device rely on, and a queue in front of it: with noqueue there
    is no back-pressure."""
    ns = one_namespace()
    left_and_right(ns)
    link = ns.link("left")
    ksft_eq(link["type"], 1)
    ksft_eq(link["mtu"], 1500)
    ksft_eq(ns.sysfs("left", "tx_queue_len"), 1000)
    ksft_eq(link["address"][0] & 3, 2, "a random address is local, and not multicast")
    ns.change("left", up=True)
    ksft_ne(ns.link("left")["qdisc"], "noqueue")
    ksft_in("driver: wren", ns.run("ethtool -i left"))


def peer_attributes():
    """IFLA_WREN_PEER gives the peer its name, address and MTU."""
    ns = one_namespace()
    mac = bytes.fromhex("02aabbccddee")
    ns.add("left", {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_ADDRESS: mac, rtnl.IFLA_MTU: 1400})
    ksft_eq(ns.links(), ["left", "right"])
    ksft_eq(ns.link("right")["address"], mac)
    ksft_eq(ns.link("right")["mtu"], 1400)
    ksft_eq(ns.link("left")["mtu"], 1500)


def peer_in_other_namespace():
    """The peer is born in the namespace that IFLA_NET_NS_FD names, and link-netnsid tells it."""
    pair = Pair()
    ksft_eq(pair.ns_a.links(), [Pair.A])
    ksft_eq(pair.ns_b.links(), [Pair.B])
    ksft_ne(pair.ns_a.link(Pair.A)["netnsid"], None)
    ksft_ne(pair.ns_b.link(Pair.B)["netnsid"], None)


def queues():
    """numtxqueues and numrxqueues are those that the device has."""
    ns = one_namespace()
    ns.run("ip link add wren0 numtxqueues 4 numrxqueues 4 type wren")
    ksft_eq(ns.link("wren0")["tx_queues"], 4)
    ksft_eq(ns.link("wren0")["rx_queues"], 4)
    for queue in range(4):
        ksft_eq(ns.sysfs("wren0", f"queues/tx-{queue}/byte_queue_limits/inflight"), 0)


def delete_either():
    """Deleting one end deletes both, whichever it is."""
    ns = one_namespace()
    for victim in ("left", "right"):
        left_and_right(ns)
        ns.change("left", up=True)
        ns.change("right", up=True)
        ns.delete(victim)
        ksft_eq(ns.links(), [])


def delete_across_namespaces():
    """... and wherever the other one is."""
    pair = Pair()
    pair.ns_b.delete(Pair.B)
    ksft_eq(pair.ns_b.links(), [])
    ksft_eq(pair.ns_a.links(), [])


def namespace_exit():
    """A namespace that ends takes its device along, and that device its peer."""
    ns, other = one_namespace(), Namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_NET_NS_FD: other.fd})
    ns.change("left", up=True)
    ksft_eq(other.links(), ["right"])
    other.close()
    ksft_true(eventually(lambda: ns.links() == []), "the peer is gone")


def move_to_namespace():
    """A device that moves stays joined to its peer."""
    ns, other = one_namespace(), one_namespace()
    left_and_right(ns)
    ns.change("right", netns=other.fd)
    ns.change("left", up=True)
    other.change("right", up=True)
    ksft_true(eventually(lambda: ns.carrier("left") and other.carrier("right")))
    ns.delete("left")
    ksft_eq(other.links(), [])


def carrier_follows_peer():
    """Carrier is there if and only if both ends are up."""
    ns = one_namespace()
    left_and_right(ns)
    ns.change("left", up=True)
    ksft_true(not ns.carrier("left"), "the peer is down")
    ns.change("right", up=True)
    ksft_true(eventually(lambda: ns.carrier("left") and ns.carrier("right")))
    ns.change("right", up=False)
    ksft_true(eventually(lambda: not ns.carrier("left")))
    ns.change("right", up=True)
    ksft_true(eventually(lambda: ns.carrier("left") and ns.carrier("right")))


def mtu_limits():
    """What Ethernet allows; the rest is refused and changes nothing."""
    ns = one_namespace()
    left_and_right(ns)
    for mtu in (68, 65535, 9000):
        ns.change("left", mtu=mtu)
        ksft_eq(ns.link("left")["mtu"], mtu)
    for mtu in (0, 67, 65536, 0x7FFFFFFF):
        ksft_eq(refusal(ns.change, "left", mtu=mtu), errno.EINVAL, mtu)
    ksft_eq(ns.link("left")["mtu"], 9000)


def address_is_checked():
    """A multicast address, or none, cannot be that of a device."""
    ns = one_namespace()
    left_and_right(ns)
    good = bytes.fromhex("020000000001")
    ns.change("left", address=good)
    for bad in ("010000000001", "000000000000", "ffffffffffff"):
        result = refusal(ns.change, "left", address=bytes.fromhex(bad))
        ksft_eq(result, errno.EADDRNOTAVAIL, bad)
    ksft_eq(ns.link("left")["address"], good)


def name_taken():
    """A name that is taken, of the device or of the peer: EEXIST, and nothing half-made."""
    ns = one_namespace()
    left_and_right(ns)
    ksft_eq(refusal(ns.add, "left"), errno.EEXIST)
    ksft_eq(refusal(ns.add, "one", {rtnl.IFLA_IFNAME: "right"}), errno.EEXIST)
    ksft_eq(refusal(ns.add, "one", {rtnl.IFLA_IFNAME: "one"}), errno.EEXIST)
    ksft_eq(ns.links(), ["left", "right"])


@ksft_variants(
    [
        KsftNamedVariant("peer_short", {"raw_peer": bytes(15)}, (errno.EINVAL, errno.ERANGE)),
        KsftNamedVariant("peer_empty", {"raw_peer": b""}, (errno.EINVAL, errno.ERANGE)),
        KsftNamedVariant("peer_garbage", {"raw_peer": bytes(16) + b"\xff" * 8}, (errno.EINVAL, 0)),
        KsftNamedVariant(
            "peer_multicast",
            {"peer": {rtnl.IFLA_ADDRESS: b"\x01\0\0\0\0\x01"}},
            (errno.EADDRNOTAVAIL,),
        ),
        KsftNamedVariant(
            "peer_address_short", {"peer": {rtnl.IFLA_ADDRESS: b"\x02\0\0"}}, (errno.EINVAL,)
        ),
        KsftNamedVariant("peer_mtu", {"peer": {rtnl.IFLA_MTU: 10}}, (errno.EINVAL,)),
        KsftNamedVariant(
            "peer_bad_namespace",
            {"peer": {rtnl.IFLA_NET_NS_FD: 0x7FFFFFFF}},
            (errno.EBADF, errno.EINVAL),
        ),
        KsftNamedVariant("no_queues", {"queues": 0}, (errno.EINVAL,)),
        KsftNamedVariant("too_many_queues", {"queues": 5000}, (errno.EINVAL,)),
    ]
)
def bad_request(kwargs, expected):
    """What makes no sense is refused, and leaves no device behind."""
    ns = one_namespace()
    result = refusal(ns.add, "left", **kwargs)
    ksft_in(result, expected)
    if result:
        ksft_eq(ns.links(), [])


def main():
    """Run them."""
    ksft_run(
        [
            ip_add_makes_pair,
            link_is_peer,
            add_without_name,
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
