# SPDX-License-Identifier: GPL-2.0
"""
What two interfaces of the kernel tell of a device beyond rtnetlink: the generic netlink family
"netdev" (queues, NAPI instances, statistics of queues) and the features that ethtool -k shows.
"""

import ctypes
import fcntl
import functools
import socket
import struct

import rtnl

NETLINK_GENERIC = 16
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 0x10, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
NETDEV_CMD_QUEUE_GET, NETDEV_CMD_NAPI_GET, NETDEV_CMD_QSTATS_GET = 10, 11, 12
# Attributes of the answers; the index of the interface is the one that chooses it, too.
QUEUE = {1: "id", 2: "ifindex", 3: "type", 4: "napi"}
NAPI = {1: "ifindex", 2: "id"}
QSTATS = {
    1: "ifindex",
    2: "type",
    3: "id",
    8: "rx_packets",
    9: "rx_bytes",
    10: "tx_packets",
    11: "tx_bytes",
    13: "rx_hw_drops",
    24: "tx_hw_drops",
    33: "tx_stop",
    34: "tx_wake",
}
QSTATS_SCOPE, SCOPE_QUEUE = 4, 1
RX, TX = 0, 1

SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS, ETHTOOL_GSSET_INFO, ETHTOOL_GFEATURES, ETHTOOL_SFEATURES = 0x1B, 0x37, 0x3A, 0x3B
ETH_SS_FEATURES, ETH_GSTRING_LEN = 4, 32


def _number(data):
    return int.from_bytes(data, "little")


def _dump(command, names, ifindex, extra=b""):
    """The answers for one device, each a dictionary; what has no name in names is left out."""
    header = struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0)
    family = rtnl.request(
        GENL_ID_CTRL,
        rtnl.NLM_F_ACK,
        header + rtnl.attr(CTRL_ATTR_FAMILY_NAME, "netdev"),
        NETLINK_GENERIC,
    )
    number = _number(rtnl.attrs(family[0][4:])[CTRL_ATTR_FAMILY_ID])
    index = next(kind for kind, name in names.items() if name == "ifindex")
    payload = struct.pack("=BBH", command, 1, 0) + rtnl.attr(index, ifindex) + extra
    answers = rtnl.request(number, rtnl.NLM_F_DUMP, payload, NETLINK_GENERIC)
    return [
        {names[kind]: _number(value) for kind, value in found.items() if kind in names}
        for found in (rtnl.attrs(body[4:]) for body in answers)
    ]


def queues(ifindex):
    """The queues of a device, with the NAPI instance of each that has one."""
    return _dump(NETDEV_CMD_QUEUE_GET, QUEUE, ifindex)


def napis(ifindex):
    """The NAPI instances of a device."""
    return _dump(NETDEV_CMD_NAPI_GET, NAPI, ifindex)


def device_stats(ifindex):
    """The statistics of a device: all its queues and what it has counted besides."""
    (found,) = _dump(NETDEV_CMD_QSTATS_GET, QSTATS, ifindex)
    return found


def queue_stats(ifindex):
    """The statistics of each queue that is in use."""
    scope = rtnl.attr(QSTATS_SCOPE, SCOPE_QUEUE)
    return _dump(NETDEV_CMD_QSTATS_GET, QSTATS, ifindex, scope)


def _ethtool(name, command):
    buffer = ctypes.create_string_buffer(command, 65536)
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, request)
    return buffer.raw


@functools.cache
def _feature_names(name):
    info = _ethtool(name, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0))
    (count,) = struct.unpack_from("=I", info, 16)
    strings = _ethtool(name, struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count))
    return [
        strings[12 + n * ETH_GSTRING_LEN :][:ETH_GSTRING_LEN].split(b"\0")[0].decode()
        for n in range(count)
    ]


def features(name):
    """The features of a device that can be changed: whether each is on."""
    names = _feature_names(name)
    blocks = (len(names) + 31) // 32
    answer = _ethtool(name, struct.pack("=II", ETHTOOL_GFEATURES, blocks))
    found = {}
    for bit, feature in enumerate(names):
        available, _, active, _ = struct.unpack_from("=IIII", answer, 8 + bit // 32 * 16)
        if feature and available >> bit % 32 & 1:
            found[feature] = bool(active >> bit % 32 & 1)
    return found


def set_features(name, wanted):
    """Turn features on or off: a dictionary."""
    names = _feature_names(name)
    masks = [[0, 0] for _ in range((len(names) + 31) // 32)]
    for feature, on in wanted.items():
        bit = names.index(feature)
        masks[bit // 32][0] |= 1 << bit % 32
        masks[bit // 32][1] |= on << bit % 32
    body = b"".join(struct.pack("=II", *mask) for mask in masks)
    _ethtool(name, struct.pack("=II", ETHTOOL_SFEATURES, len(masks)) + body)
