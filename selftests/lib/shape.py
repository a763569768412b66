# SPDX-License-Identifier: GPL-2.0
"""
The shape of a device, the sizes of its rings and its channels, with the ioctls of ethtool, which is
quicker than to start a program; and a flood of packets in both directions while it changes.
"""

import ctypes
import fcntl
import socket
import struct
import threading

from wren import Pair, defer, eventually, ksft_eq, ksft_gt, ksft_true

SIOCETHTOOL = 0x8946
ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM = 0x10, 0x11
ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS = 0x3C, 0x3D
ETHTOOL_SPFLAGS = 0x28

# Not in python's socket module
SO_RCVBUFFORCE = 33


def _ioctl(ns, name, words):
    """An ethtool command of nine numbers; raises OSError with the errno of the kernel."""
    buffer = ctypes.create_string_buffer(struct.pack("=9I", *words))
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer))
    with ns.entered(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, request)
    return struct.unpack_from("=9I", buffer)


def rings(ns, name):
    """The sizes of the rings: receive, transmit."""
    words = _ioctl(ns, name, [ETHTOOL_GRINGPARAM] + [0] * 8)
    return words[5], words[8]


def set_rings(ns, name, rx=None, tx=None):
    """Change them; None leaves one as it is."""
    now = rings(ns, name)
    rx, tx = now[0] if rx is None else rx, now[1] if tx is None else tx
    _ioctl(ns, name, [ETHTOOL_SRINGPARAM, 0, 0, 0, 0, rx, 0, 0, tx])


def channels(ns, name):
    """The channels in use: receive, transmit."""
    words = _ioctl(ns, name, [ETHTOOL_GCHANNELS] + [0] * 8)
    return words[5], words[6]


def max_channels(ns, name):
    """The channels that there can be: receive, transmit."""
    words = _ioctl(ns, name, [ETHTOOL_GCHANNELS] + [0] * 8)
    return words[1], words[2]


def set_channels(ns, name, rx=None, tx=None):
    """Change them; None leaves one as it is."""
    now = channels(ns, name)
    rx, tx = now[0] if rx is None else rx, now[1] if tx is None else tx
    _ioctl(ns, name, [ETHTOOL_SCHANNELS, 0, 0, 0, 0, rx, tx, 0, 0])


def set_priv_flags(ns, name, flags):
    """Set the driver's own flags, a bit each, whether they exist or not."""
    _ioctl(ns, name, [ETHTOOL_SPFLAGS, flags] + [0] * 7)


def repeat(function, *args):
    """Call the function again and again in a thread, until the one that is returned is called; that
    tells how often it was called, and what it raised, if it did."""
    stop, done = threading.Event(), []

    def run():
        try:
            while not stop.is_set():
                function(*args)
                done.append(None)
        except OSError as error:
            done.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def end():
        stop.set()
        thread.join()
        error = done.pop() if done and done[-1] else None
        return len(done), error

    return end


class Flood:
    """UDP from both ends of a pair, over several flows each, as fast as the devices take it."""

    def __init__(self, pair, flows=1):
        self.ends = ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B))
        mac = pair.ns_a.link(Pair.A)["address"].hex(":")
        pair.ns_b.run(f"ip neigh replace {pair.ADDR_A} lladdr {mac} dev {Pair.B}")
        senders = []
        for (ns, _), address in zip(self.ends, (pair.ADDR_B, pair.ADDR_A), strict=True):
            for flow in range(flows):
                with ns.entered():
                    # Somebody is there, who need not take anything: no ICMP comes back.
                    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                defer(sink.close)
                defer(sock.close)
                sink.bind(("0.0.0.0", 1000 + flow))
                senders.append((sock, (address, 1000 + flow)))
        self.before = [ns.link(name) for ns, name in self.ends]
        self._sent = 0
        self._end = repeat(self._send, senders)

    def _send(self, senders):
        for sock, to in senders:
            sock.sendto(bytes(1000), to)
            self._sent += 1

    def counts(self, what):
        """What both devices have counted since the flood began."""
        return [
            ns.link(name)[what] - before[what]
            for (ns, name), before in zip(self.ends, self.before, strict=True)
        ]

    def goes_on(self):
        """Packets arrive at both ends."""
        before = self.counts("rx_packets")
        ksft_true(
            eventually(lambda: all(map(int.__gt__, self.counts("rx_packets"), before))),
            "packets arrive at both ends",
        )

    def end(self):
        """No more; each packet that a device has sent was received or dropped and counted."""
        self.goes_on()
        _, error = self._end()
        ksft_eq(error, None)

        def conserved():
            lost = self.counts("tx_dropped")
            sent, received = self.counts("tx_packets"), self.counts("rx_packets")
            return sent[0] - received[1] == lost[0] and sent[1] - received[0] == lost[1]

        ksft_true(
            eventually(conserved),
            f"sent {self.counts('tx_packets')} dropped {self.counts('tx_dropped')} "
            f"received {self.counts('rx_packets')}",
        )
        ksft_gt(self._sent, 0)

    def lossless(self):
        """As end(), and all that was given to the sockets has arrived."""
        self.end()
        ksft_eq(self.counts("tx_dropped"), [0, 0])
        ksft_eq(sum(self.counts("rx_packets")), self._sent)
