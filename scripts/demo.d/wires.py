# SPDX-License-Identifier: GPL-2.0
"""Sockets, namespaces and wires of the demo, and what the kernel counts of them."""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess

SIOCOUTQ, SIOCINQ = 0x5411, 0x541B
# The family number that af_wren takes by default
FAMILY = 18
PORT = 1000
PAYLOAD = 1400

_libc = ctypes.CDLL(None, use_errno=True)


def run(*args):
    """Run a program, return what it prints."""
    result = subprocess.run(args, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(args)}: {result.stderr.strip()}")
    return result.stdout


@contextlib.contextmanager
def inside(namespace):
    """In that network namespace meanwhile."""
    with (
        open("/proc/thread-self/ns/net", "rb") as old,
        open(f"/run/netns/{namespace}", "rb") as new,
    ):
        os.setns(new.fileno(), os.CLONE_NEWNET)
        try:
            yield
        finally:
            os.setns(old.fileno(), os.CLONE_NEWNET)


class WrenSocket:
    """An AF_WREN socket; python knows the family's number only, so the C library is asked."""

    def __init__(self, ifindex, port):
        self.family = FAMILY
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self.fd = self._socket.fileno()
        self._call("bind", self.fd, self._address(ifindex, port, bytes(6)), 16)

    def _address(self, ifindex, port, mac):
        return struct.pack("=H2si6s2x", self.family, port.to_bytes(2, "big"), ifindex, mac)

    def _call(self, name, *args):
        result = getattr(_libc, name)(*args)
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")
        return result

    def send(self, data, mac, port=PORT):
        """sendto(), which sleeps when the send buffer is full."""
        self._call("sendto", self.fd, data, len(data), 0, self._address(0, port, mac), 16)

    def set_sndbuf(self, value):
        """SO_SNDBUF; returns what the kernel makes of it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, value)
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    def outq(self):
        """SIOCOUTQ: bytes of memory that the kernel counts against the sender."""
        return struct.unpack("i", fcntl.ioctl(self.fd, SIOCOUTQ, bytes(4)))[0]

    def receive_all(self):
        """Take what has arrived: the number of datagrams."""
        count = 0
        while True:
            try:
                self._socket.recv(2048, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return count
            count += 1

    def close(self):
        """Close it; what is in flight stays in flight."""
        self._socket.close()


class Wire:
    """Two devices in two namespaces, and a brake for the direction from the first to the second."""

    # What a person is told: which devices, what stops them, where packets wait then
    title = brake = place = ""
    # Its driver, and what the names of the driver's functions have in them
    driver = marker = ""

    def __init__(self, names, namespaces):
        self.names = names
        self.namespaces = namespaces
        for namespace in namespaces:
            run("ip", "netns", "add", namespace)
            with inside(namespace):
                for conf in ("all", "default"):
                    path = f"/proc/sys/net/ipv6/conf/{conf}/disable_ipv6"
                    if os.path.exists(path):
                        with open(path, "w", encoding="ascii") as file:
                            file.write("1")
        self.connect()
        for name, namespace in zip(names, namespaces, strict=True):
            run("ip", "-n", namespace, "link", "set", name, "up")

    def connect(self):
        """Put the devices into the namespaces."""
        raise NotImplementedError

    def link(self, end):
        """What ip tells of the device at that end."""
        return json.loads(
            run("ip", "-j", "-n", self.namespaces[end], "link", "show", self.names[end])
        )[0]

    def open(self, end, port):
        """A socket at that end, bound to its device."""
        with inside(self.namespaces[end]):
            return WrenSocket(self.link(end)["ifindex"], port)

    def mac(self, end):
        """The address of that end."""
        return bytes.fromhex(self.link(end)["address"].replace(":", ""))

    def at_sender(self, *args):
        """Run a program in the namespace of the sender."""
        return run("ip", "netns", "exec", self.namespaces[0], *args)

    def qdisc(self):
        """(kind, packets, bytes) of the queue in front of the sending device."""
        shown = json.loads(
            run(
                "tc",
                "-j",
                "-s",
                "-n",
                self.namespaces[0],
                "qdisc",
                "show",
                "dev",
                self.names[0],
                "root",
            )
        )[0]
        return shown["kind"], shown["qlen"], shown["backlog"]

    def inflight(self):
        """Bytes in the ring of the sending device, as BQL counts them."""
        path = f"/sys/class/net/{self.names[0]}/queues"
        counts = self.at_sender("sh", "-c", f"cat {path}/tx-*/byte_queue_limits/inflight")
        return sum(map(int, counts.split()))

    def stop(self):
        """Nothing is taken from now on."""
        raise NotImplementedError

    def slow(self):
        """One megabit a second."""
        raise NotImplementedError


class WrenWire(Wire):
    """A pair of wren devices: the wire itself is slow, so packets wait in the ring."""

    title = "a pair of wren devices"
    brake = "The wire from wren0 to wren1 is stopped (ethtool -s wren0 speed 0)."
    place = "Byte queue limits (BQL) let one packet into the ring, the rest waits in the qdisc."
    driver = marker = "wren_nic"

    def connect(self):
        """ip link add type wren; the peer goes into the other namespace."""
        name, namespace = self.names[0], self.namespaces[0]
        run("ip", "-n", namespace, "link", "add", name, "type", "wren")
        peer = next(
            link["ifname"]
            for link in json.loads(run("ip", "-j", "-n", namespace, "link"))
            if link["ifname"] not in ("lo", name)
        )
        run(
            "ip",
            "-n",
            namespace,
            "link",
            "set",
            peer,
            "netns",
            self.namespaces[1],
            "name",
            self.names[1],
        )
        run("tc", "-n", namespace, "qdisc", "replace", "dev", name, "root", "pfifo")

    def _speed(self, mbps):
        self.at_sender(
            "ethtool", "-s", self.names[0], "speed", str(mbps), "duplex", "full", "autoneg", "off"
        )

    def stop(self):
        self._speed(0)

    def slow(self):
        self._speed(1)


class VirtioWire(Wire):
    """Two virtio-net NICs with a cable: a token bucket in front of the first one is the brake."""

    title = "the same over two virtio-net NICs"
    brake = (
        "The NICs are joined by a cable and know nothing of wren; a token bucket (tc qdisc tbf) in "
        "front of virt0 is the brake."
    )
    place = "Here all of it waits in the qdisc."
    driver, marker = "virtio_net", "virtnet"

    def connect(self):
        for name, namespace in zip(self.names, self.namespaces, strict=True):
            run("ip", "link", "set", name, "netns", namespace)

    def _rate(self, rate):
        run(
            "tc",
            "-n",
            self.namespaces[0],
            "qdisc",
            "replace",
            "dev",
            self.names[0],
            "root",
            "handle",
            "1:",
            "tbf",
            "rate",
            rate,
            "burst",
            "1600",
            "limit",
            "1m",
        )
        self._kick()

    def _kick(self):
        """A frame that nobody wants takes the first tokens, and starts the queue's engine."""
        with inside(self.namespaces[0]), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((self.names[0], 0))
            raw.send(self.mac(1) + self.mac(0) + b"\x88\xb6" + bytes(1500))

    def stop(self):
        self._rate("8bit")

    def slow(self):
        self._rate("1mbit")
