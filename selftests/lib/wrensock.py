# SPDX-License-Identifier: GPL-2.0
"""AF_WREN sockets in python, whose socket module does not know the addresses of the family."""

import ctypes
import os
import socket
import struct

FAMILY = int(os.environ.get("WREN_FAMILY", "18"))
ETHERTYPE = 0x88B5
SOL_WREN, WREN_CHECKSUM = 22354, 3

_libc = ctypes.CDLL(None, use_errno=True)


def _address(ifindex, port, mac):
    """A struct sockaddr_wren."""
    return struct.pack("=H2si6s2x", FAMILY, port.to_bytes(2, "big"), ifindex, mac)


def header(sport, dport, length, check=0, version=1, kind=1, zero=0):
    """A struct wrenhdr."""
    return struct.pack("!BBHHHHH", version, kind, sport, dport, length, check, zero)


def checksum(data):
    """What the checksum of these bytes is (RFC 1071), by the way of its definition."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class WrenSocket:
    """A socket of the family in a namespace; kind: socket.SOCK_DGRAM or SOCK_RAW."""

    def __init__(self, ns, kind=socket.SOCK_DGRAM):
        with ns.entered():
            self.sock = socket.socket(FAMILY, kind, 0)

    def close(self):
        """What is on its way stays charged until it is sent."""
        self.sock.close()

    def _call(self, name, *args):
        result = getattr(_libc, name)(self.sock.fileno(), *args)
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")
        return result

    def bind(self, ifindex, port):
        """Take a port on an interface."""
        address = _address(ifindex, port, bytes(6))
        self._call("bind", address, len(address))

    def sendto(self, data, ifindex, port, mac):
        """Send through an interface."""
        address = _address(ifindex, port, mac)
        return self._call("sendto", data, len(data), 0, address, len(address))
