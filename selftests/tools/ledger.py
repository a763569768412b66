#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
tools/skb-ledger: what it says of real traffic is what the kernel's own counters say, it meets all
destructors, and it finds who is in the way.
"""

import ctypes
import fcntl
import functools
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

from skbledger import books, program, views
from wren import (
    LONG,
    KsftNamedVariant,
    KsftSkipEx,
    Namespace,
    Pair,
    charged,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "skb-ledger")
BTF = "/sys/kernel/btf/vmlinux"
COUNT = 20
PORT = 9
ETHERTYPE = 0x88B6
AF_WREN = 18

# Not in python's socket module
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
IP_RECVERR = 11
NETLINK_ROUTE, RTM_GETLINK, NLM_F_REQUEST, NLM_F_DUMP = 0, 18, 1, 0x300
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000

_libc = ctypes.CDLL(None, use_errno=True)

ROW = ("charged", "began", "released", "handed", "lost", "alive")
DESTRUCTORS = (
    "sock_wfree",
    "__sock_wfree",
    "tcp_wfree",
    "unix_wfree",
    "sock_rfree",
    "sock_rmem_free",
    "netlink_skb_destructor",
    "sock_ofree",
    "sock_efree",
    "sock_edemux",
    "sock_pfree",
)


class Look:
    """What the tool says at one moment."""

    def __init__(self, lines):
        self.claims = [line for line in lines if line["type"] == "claim"]
        self.waits = [line for line in lines if line["type"] == "waiting"]
        self.summary = lines[-1]

    def sum(self, name):
        """One of the sums of the balance."""
        return self.summary[name]

    def row(self, destructor):
        """What has become of the packets of a destructor."""
        return self.summary["destructors"].get(destructor, dict.fromkeys(ROW, 0))


class Ledger:
    """The tool, from when it is ready until end(). It starts slowly, so all tests share it."""

    def __init__(self):
        if not os.path.exists(BTF):
            raise KsftSkipEx("the kernel has no BTF")
        self._last = None
        self._process = subprocess.Popen(
            [TOOL, "--json", "--every", "2"], stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        if not eventually(lambda: self._last or self._process.poll() is not None, 20 * LONG):
            self.end()
        if not self._last:
            raise OSError(f"{TOOL} has ended")

    def _read(self):
        lines = []
        for line in self._process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["type"] == "summary":
                self._last = Look(lines)
                lines = []

    def look(self):
        """How things are now. What it says may be on its way for long, if the machine is busy."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        ksft_true(eventually(lambda: self._last.sum("at") > now, 5 * LONG), "it goes on")
        return self._last

    def end(self):
        """Its exit status. Not SIGKILL: that would leave bpftrace behind."""
        self._process.terminate()
        return self._process.wait()


@functools.cache
def ledger():
    """That of all tests."""
    return Ledger()


def inode(sock):
    """What a socket is called in the ledger."""
    return os.fstat(sock.fileno()).st_ino


def readable(sock, flags=select.POLLIN):
    """Waits until there is something to read."""
    poll = select.poll()
    poll.register(sock, flags)
    ksft_true(poll.poll(1000 * LONG), "something arrives")


def open_in(namespace, *kind):
    """A socket that is closed at the end."""
    with namespace.entered():
        sock = socket.socket(*kind)
    defer(sock.close)
    return sock


def packet_socket(namespace, device):
    """Sends and receives frames of our EtherType."""
    sock = open_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    sock.bind((device, ETHERTYPE))
    return sock


def frame():
    """One for everybody."""
    return b"\xff" * 6 + b"\x02\0\0\0\0\x01" + struct.pack(">H", ETHERTYPE) + bytes(50)


def wren_address(namespace, device, mac=bytes(6)):
    """Of port PORT."""
    index = namespace.link(device)["index"]
    return struct.pack("=H2si6s2x", AF_WREN, struct.pack(">H", PORT), index, mac)


