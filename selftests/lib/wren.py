# SPDX-License-Identifier: GPL-2.0
"""
What the python tests share: the kernel's ksft module, network namespaces, two of them with a wren
pair between them, and the ways to look at it.
"""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import tempfile
import time

import rtnl
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
    "LONG",
    "SO_RCVBUFFORCE",
    "SO_SNDBUFFORCE",
    "CommandError",
    "KsftNamedVariant",
    "KsftSkipEx",
    "Namespace",
    "Pair",
    "charged",
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

# Longer than anything takes on the slowest and busiest machine, shorter than a hang
LONG = 60.0

# Not in python's socket module
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33

SIOCETHTOOL, SIOCOUTQ = 0x8946, 0x5411
ETHTOOL_GSTRINGS, ETHTOOL_GSTATS, ETHTOOL_GSSET_INFO = 0x1B, 0x1D, 0x37
ETHTOOL_GLINKSETTINGS, ETHTOOL_SLINKSETTINGS = 0x4C, 0x4D
ETH_SS_STATS, ETH_GSTRING_LEN = 1, 32
DUPLEX_FULL, PORT_OTHER, AUTONEG_DISABLE = 1, 0xFF, 0
SPEED_UNKNOWN = 0xFFFFFFFF

MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(Exception):
    """A command that did not succeed, with what it said."""


def eventually(condition, seconds=LONG):
    """True as soon as the condition holds, False if it still does not after that time."""
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def charged(sock):
    """Bytes of packets that a datagram or packet socket is charged for."""
    answer = array.array("i", [0])
    fcntl.ioctl(sock, SIOCOUTQ, answer)
    return answer[0]


class Namespace:
    """A network namespace of our own; without IPv6 if not asked for: tests count packets."""

    def __init__(self, ipv6=False):
        self._sysfs = None
        with open("/proc/thread-self/ns/net", "rb") as old:
            os.unshare(os.CLONE_NEWNET)
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            for conf in () if ipv6 else ("all", "default"):
                path = f"/proc/sys/net/ipv6/conf/{conf}/disable_ipv6"
                if os.path.exists(path):
                    with open(path, "w", encoding="ascii") as file:
                        file.write("1")
            os.setns(old.fileno(), os.CLONE_NEWNET)

    def close(self):
        """Nobody else knows it, so it ends, and the devices in it."""
        if self._sysfs:
            _libc.umount2(self._sysfs.encode(), MNT_DETACH)
            os.rmdir(self._sysfs)
            self._sysfs = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextlib.contextmanager
    def entered(self):
        """The process, and what it starts, is in the namespace meanwhile (its /sys is not)."""
        with open("/proc/thread-self/ns/net", "rb") as old:
            os.setns(self.fd, os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(old.fileno(), os.CLONE_NEWNET)

    def run(self, command):
        """Run a program in the namespace, and return what it prints."""
        with self.entered():
            result = subprocess.run(
                command.split(), capture_output=True, text=True, timeout=5 * LONG, check=False
            )
        if result.returncode:
            raise CommandError(f"{command}: {result.stderr.strip() or result.returncode}")
        return result.stdout

    def json(self, command):
        """The same for one that prints JSON."""
        return json.loads(self.run(command))

    def link(self, name):
        """What the kernel tells of a device, None if it is not there."""
        with self.entered():
            return rtnl.get(name)

    def links(self):
        """The names of all devices but lo."""
        with self.entered():
            return rtnl.names()

    def add(self, *args, **kwargs):
        """Make a pair, see rtnl.add()."""
        with self.entered():
            rtnl.add(*args, **kwargs)

    def change(self, *args, **kwargs):
        """Change a device, see rtnl.change()."""
        with self.entered():
            rtnl.change(*args, **kwargs)

    def delete(self, name):
        """Delete a device."""
        with self.entered():
            rtnl.delete(name)

    def address(self, name, text, bits=24):
        """Give a device an IP address, see rtnl.add_address()."""
        with self.entered():
            rtnl.add_address(name, text, bits)

    def neighbour(self, name, text, mac):
        """Tell who has an IP address, see rtnl.set_neighbour()."""
        with self.entered():
            rtnl.set_neighbour(name, text, mac)

    def qdisc(self, name, kind, limit=None):
        """Replace the root qdisc of a device, see rtnl.set_qdisc()."""
        with self.entered():
            rtnl.set_qdisc(name, kind, limit)

    def qdisc_queue(self, name):
        """What waits in the root qdisc of a device, see rtnl.qdisc_queue()."""
        with self.entered():
            return rtnl.qdisc_queue(name)

    def carrier(self, name):
        """Whether the device is up and has carrier."""
        return bool(self.link(name)["flags"] & rtnl.IFF_LOWER_UP)

    def sysfs(self, name, path, value=None):
        """Read or write a number in a file below /sys/class/net/<name>."""
        if not self._sysfs:
            self._sysfs = tempfile.mkdtemp(prefix="wren-sysfs.")
            with self.entered():
                if _libc.mount(b"sysfs", self._sysfs.encode(), b"sysfs", 0, None):
                    raise OSError(ctypes.get_errno(), "mount of sysfs")
        path = f"{self._sysfs}/class/net/{name}/{path}"
        with open(path, "r" if value is None else "w", encoding="ascii") as file:
            return int(file.read()) if value is None else file.write(str(value))

    def _ethtool(self, name, command):
        """The answer to an ethtool request that begins with these bytes."""
        buffer = ctypes.create_string_buffer(command, 65536)
        request = struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer))
        with self.entered(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCETHTOOL, request)
        return buffer.raw

    def counters(self, name):
        """What `ethtool -S` counts, by name."""
        info = self._ethtool(
            name, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_STATS, 0)
        )
        (count,) = struct.unpack_from("=I", info, 16)
        strings = self._ethtool(name, struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_STATS, count))
        values = self._ethtool(name, struct.pack("=II", ETHTOOL_GSTATS, count))
        names = (
            strings[12 + n * ETH_GSTRING_LEN :][:ETH_GSTRING_LEN].split(b"\0")[0].decode()
            for n in range(count)
        )
        return dict(zip(names, struct.unpack_from(f"={count}Q", values, 8), strict=True))

    def speed(self, name, mbps):
        """What `ethtool -s speed` does; None takes the limit off."""
        # The kernel says how many words its masks have, which have to follow.
        answer = self._ethtool(name, struct.pack("=I44x", ETHTOOL_GLINKSETTINGS))
        (words,) = struct.unpack_from("b", answer, 15)
        self._ethtool(
            name,
            struct.pack(
                "=IIBBxB3xb32x",
                ETHTOOL_SLINKSETTINGS,
                SPEED_UNKNOWN if mbps is None else mbps,
                DUPLEX_FULL,
                PORT_OTHER,
                AUTONEG_DISABLE,
                -words,
            ),
        )


