# SPDX-License-Identifier: GPL-2.0
"""
What the python tests share: the kernel's ksft module, two network namespaces with a wren pair
between them, and the tools that look at it.
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import time

from kernel_net.ksft import (
    KsftNamedVariant,
    KsftSkipEx,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_in,
    ksft_lt,
    ksft_ne,
    ksft_run,
    ksft_true,
    ksft_variants,
)
from kernel_net.utils import defer

__all__ = [
    "IFLA_ADDRESS",
    "IFLA_IFNAME",
    "IFLA_MTU",
    "IFLA_NET_NS_FD",
    "Failed",
    "KsftNamedVariant",
    "KsftSkipEx",
    "Namespace",
    "Pair",
    "add_link",
    "defer",
    "eventually",
    "ksft_eq",
    "ksft_exit",
    "ksft_ge",
    "ksft_gt",
    "ksft_in",
    "ksft_lt",
    "ksft_ne",
    "ksft_run",
    "ksft_true",
    "ksft_variants",
]

# Longer than anything takes on the slowest machine, shorter than a hang
LONG = 20.0

NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
NLMSG_ERROR, RTM_NEWLINK = 2, 16
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO = 1, 3, 4, 18
IFLA_NET_NS_FD, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 28, 31, 32
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_WREN_PEER = 1


class Failed(Exception):
    """A command that did not succeed, with what it said."""


def run(*args, check=True, timeout=60):
    """Run a program and return what it printed."""
    result = subprocess.run(args, capture_output=True, text=True, timeout=timeout, check=False)
    if check and result.returncode:
        raise Failed(f"{' '.join(args)}: {result.stderr.strip() or result.returncode}")
    return result.stdout


def eventually(condition, seconds=LONG):
    """True as soon as the condition holds, False if it still does not after that time."""
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


class Namespace:
    """A network namespace of our own, without IPv6: tests count packets."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1", missing_ok=True)
        self.write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", missing_ok=True)

    def close(self):
        """Delete it, and the devices in it."""
        run("ip", "netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
        """The calling process is in the namespace meanwhile (its /sys is not)."""
        with open("/proc/thread-self/ns/net", "rb") as old:
            with open(f"/run/netns/{self.name}", "rb") as new:
                os.setns(new.fileno(), os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(old.fileno(), os.CLONE_NEWNET)

    def write(self, path, value, missing_ok=False):
        """Write a file below /proc/sys/net as it is seen in the namespace."""
        with self.entered():
            if missing_ok and not os.path.exists(path):
                return
            with open(path, "w", encoding="ascii") as file:
                file.write(value)

    def run(self, *args, **kwargs):
        """Run a program in the namespace."""
        return run("ip", "netns", "exec", self.name, *args, **kwargs)

    def ip(self, *args):
        """ip, whose answer is understood where it is JSON."""
        out = run("ip", "-j", "-n", self.name, *args)
        return json.loads(out) if out.strip() else []

    def tc(self, *args):
        """tc, likewise."""
        out = run("tc", "-j", "-n", self.name, *args)
        return json.loads(out) if out.strip() else []

    def link(self, name):
        """What `ip -s -d link show` tells about a device, None if it is not there."""
        out = run("ip", "-j", "-s", "-d", "-n", self.name, "link", "show", name, check=False)
        return json.loads(out)[0] if out.strip() else None

    def links(self):
        """The names of all devices but lo."""
        return sorted(link["ifname"] for link in self.ip("link") if link["ifname"] != "lo")

    def stats64(self, name, way):
        """The 64-bit counters of a device; way is rx or tx."""
        return self.link(name)["stats64"][way]

    def counters(self, name):
        """What `ethtool -S` counts, by name."""
        counters = {}
        for line in self.run("ethtool", "-S", name).splitlines():
            key, _, value = line.partition(":")
            if value.strip():
                counters[key.strip()] = int(value)
        return counters

    def sysfs(self, name, path, value=None):
        """Read or write a file below /sys/class/net/<name>, as a number where it is one."""
        path = f"/sys/class/net/{name}/{path}"
        if value is not None:
            return self.run("sh", "-c", f"echo {value} >{path}")
        text = self.run("cat", path).strip()
        return int(text) if text.lstrip("-").isdigit() else text


def _attr(kind, data):
    if isinstance(data, int):
        data = struct.pack("=I", data)
    elif isinstance(data, str):
        data = data.encode() + b"\0"
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def add_link(name, peer=None, queues=None, raw_peer=None):
    """
    RTM_NEWLINK for a wren pair. peer: attributes of the peer, by number. raw_peer: bytes to send
    instead of a well-formed IFLA_WREN_PEER. Raises OSError with the errno of the kernel.
    """
    data = b""
    if raw_peer is not None:
        data = _attr(IFLA_WREN_PEER, raw_peer)
    elif peer is not None:
        body = bytes(16) + b"".join(_attr(kind, value) for kind, value in peer.items())
        data = _attr(IFLA_WREN_PEER, body)
    info = _attr(IFLA_INFO_KIND, "wren")
    if data:
        info += _attr(IFLA_INFO_DATA, data)
    payload = bytes(16) + _attr(IFLA_IFNAME, name)
    if queues is not None:
        payload += _attr(IFLA_NUM_TX_QUEUES, queues) + _attr(IFLA_NUM_RX_QUEUES, queues)
    payload += _attr(IFLA_LINKINFO, info)
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE
    head = struct.pack("=IHHII", 16 + len(payload), RTM_NEWLINK, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(head + payload)
        reply = netlink.recv(65536)
    (kind,) = struct.unpack_from("=H", reply, 4)
    (error,) = struct.unpack_from("=i", reply, 16)
    if kind != NLMSG_ERROR:
        raise Failed(f"netlink answers with message {kind}")
    if error:
        raise OSError(-error, os.strerror(-error))


class Pair:
    """wren-a in one namespace, wren-b in another one, both up, with IPv4 addresses."""

    A, B = "wren-a", "wren-b"
    ADDR_A, ADDR_B = "192.0.2.1", "192.0.2.2"

    def __init__(self, queues=1):
        self.ns_a = Namespace("wren-test-a")
        defer(self.ns_a.close)
        self.ns_b = Namespace("wren-test-b")
        defer(self.ns_b.close)
        with open("/run/netns/wren-test-b", "rb") as ns_b, self.ns_a.entered():
            peer = {
                IFLA_IFNAME: self.B,
                IFLA_NET_NS_FD: ns_b.fileno(),
                IFLA_NUM_TX_QUEUES: queues,
                IFLA_NUM_RX_QUEUES: queues,
            }
            add_link(self.A, peer, queues=queues)
        for ns, name, addr in ((self.ns_a, self.A, self.ADDR_A), (self.ns_b, self.B, self.ADDR_B)):
            ns.ip("addr", "add", addr + "/24", "dev", name)
            ns.ip("link", "set", name, "up")
        if not eventually(lambda: "LOWER_UP" in self.ns_a.link(self.A)["flags"]):
            raise Failed("no carrier")

    def speed(self, mbps):
        """Pace the wire from a to b; None takes the limit off."""
        if mbps is None:
            mbps = 0xFFFFFFFF
        self.ns_a.run(
            "ethtool", "-s", self.A, "speed", str(mbps), "duplex", "full", "autoneg", "off"
        )

    def udp(self, port=9):
        """A socket that sends from a to b; the neighbour is known, so no ARP is on the wire."""
        mac = self.ns_b.link(self.B)["address"]
        self.ns_a.ip("neigh", "replace", self.ADDR_B, "lladdr", mac, "dev", self.A)
        with self.ns_a.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUFFORCE, 64 << 20)
        sock.connect((self.ADDR_B, port))
        return sock

    def sink(self, port=9):
        """Somebody at b who takes what udp() sends, so that no ICMP comes back."""
        with self.ns_b.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sock.close)
        sock.bind((self.ADDR_B, port))
        return sock
