# SPDX-License-Identifier: GPL-2.0
"""
As much of rtnetlink as the tests need: links are made, changed, looked at and deleted, and get
addresses, neighbours and qdiscs, without starting a program for each step, which takes an emulated
machine longer than the step itself.
"""

import os
import socket
import struct

NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 1, 4, 0x200, 0x400, 0x300
NLM_F_REPLACE, NLM_F_ECHO = 0x100, 8
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTMGRP_LINK = 1
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWQDISC, RTM_GETQDISC = 20, 28, 36, 38
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC = 1, 3, 4, 5, 6
IFLA_LINKINFO, IFLA_STATS64, IFLA_NET_NS_FD = 18, 23, 28
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_CARRIER, IFLA_LINK_NETNSID = 31, 32, 33, 37
IFLA_GSO_MAX_SIZE = 41
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_WREN_PEER, IFLA_WREN_RING_SIZE, IFLA_WREN_SPEED = 1, 2, 3
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2
IFF_UP, IFF_RUNNING, IFF_LOWER_UP = 1, 0x40, 0x10000
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD = 1, 2, 2
NDA_DST, NDA_LLADDR, NUD_PERMANENT = 1, 2, 0x80
TCA_KIND, TCA_OPTIONS, TCA_STATS2, TC_H_ROOT = 1, 2, 7, 0xFFFFFFFF
TCA_STATS_QUEUE = 3

STATS64 = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "multicast",
    "collisions",
    "rx_length_errors",
)


def attr(kind, data):
    """An attribute: a number is 32 bits, a text ends with a zero."""
    if isinstance(data, int):
        data = struct.pack("=I", data)
    elif isinstance(data, str):
        data = data.encode() + b"\0"
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attrs(data):
    """Attributes as a dictionary: number to bytes."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


class Refused(OSError):
    """The errno of the kernel, its message, and the number of the attribute that is to blame."""

    def __init__(self, error, ack, request):
        found = attrs(ack)
        self.message = found.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()
        self.attr = None
        if NLMSGERR_ATTR_OFFS in found:
            (at,) = struct.unpack("=I", found[NLMSGERR_ATTR_OFFS])
            self.attr = struct.unpack_from("=H", request, at + 2)[0] & 0x3FFF
        super().__init__(error, self.message or os.strerror(error))


def request(kind, flags, payload, protocol=0):
    """The payloads of the answer; raises Refused with what the kernel says."""
    head = struct.pack("=IHHII", 16 + len(payload), kind, flags | NLM_F_REQUEST, 1, 0)
    answers = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as netlink:
        netlink.settimeout(30)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            netlink.setsockopt(SOL_NETLINK, option, 1)
        netlink.send(head + payload)
        while True:
            data, at = netlink.recv(1 << 18), 0
            while at + 16 <= len(data):
                length, answer = struct.unpack_from("=IH", data, at)
                body = data[at + 16 : at + length]
                at += (length + 3) & ~3
                if answer == NLMSG_DONE:
                    return answers
                if answer == NLMSG_ERROR:
                    (error,) = struct.unpack_from("=i", body)
                    if error:
                        raise Refused(-error, body[20:], head + payload)
                    return answers
                answers.append(body)


def _ifinfo(flags=0, change=0):
    return struct.pack("=BxHiII", 0, 0, 0, flags, change)


def linkinfo(data=None, kind="wren"):
    """The payload of IFLA_LINKINFO. data: attributes of the kind, by number."""
    info = attr(IFLA_INFO_KIND, kind)
    if data is not None:
        info += attr(IFLA_INFO_DATA, b"".join(attr(kind, value) for kind, value in data.items()))
    return info


def add(name, peer=None, queues=None, raw_peer=None, data=None, first=None, peer_flags=0):
    """
    Make a wren pair. peer: attributes of the peer, by number. raw_peer: bytes to send instead of
    a well-formed IFLA_WREN_PEER. peer_flags: its interface flags. data: other
    attributes of the kind. first: attributes of the first device. name: None leaves it to the
    kernel.
    """
    data = dict(data or {})
    if raw_peer is not None:
        data[IFLA_WREN_PEER] = raw_peer
    elif peer is not None:
        body = _ifinfo(peer_flags, peer_flags)
        body += b"".join(attr(kind, value) for kind, value in peer.items())
        data[IFLA_WREN_PEER] = body
    payload = _ifinfo() + b"".join(attr(kind, value) for kind, value in (first or {}).items())
    if name is not None:
        payload += attr(IFLA_IFNAME, name)
    if queues is not None:
        payload += attr(IFLA_NUM_TX_QUEUES, queues) + attr(IFLA_NUM_RX_QUEUES, queues)
    payload += attr(IFLA_LINKINFO, linkinfo(data or None))
    request(RTM_NEWLINK, NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE, payload)


def delete(name):
    """Delete a link."""
    request(RTM_DELLINK, NLM_F_ACK, _ifinfo() + attr(IFLA_IFNAME, name))


def change(name, up=None, data=None, **values):
    """
    Change a link: up, mtu=N, address=bytes, netns=file number, carrier=0 or 1; data: attributes of
    the kind.
    """
    flags = 0 if up is None else IFF_UP
    payload = _ifinfo(IFF_UP if up else 0, flags) + attr(IFLA_IFNAME, name)
    numbers = {"mtu": IFLA_MTU, "address": IFLA_ADDRESS, "netns": IFLA_NET_NS_FD}
    numbers["carrier"] = IFLA_CARRIER
    for key, value in values.items():
        # Of those only the carrier is a byte.
        payload += attr(numbers[key], bytes([value]) if key == "carrier" else value)
    if data is not None:
        payload += attr(IFLA_LINKINFO, linkinfo(data))
    request(RTM_NEWLINK, NLM_F_ACK, payload)


def _ip(text):
    """The family and the bytes of an IP address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)