class Pair:
    """wren-a in one namespace, wren-b in another one, both up, with IPv4 addresses."""

    A, B = "wren-a", "wren-b"
    ADDR_A, ADDR_B = "192.0.2.1", "192.0.2.2"

    def __init__(self, queues=1, rx_queues=None, ipv6=False):
        self.ns_a, self.ns_b = Namespace(ipv6), Namespace(ipv6)
        defer(self.ns_a.close)
        defer(self.ns_b.close)
        self.make(queues, rx_queues)
        self.ns_a.address(self.A, self.ADDR_A)
        self.ns_b.address(self.B, self.ADDR_B)
        self.ns_b.change(self.B, up=True)
        self.up()

    def make(self, queues, rx_queues=None):
        """The two devices, each in its namespace."""
        peer = {
            rtnl.IFLA_IFNAME: self.B,
            rtnl.IFLA_NET_NS_FD: self.ns_b.fd,
            rtnl.IFLA_NUM_TX_QUEUES: queues,
            rtnl.IFLA_NUM_RX_QUEUES: rx_queues or queues,
        }
        self.ns_a.add(self.A, peer, queues=queues)

    def up(self):
        """End a is up (again), and what udp() needs to know about b."""
        self.ns_a.change(self.A, up=True)
        if not eventually(lambda: self.ns_a.carrier(self.A)):
            raise CommandError("no carrier")
        # The neighbour is known, so no ARP is on the wire.
        self.ns_a.neighbour(self.A, self.ADDR_B, self.ns_b.link(self.B)["address"])

    def speed(self, mbps):
        """Pace the wire from a to b; None takes the limit off."""
        self.ns_a.speed(self.A, mbps)

    def udp(self, port=9):
        """A socket that sends from a to b."""
        with self.ns_a.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20)
        sock.connect((self.ADDR_B, port))
        return sock

    def sink(self, port=9):
        """Somebody at b who takes what udp() sends, so that no ICMP comes back."""
        with self.ns_b.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(sock.close)
        sock.bind((self.ADDR_B, port))
        return sock