class WrenSockets:
    """Two datagram sockets of AF_WREN; python does not know their addresses."""

    def __init__(self, pair):
        self.a = open_in(pair.ns_a, AF_WREN, socket.SOCK_DGRAM)
        self.b = open_in(pair.ns_b, AF_WREN, socket.SOCK_DGRAM)
        address = wren_address(pair.ns_b, pair.B)
        if _libc.bind(self.b.fileno(), address, len(address)):
            raise OSError(ctypes.get_errno(), "bind")
        mac = pair.ns_b.link(pair.B)["address"]
        self._to = wren_address(pair.ns_a, pair.A, mac)

    def send(self):
        """One from a to b."""
        data = bytes(100)
        if _libc.sendto(self.a.fileno(), data, len(data), 0, self._to, len(self._to)) < 0:
            raise OSError(ctypes.get_errno(), "sendto")


class Tcp:
    """A connection from a to b."""

    def __init__(self, pair):
        listener = open_in(pair.ns_b, socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((pair.ADDR_B, PORT))
        listener.listen()
        self.client = open_in(pair.ns_a, socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(LONG)
        self.client.connect((pair.ADDR_B, PORT))
        self.server, _ = listener.accept()
        defer(self.server.close)
        self.server.settimeout(LONG)

    def exchange(self, size):
        """Send, and return when all was read."""
        self.client.sendall(bytes(size))
        while size:
            data = self.server.recv(size)
            ksft_true(data, "the connection stays open")
            size -= len(data)


def ask_links():
    """A netlink socket with an answer that nobody has read."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    defer(sock.close)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    sock.send(struct.pack("=IHHIIBxHiII", 32, RTM_GETLINK, flags, 1, 0, 0, 0, 0, 0, 0))
    readable(sock)
    return sock


def unix_pair():
    """Two sockets that are connected."""
    sockets = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for sock in sockets:
        defer(sock.close)
    return sockets


def what_waits_is_what_the_kernel_counts():
    """Packets in a ring, in receive queues: their sum is the kernel's counter of each socket."""
    pair = Pair()
    pair.sink()
    tcp, wren = Tcp(pair), WrenSockets(pair)
    frames, listener = packet_socket(pair.ns_a, pair.A), packet_socket(pair.ns_b, pair.B)
    udp = pair.udp()
    unix, unix_reader = unix_pair()
    ledger()
    # What arrives is not read.
    tcp.client.sendall(bytes(10000))
    readable(tcp.server)
    for _ in range(COUNT):
        unix.send(bytes(100))
        wren.send()
        frames.send(frame())
    readable(listener)
    readable(wren.b)
    netlink = ask_links()
    ksft_true(eventually(lambda: not any(map(charged, (wren.a, frames)))), "all have arrived")
    # The rest is kept by the wire.
    pair.speed(0)
    tcp.client.sendall(bytes(10000))
    for _ in range(COUNT):
        udp.send(bytes(1000))
        wren.send()
        frames.send(frame())
    look = ledger().look()
    summary = look.summary
    sockets = {sock["inode"]: sock for sock in summary["sockets"]}
    for sock, counter in (
        (tcp.client, "send buffer"),
        (tcp.server, "receive buffer"),
        (udp, "send buffer"),
        (wren.a, "send buffer"),
        (wren.b, "receive buffer"),
        (frames, "send buffer"),
        (listener, "receive buffer"),
        (unix, "send buffer"),
        (netlink, "receive buffer"),
    ):
        entry = sockets[inode(sock)]
        ksft_gt(entry["ledger"].get(counter, 0), 0, f"{entry['socket']} has packets")
        ksft_eq(entry["ledger"].get(counter, 0), entry["kernel"][counter], entry["socket"])
        ksft_in({"pid": os.getpid()}, [{"pid": p["pid"]} for p in entry["processes"]])
    ksft_eq(summary["disagreements"], [])
    ksft_eq((summary["missing"], summary["lost"]), (0, 0), "the books balance")
    mine = [claim for claim in look.claims if claim["inode"] == inode(unix)]
    ksft_eq({claim["destructor"] for claim in mine}, {"unix_wfree"})
    ksft_eq(len(mine), COUNT)
    unix_reader.close()


def all_traffic():
    """Packets of each destructor; all of it ends."""
    pair = Pair()
    udp, sink = pair.udp(), pair.sink()
    # Both ends are connected: then a datagram finds its socket early.
    sink.connect(udp.getsockname())
    for _ in range(COUNT):
        udp.send(bytes(100))
        readable(sink)
        sink.recv(100)
    Tcp(pair).exchange(100000)
    unix, unix_reader = unix_pair()
    frames, listener = packet_socket(pair.ns_a, pair.A), packet_socket(pair.ns_b, pair.B)
    wren = WrenSockets(pair)
    for _ in range(COUNT):
        unix.send(bytes(100))
        unix_reader.recv(100)
        frames.send(frame())
        readable(listener)
        listener.recv(100)
        wren.send()
        readable(wren.b)
        wren.b.recv(100)
    netlink = ask_links()
    netlink.close()
    errors = pair.udp(PORT + 1)
    errors.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    errors.send(bytes(100))
    readable(errors, select.POLLERR)
    errors.recvmsg(1000, 1000, socket.MSG_ERRQUEUE)
    udp.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    udp.send(bytes(1000), MSG_ZEROCOPY)
    readable(sink)
    sink.recv(1000)
    readable(udp, select.POLLERR)
    udp.recvmsg(0, 1000, socket.MSG_ERRQUEUE)
    if not subprocess.run(["modprobe", "-q", "sch_netem"], check=False).returncode:
        pair.ns_a.run(f"tc qdisc replace dev {pair.A} root netem delay 5ms")
        udp.send(bytes(100))
        readable(sink)
        sink.recv(100)
    ksft_true(eventually(lambda: not charged(udp)), "nothing is on its way")


@functools.cache
def looks_at_all_traffic():
    """Before it, and when all of it has ended."""
    before = ledger().look()
    all_traffic()
    return before, ledger().look()


def what_was_charged_is_released():
    """In packets and in bytes; nothing is missing, and the kernel counts the same."""
    before, after = looks_at_all_traffic()
    for name in ("lost", "began"):
        ksft_eq(after.sum(name), before.sum(name), name)
    ksft_eq(after.sum("missing"), 0)
    sums = after.summary["bytes"]
    ksft_gt(sums["charged"], before.summary["bytes"]["charged"])
    ksft_eq(sums["charged"] + sums["changed"], sums["released"] + sums["handed"] + sums["alive"])
    ksft_eq(after.summary["disagreements"], [])


@ksft_variants([KsftNamedVariant(name, name) for name in DESTRUCTORS])
def destructor_is_met(name):
    """Charged and released, or handed on."""
    before, after = (look.row(name) for look in looks_at_all_traffic())
    row = {what: after[what] - before[what] for what in ROW}
    least = {"sock_wfree": 3 * COUNT, "unix_wfree": COUNT, "sock_pfree": COUNT}.get(name, 1)
    ksft_ge(row["released"] + row["handed"], least, f"{name} {row}")
    # Only a reference goes to somebody else without a call.
    if name not in ("sock_edemux", "sock_pfree"):
        ksft_eq(row["handed"], 0)


SENDER = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 9))
while True:
    sock.send(bytes(1000))