def add_address(name, text, bits):
    """Give a link an IP address of a network of so many bits; it may be used at once."""
    family, address = _ip(text)
    payload = struct.pack("=BBBBI", family, bits, IFA_F_NODAD, 0, socket.if_nametoindex(name))
    payload += attr(IFA_LOCAL, address) + attr(IFA_ADDRESS, address)
    request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, payload)


def set_neighbour(name, text, mac):
    """Who has an IP address is known, for ever."""
    family, address = _ip(text)
    index = socket.if_nametoindex(name)
    payload = struct.pack("=B3xiHBB", family, index, NUD_PERMANENT, 0, 0)
    payload += attr(NDA_DST, address) + attr(NDA_LLADDR, mac)
    request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, payload)


def _tcmsg(name):
    return struct.pack("=B3xiIII", 0, socket.if_nametoindex(name), 0, TC_H_ROOT, 0)


def set_qdisc(name, kind, limit=None):
    """Replace the root qdisc: one without options, or a pfifo with a limit of packets."""
    payload = _tcmsg(name) + attr(TCA_KIND, kind)
    if limit is not None:
        payload += attr(TCA_OPTIONS, limit)
    request(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, payload)


def qdisc_queue(name):
    """What waits in the root qdisc and what it has dropped: (packets, bytes, drops)."""
    # The answer is a notification, which who asks gets only as an echo.
    (body,) = request(RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO, _tcmsg(name))
    stats = attrs(attrs(body[20:])[TCA_STATS2])
    return struct.unpack_from("=III", stats[TCA_STATS_QUEUE])


def _link(body):
    _, kind, index, flags, _ = struct.unpack_from("=BxHiII", body)
    found = attrs(body[16:])
    info = attrs(found.get(IFLA_LINKINFO, b""))
    link = {
        "index": index,
        "type": kind,
        "flags": flags,
        "name": found[IFLA_IFNAME].rstrip(b"\0").decode(),
        "kind": info.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode(),
        "data": attrs(info.get(IFLA_INFO_DATA, b"")),
        "qdisc": found.get(IFLA_QDISC, b"").rstrip(b"\0").decode(),
        "mtu": struct.unpack("=I", found[IFLA_MTU])[0],
        "address": found.get(IFLA_ADDRESS, b""),
        "tx_queues": struct.unpack("=I", found[IFLA_NUM_TX_QUEUES])[0],
        "rx_queues": struct.unpack("=I", found[IFLA_NUM_RX_QUEUES])[0],
        "link": struct.unpack("=I", found[IFLA_LINK])[0] if IFLA_LINK in found else None,
        "netnsid": found.get(IFLA_LINK_NETNSID),
    }
    link |= zip(STATS64, struct.unpack_from(f"={len(STATS64)}Q", found[IFLA_STATS64]), strict=True)
    return link


def get(name):
    """What the kernel tells of a link, None if it is not there."""
    try:
        (body,) = request(RTM_GETLINK, NLM_F_ACK, _ifinfo() + attr(IFLA_IFNAME, name))
    except OSError:
        return None
    return _link(body)


def names():
    """The names of all links but lo."""
    links = (_link(body) for body in request(RTM_GETLINK, NLM_F_DUMP, _ifinfo()))
    return sorted(link["name"] for link in links if link["name"] != "lo")


class Monitor:
    """Hears of the links of the namespace that it was made in."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.sock.bind((0, RTMGRP_LINK))
        self.sock.settimeout(30)

    def deleted(self, name):
        """Waits until the link is deleted; the last that the kernel told of it."""
        while True:
            data, at = self.sock.recv(1 << 16), 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == RTM_DELLINK:
                    link = _link(data[at + 16 : at + length])
                    if link["name"] == name:
                        return link
                at += (length + 3) & ~3

    def close(self):
        """It listens no more."""
        self.sock.close()
