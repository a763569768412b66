#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""rtnetlink: the attributes of a pair, what is refused with which message, and what can be changed;
the same with the tools that know how to say it."""

import errno
import os
import socket
import sys

import rtnl
from shape import channels, rings
from wren import (
    CommandError,
    KsftNamedVariant,
    KsftSkipEx,
    Namespace,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)

RING, SPEED = rtnl.IFLA_WREN_RING_SIZE, rtnl.IFLA_WREN_SPEED
UNLIMITED = 0xFFFFFFFF
YNL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/ynl")


def one_namespace():
    """A namespace that is gone when the test is over."""
    ns = Namespace()
    defer(ns.close)
    return ns


def shown(ns, name):
    """What the kernel shows of a device: the size of its rings and its speed."""
    data = ns.link(name)["data"]
    return tuple(int.from_bytes(data[attr], sys.byteorder) for attr in (RING, SPEED))


def refusal(function, *args, **kwargs):
    """The errno, the message and the attribute to blame of a request that is refused."""
    try:
        function(*args, **kwargs)
    except rtnl.Refused as error:
        return error.errno, error.message, error.attr
    return 0, "not refused", None


def defaults():
    """What a pair has that was not asked for anything."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right"})
    for name in ("left", "right"):
        ksft_eq(shown(ns, name), (256, UNLIMITED))
        ksft_eq(rings(ns, name), (256, 256))


def given_to_both():
    """A peer that is not described is made like the first device."""
    ns = one_namespace()
    ns.add("left", data={RING: 64, SPEED: 100})
    for name in ns.links():
        ksft_eq(shown(ns, name), (64, 100))
        ksft_in("Speed: 100Mb/s", ns.run(f"ethtool {name}"))


def given_to_each():
    """A peer that is described has attributes of its own, or the defaults."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right"}, data={RING: 64, SPEED: 0})
    ksft_eq((shown(ns, "left"), shown(ns, "right")), ((64, 0), (256, UNLIMITED)))
    ns.delete("left")
    info = rtnl.linkinfo({RING: 4096, SPEED: 7})
    peer = {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_LINKINFO: info}
    ns.add("left", peer, data={RING: 8})
    ksft_eq((shown(ns, "left"), shown(ns, "right")), ((8, UNLIMITED), (4096, 7)))
    ksft_eq((rings(ns, "left"), rings(ns, "right")), ((4096, 8), (8, 4096)))


def peer_without_data():
    """A peer's IFLA_LINKINFO may name the kind and nothing else."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_LINKINFO: rtnl.linkinfo()})
    ksft_eq(len(ns.links()), 2)


def both_ends_elsewhere():
    """Neither end need be where the request comes from; both know of each other."""
    ns, left, right = one_namespace(), one_namespace(), one_namespace()
    peer = {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_NET_NS_FD: right.fd}
    ns.add("left", peer, first={rtnl.IFLA_NET_NS_FD: left.fd})
    ksft_eq((ns.links(), left.links(), right.links()), ([], ["left"], ["right"]))
    ksft_eq(left.link("left")["link"], right.link("right")["index"])
    ksft_true(left.link("left")["netnsid"] is not None)
    ksft_true(right.link("right")["netnsid"] is not None)
    right.delete("right")
    ksft_eq(left.links(), [])


def changed():
    """The ring and the speed can be changed, together and one by one; the peer keeps its own."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right"})
    ns.change("left", data={RING: 1024, SPEED: 10})
    ksft_eq((shown(ns, "left"), shown(ns, "right")), ((1024, 10), (256, UNLIMITED)))
    ns.change("left", data={SPEED: UNLIMITED})
    ns.change("right", data={RING: 8})
    ksft_eq((shown(ns, "left"), shown(ns, "right")), ((1024, UNLIMITED), (8, UNLIMITED)))
    ns.change("left", data={})
    ksft_eq(shown(ns, "left"), (1024, UNLIMITED))


def speed_limits_segmentation():
    """A speed that a device is made with limits what is left to it to segment, as one that is set
    later does; a smaller limit of the request stays."""
    ns = one_namespace()

    def limit(name):
        (link,) = ns.json(f"ip -j -d link show {name}")
        return link["gso_max_size"], link["gso_ipv4_max_size"]

    info = rtnl.linkinfo({SPEED: 1})
    ns.add("left", {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_LINKINFO: info}, data={SPEED: 100})
    ksft_eq((limit("left"), limit("right")), ((12500, 12500), (4096, 4096)))
    ns.delete("left")
    peer = {rtnl.IFLA_IFNAME: "right", rtnl.IFLA_GSO_MAX_SIZE: 100000}
    ns.add("left", peer, data={SPEED: 100}, first={rtnl.IFLA_GSO_MAX_SIZE: 8000})
    ksft_eq((limit("left"), limit("right")), ((8000, 8000), (100000, 65536)))


def peer_made_up():
    """A peer that is up from the beginning receives as one that comes up later."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right"}, peer_flags=rtnl.IFF_UP)
    ksft_true(ns.link("right")["flags"] & rtnl.IFF_UP)
    ns.change("left", up=True)
    ksft_true(ns.carrier("left") and ns.carrier("right"))
    for sender, receiver in (("left", "right"), ("right", "left")):
        before = ns.link(receiver)["rx_packets"]
        with ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.sendto(bytes(100), (sender, 0))
        arrived = eventually(lambda name=receiver, n=before: ns.link(name)["rx_packets"] > n, 10)
        ksft_true(arrived, f"{sender} to {receiver}")


