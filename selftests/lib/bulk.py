# SPDX-License-Identifier: GPL-2.0
"""Bulk TCP over a wire, what it keeps waiting below its socket, and how long others wait for it."""

import contextlib
import re
import socket
import statistics
import struct
import threading

from wren import SO_SNDBUFFORCE, Pair, defer, eventually

# Not in python's socket module
SO_RCVBUFFORCE, SO_MEMINFO = 33, 55
# Of what SO_MEMINFO answers
MEMINFO = (
    "rmem_alloc",
    "rcvbuf",
    "wmem_alloc",
    "sndbuf",
    "fwd_alloc",
    "wmem_queued",
    "optmem",
    "backlog",
    "drops",
)

# Of each socket, so that the buffers are no limit
BUFFER = 1 << 20


class VethPair(Pair):
    """The same with a veth pair; its wire is netem, which is what one takes to make veth slow."""

    A, B = "veth-a", "veth-b"

    def make(self, queues, rx_queues=None):
        """As that of Pair."""
        rx_queues = rx_queues or queues
        self.ns_a.run(
            f"ip link add {self.A} numtxqueues {queues} numrxqueues {queues} "
            f"type veth peer name {self.B} numtxqueues {queues} numrxqueues {rx_queues}"
        )
        self.ns_a.change(self.B, netns=self.ns_b.fd)

    def speed(self, mbps):
        """As that of Pair; 0 is so slow that it stands still."""
        if mbps is None:
            self.ns_a.run(f"tc qdisc replace dev {self.A} root pfifo")
            return
        rate = f"{mbps}mbit" if mbps else "8bit"
        self.ns_a.run(f"tc qdisc replace dev {self.A} root netem limit 1000 rate {rate}")


def waiting(pair):
    """Bytes and packets in the qdisc at a."""
    (root,) = pair.ns_a.json(f"tc -j -s qdisc show dev {pair.A} root")
    return root["backlog"], root["qlen"]


def meminfo(sock):
    """What the kernel keeps for a socket, in bytes, by name."""
    answer = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * len(MEMINFO))
    return dict(zip(MEMINFO, struct.unpack(f"={len(MEMINFO)}I", answer), strict=True))


class Flow:
    """A TCP connection from a to b, and a thread that takes what arrives."""

    def __init__(self, pair, port=5001):
        with pair.ns_b.entered(), socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            listener.bind((pair.ADDR_B, port))
            listener.listen()
            with pair.ns_a.entered():
                self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
            self.sock.connect((pair.ADDR_B, port))
            self.server, _ = listener.accept()
        self.sock.setblocking(False)
        self.sent = self.received = 0
        self._drain = threading.Thread(target=self._take, daemon=True)
        self._drain.start()
        self._pump = None
        defer(self.close)

    def _take(self):
        with contextlib.suppress(OSError):
            while data := self.server.recv(1 << 18):
                self.received += len(data)

    def send(self, count):
        """So many bytes, all of them taken and received when this returns."""
        self.sock.setblocking(True)
        self.sock.sendall(bytes(count))
        self.sock.setblocking(False)
        self.sent += count
        return eventually(lambda: self.received == self.sent)

    def fill(self):
        """As much as the socket takes without waiting."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.sent += self.sock.send(bytes(1 << 16))

    def start(self):
        """Sends without end, in a thread of its own, until stop()."""
        self.sock.setblocking(True)
        self._pump = threading.Thread(target=self._send, daemon=True)
        self._pump.start()

    def _send(self):
        data = bytes(1 << 16)
        with contextlib.suppress(OSError):
            while True:
                self.sent += self.sock.send(data)

    def stop(self):
        """Ends what start() began; what the socket has taken still arrives."""
        self.sock.shutdown(socket.SHUT_WR)
        self._pump.join()
        self._pump = None

    def close(self):
        """Ends it at once."""
        if self._pump:
            self.stop()
        # A reset: nothing lingers. It may not get through a wire that stands still.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        self.sock.close()
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self._drain.join()
        self.server.close()


def ping(pair, count, interval):
    """Round-trip times from a to b in milliseconds, of those that came back."""
    output = pair.ns_a.run(f"ping -n -c {count} -i {interval} -W 20 {pair.ADDR_B}")
    return [float(time) for time in re.findall(r"time=([0-9.]+) ms", output)]


def median_ping(pair, count=15, interval=0.02):
    """The median of them."""
    return statistics.median(ping(pair, count, interval))