"""


def finds_who_waits_and_what_is_in_the_way():
    """A writer hangs because a device keeps its packets: the writer, the device and the age."""
    pair = Pair()
    pair.sink()
    pair.speed(0)
    ledger()
    with pair.ns_a.entered():
        sender = subprocess.Popen([sys.executable, "-c", SENDER, pair.ADDR_B])
    defer(sender.wait)
    defer(sender.kill)
    ksft_true(eventually(lambda: ledger().look().waits), "it is found")
    time.sleep(1)
    look = ledger().look()
    (wait,) = look.waits
    ksft_eq(wait["pid"], sender.pid)
    ksft_ge(wait["seconds"], 1, "since it was found")
    ksft_true(
        any(holder.startswith(f"device {pair.A} queue 0") for holder in wait["holders"]),
        f"the device is named: {wait['holders']}",
    )
    claims = [claim for claim in look.claims if claim["device"] == pair.A]
    ksft_ge(len(claims), 2)
    for claim in claims:
        ksft_eq(claim["destructor"], "sock_wfree")
        ksft_ge(claim["age"], 1)
        ksft_in(sender.pid, [process["pid"] for process in claim["processes"]])
    pair.speed(None)
    ksft_true(eventually(lambda: not ledger().look().waits), "it goes on")


def only_what_is_asked_for():
    """--socket, --pid, --dev and --older-than leave the others out."""
    sock = books.Socket(0x1000, "inet/udp", 4711, processes=[(12, "me")])
    claim = books.Claim(0x2000, 0, 1.5, sock, "sock_wfree", 768, program.DEVICE, "eth0", "", 0.0)
    for options, shown in (
        ({}, True),
        ({"older_than": 1.5}, True),
        ({"older_than": 1.6}, False),
        ({"socket": "4711"}, True),
        ({"socket": "inet/udp"}, True),
        ({"socket": "0x1000"}, True),
        ({"socket": "4712"}, False),
        ({"dev": "eth0"}, True),
        ({"dev": "eth1"}, False),
        ({"pid": 12}, True),
        ({"pid": 13}, False),
        ({"pid": 12, "dev": "eth1"}, False),
    ):
        ksft_eq(views.Filter(**options)(claim), shown, f"{options}")


def names_who_orphans_early():
    """lo and a tap device drop the owner in ndo_start_xmit, a wren device does not."""
    pair = Pair()
    pair.sink()
    udp = pair.udp()
    namespace = Namespace()
    defer(namespace.close)
    namespace.run("ip link set lo up")
    subprocess.run(["modprobe", "-q", "tun"], check=False)
    with namespace.entered():
        tap = os.open("/dev/net/tun", os.O_RDWR)
        defer(os.close, tap)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
        namespace.run("ip link set tap0 up")
        loop = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(loop.close)
    loop.bind(("127.0.0.1", PORT))
    frames = packet_socket(namespace, "tap0")
    before = ledger().look().summary
    for _ in range(COUNT):
        udp.send(bytes(100))
        loop.sendto(bytes(100), ("127.0.0.1", PORT))
        frames.send(frame())
    ksft_true(eventually(lambda: not charged(udp)), "all have arrived")
    after = ledger().look().summary

    def more(kind, device):
        return after[kind].get(device, 0) - before[kind].get(device, 0)

    ksft_eq([more("early_orphans", device) for device in ("lo", "tap0")], [COUNT, COUNT])
    ksft_true(pair.A not in after["early_orphans"], "until the packet is on the wire")
    ksft_eq(more("orphaned", pair.A), COUNT)


def what_was_there_before_is_unknown():
    """Packets that were charged before it began are named so, and the sum is right."""
    pair = Pair()
    pair.sink()
    udp = pair.udp()
    pair.speed(0)
    for _ in range(COUNT):
        udp.send(bytes(100))
    ledger()
    udp.send(bytes(100))
    pair.speed(None)
    ksft_true(eventually(lambda: not charged(udp)), "all have arrived")
    look = ledger().look()
    row = look.row("sock_wfree")
    ksft_ge(row["began"], 1, "some had been charged before")
    ksft_eq(row["charged"], row["released"])
    ksft_eq((look.sum("missing"), look.sum("lost")), (0, 0))
    ksft_eq(look.summary["disagreements"], [])


def tells_a_person():
    """The tables are text, and the command's exit status is kept."""
    if not os.path.exists(BTF):
        raise KsftSkipEx("the kernel has no BTF")
    result = subprocess.run(
        [TOOL, "--by", "destructor", "sh", "-c", "ip -o link; exit 3"],
        capture_output=True,
        text=True,
        timeout=20 * LONG,
        check=False,
    )
    ksft_eq(result.returncode, 3)
    ksft_in("netlink_skb_destructor", result.stdout)
    ksft_in("charged ", result.stdout)
    ksft_eq(result.stderr, "")
    result = subprocess.run(
        [TOOL, "--destructor", "no_such_function"], capture_output=True, text=True, check=False
    )
    ksft_eq(result.returncode, 1)
    ksft_eq(result.stderr, "skb-ledger: the kernel has no function no_such_function\n")


def main():
    """Run them."""
    ksft_run(
        [
            # The first: it starts the ledger when there are packets already.
            what_was_there_before_is_unknown,
            what_waits_is_what_the_kernel_counts,
            what_was_charged_is_released,
            destructor_is_met,
            finds_who_waits_and_what_is_in_the_way,
            only_what_is_asked_for,
            names_who_orphans_early,
            tells_a_person,
        ]
    )
    if ledger.cache_info().currsize:
        ledger().end()
    ksft_exit()


if __name__ == "__main__":
    main()