RANGE = "out of range"
POWER = "must be a power of two"


@ksft_variants(
    [
        KsftNamedVariant("none", RING, 0, errno.ERANGE, RANGE),
        KsftNamedVariant("too_small", RING, 4, errno.ERANGE, RANGE),
        KsftNamedVariant("too_large", RING, 8192, errno.ERANGE, RANGE),
        KsftNamedVariant("negative", RING, 0x80000000, errno.ERANGE, RANGE),
        KsftNamedVariant("odd", RING, 100, errno.EINVAL, POWER),
        KsftNamedVariant("short", RING, b"\x40\0", errno.EINVAL, "length"),
        KsftNamedVariant("long", RING, bytes(8), errno.EINVAL, "length"),
        KsftNamedVariant("too_fast", SPEED, 3000000000, errno.EINVAL, "at most 2147483647 Mb/s"),
        KsftNamedVariant("short_speed", SPEED, b"\x01", errno.EINVAL, "length"),
    ]
)
def bad_attribute(attr, value, error, message):
    """An attribute that makes no sense is refused by name, for a new device, for its peer and for
    one that is there."""
    ns = one_namespace()
    info = rtnl.linkinfo({attr: value})
    for kwargs in ({"data": {attr: value}}, {"peer": {rtnl.IFLA_LINKINFO: info}}):
        got = refusal(ns.add, "left", **kwargs)
        ksft_eq((got[0], got[2]), (error, attr))
        ksft_in(message, got[1])
        ksft_eq(ns.links(), [])
    ns.add("left")
    got = refusal(ns.change, "left", data={RING: 8, SPEED: 5} | {attr: value})
    ksft_eq((got[0], got[2]), (error, attr))
    ksft_in(message, got[1])
    ksft_eq(shown(ns, "left"), (256, UNLIMITED))


PEER = rtnl.IFLA_WREN_PEER


@ksft_variants(
    [
        KsftNamedVariant(
            "peer_of_another_kind",
            {"peer": {rtnl.IFLA_LINKINFO: rtnl.linkinfo(kind="veth")}},
            (errno.EINVAL, "Both ends of a pair are of the same kind", rtnl.IFLA_INFO_KIND),
        ),
        KsftNamedVariant(
            "peer_of_the_peer",
            {"peer": {rtnl.IFLA_LINKINFO: rtnl.linkinfo({PEER: bytes(16)})}},
            (errno.EINVAL, "The peer of the peer is the device itself", PEER),
        ),
        KsftNamedVariant(
            "multicast_address",
            {"first": {rtnl.IFLA_ADDRESS: b"\x01\0\0\0\0\x01"}},
            (
                errno.EADDRNOTAVAIL,
                "The address must be neither zero nor a multicast address",
                rtnl.IFLA_ADDRESS,
            ),
        ),
        KsftNamedVariant(
            "address_of_the_peer",
            {"peer": {rtnl.IFLA_ADDRESS: bytes(6)}},
            (
                errno.EADDRNOTAVAIL,
                "The address must be neither zero nor a multicast address",
                rtnl.IFLA_ADDRESS,
            ),
        ),
        KsftNamedVariant(
            "short_address",
            {"peer": {rtnl.IFLA_ADDRESS: b"\x02\0\0"}},
            (errno.EINVAL, "An Ethernet address has 6 bytes", rtnl.IFLA_ADDRESS),
        ),
        KsftNamedVariant(
            "too_many_queues",
            {"queues": 4097},
            (errno.EINVAL, "Invalid number of transmit queues", None),
        ),
        KsftNamedVariant(
            "too_many_queues_of_the_peer",
            {"peer": {rtnl.IFLA_NUM_RX_QUEUES: 4097}},
            (errno.EINVAL, "Invalid number of receive queues", None),
        ),
        KsftNamedVariant(
            "name_of_the_peer",
            {"peer": {rtnl.IFLA_IFNAME: "left"}},
            (errno.EEXIST, "There is a device of the peer's name or index already", None),
        ),
    ]
)
def bad_request(kwargs, expected):
    """What cannot be made is refused with a reason, and nothing half-made is left."""
    ns = one_namespace()
    ksft_eq(refusal(ns.add, "left", **kwargs), expected)
    ksft_eq(ns.links(), [])


def peer_stays():
    """A pair is a pair for its life."""
    ns = one_namespace()
    ns.add("left", {rtnl.IFLA_IFNAME: "right"})
    got = refusal(ns.change, "left", data={RING: 8, PEER: bytes(16)})
    ksft_eq(got, (errno.EOPNOTSUPP, "The peer stays; it can be changed as a device", PEER))
    ksft_eq(shown(ns, "left"), (256, UNLIMITED))


def by_ip():
    """ip(8) makes pairs, shows the kind, and has no words for what is special to it."""
    ns = one_namespace()
    ns.run("ip link add wren0 numtxqueues 3 type wren")
    (link,) = ns.json("ip -details -json link show wren0")
    ksft_eq(link["linkinfo"]["info_kind"], "wren")
    ksft_eq(channels(ns, "wren0"), (3, 3) if os.cpu_count() >= 3 else (os.cpu_count(), 3))
    try:
        ns.run("ip link add wren7 type wren peer name wren8")
        ksft_true(False, "ip has words for it")
    except CommandError as error:
        ksft_in("Garbage", str(error))


def by_pyroute2():
    """pyroute2 learns the attributes of the kind from a few lines."""
    try:
        from pyroute2 import IPRoute
        from pyroute2.netlink import nla
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg, ifinfveth
    except ImportError as error:
        raise KsftSkipEx("no pyroute2") from error

    class wren(nla):  # pylint: disable=invalid-name
        """IFLA_INFO_DATA: the name of the class is the kind."""

        prefix = "IFLA_"
        nla_map = (
            ("IFLA_WREN_UNSPEC", "none"),
            ("IFLA_WREN_PEER", "peer"),
            ("IFLA_WREN_RING_SIZE", "uint32"),
            ("IFLA_WREN_SPEED", "uint32"),
        )

        @staticmethod
        def peer(_self, *_args, **_kwargs):
            """As that of veth."""
            return ifinfveth

    ifinfmsg.ifinfo.register_link_kind(module={"wren": wren})
    ns = one_namespace()
    peer = {"attrs": [("IFLA_IFNAME", "right"), ("IFLA_MTU", 1400)]}
    data = {"attrs": [("IFLA_WREN_PEER", peer), ("IFLA_WREN_RING_SIZE", 128)]}
    info = {"attrs": [("IFLA_INFO_KIND", "wren"), ("IFLA_INFO_DATA", data)]}
    with ns.entered(), IPRoute() as ipr:
        ipr.link("add", IFLA_IFNAME="left", IFLA_LINKINFO=info)
        (link,) = ipr.link("get", ifname="left")
    ksft_eq(ns.link("right")["mtu"], 1400)
    got = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    ksft_eq(got.get_attr("IFLA_WREN_RING_SIZE"), 128)
    ksft_eq(got.get_attr("IFLA_WREN_SPEED"), UNLIMITED)


def by_ynl():
    """The kernel's ynl can say it all, and shows it, with our specification."""
    sys.path.insert(0, YNL + "/pyynl")
    try:
        from lib import Netlink, NlError, YnlFamily
    except ImportError as error:
        raise KsftSkipEx("no yaml for ynl") from error
    ns = one_namespace()
    with ns.entered():
        ynl = YnlFamily(YNL + "/specs/wren-link.yaml", process_unknown=True)
    defer(ynl.close)

    def wren(**data):
        return {"kind": "wren", "data": {name.replace("_", "-"): data[name] for name in data}}

    peer = {"ifname": "right", "linkinfo": wren(ring_size=32, speed=100)}
    request = {"ifname": "left", "linkinfo": wren(ring_size=512, peer=peer)}
    ynl.do("newlink", request, [Netlink.NLM_F_CREATE, Netlink.NLM_F_EXCL])
    ksft_eq((shown(ns, "left"), shown(ns, "right")), ((512, UNLIMITED), (32, 100)))
    link = ynl.do("getlink", {"ifname": "left"})
    ksft_eq(link["linkinfo"], wren(ring_size=512, speed=UNLIMITED))
    ynl.do("newlink", {"ifname": "left", "linkinfo": wren(ring_size=8)})
    ksft_eq(shown(ns, "left"), (8, UNLIMITED))
    try:
        ynl.do("newlink", {"ifname": "left", "linkinfo": wren(ring_size=9)})
        ksft_true(False, "not refused")
    except NlError as error:
        ksft_in(POWER, str(error))
        ksft_in(".ring-size", str(error))
    ynl.do("dellink", {"ifname": "right"})
    ksft_eq(ns.links(), [])


def main():
    """Run them."""
    ksft_run(
        [
            defaults,
            given_to_both,
            given_to_each,
            peer_without_data,
            both_ends_elsewhere,
            changed,
            speed_limits_segmentation,
            peer_made_up,
            bad_attribute,
            bad_request,
            peer_stays,
            by_ip,
            by_pyroute2,
            by_ynl,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
