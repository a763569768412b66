# SPDX-License-Identifier: GPL-2.0
"""
What a packet costs on a wren pair, and on what else there is: the part of the suite wren_nic that
runs inside the machine. A row is WORKLOAD-SIZE-QUEUES; see Documentation/bench.rst.

Each device stands between two namespaces that are the same for all of them, to the addresses, and
go when it has been measured. What is printed: "progress TEXT", "setup DEVICE TEXT", and
"figure ROW DEVICE NANOSECONDS...", one number for each repetition.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FLOWS = "build/bench/flows"
A, B = "bench-a", "bench-b"
DEVICE = "nic"
ADDRESS = {A: "192.0.2.1", B: "192.0.2.2"}
MAC = {A: "02:00:00:00:00:0a", B: "02:00:00:00:00:0b"}
MTU = 1500
# Both ends of what pktgen sends. Its packets meet a socket that nobody reads.
PORT = 9
REPETITIONS = 5
# Each finds its queue by a hash, so several are needed to have both queues used. The more there are
# the more often two of them meet in a hash table, which costs.
FLOWS_OF_QUEUES = {1: 1, 2: 4}

# Rounds of a repetition: enough for an interrupt more or less to make no difference.
ROUNDS = {"pktgen": 4000, "udp": 3000, "udp-rr": 1200, "tcp-rr": 800, "tcp": 40, "tcp-tso": 96}
MEGABYTE = 1 << 20


class Trouble(Exception):
    """What has been measured is not what was meant to be."""


@dataclass
class Row:
    """What is measured."""

    name: str
    workload: str
    size: int
    queues: int

    @property
    def tso(self):
        """Whether the device gets what it would have to segment."""
        return self.workload == "tcp-tso"


@dataclass
class Peer:
    """What is measured on: the type of the device, and whether the receiving end polls."""

    name: str
    kind: str
    gro: bool = False
    napi: bool = False
    qdisc: str | None = None  # None: the default one

    def fits(self, row):
        """Whether the device has that row."""
        if self.kind == "dummy":
            return row.workload == "pktgen"
        if self.kind == "loopback":
            return row.workload != "pktgen" and row.queues == 1
        # pktgen goes past the qdisc.
        return not self.qdisc or row.workload != "pktgen"


PEERS = [
    Peer("wren", "wren", gro=True, napi=True),
    Peer("noqueue", "wren", gro=True, napi=True, qdisc="noqueue"),
    Peer("veth_napi", "veth", gro=True, napi=True),
    Peer("veth", "veth"),
    Peer("floor", "dummy"),
    Peer("floor", "loopback"),
]


def run(*words, text=None):
    """A command, and what it has printed."""
    result = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Trouble(f"{' '.join(words)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def run_in(netns, *words):
    """As run(), in a namespace."""
    return run("ip", "netns", "exec", netns, *words)


def run_flows(command, rounds):
    """The nanoseconds of a round that flows prints, one figure for each repetition."""
    output = run(*command)
    figures, waits = zip(*(line.split() for line in output.splitlines()), strict=True)
    # Somebody who sleeps may leave the CPU idle, and then the clock leaps.
    if max(map(int, waits)) > rounds / 100:
        raise Trouble(f"{' '.join(command)}: the reader has slept {waits} times")
    return [float(figure) for figure in figures]


def ip(netns, *commands):
    """Commands for ip(8) in a namespace."""
    run("ip", "-n", netns, "-b", "-", text="\n".join(commands))


@contextlib.contextmanager
def inside(netns):
    """What is done within it is done in that namespace."""
    with open("/proc/self/ns/net", "rb") as before:
        with open(f"/run/netns/{netns}", "rb") as there:
            os.setns(there.fileno(), os.CLONE_NEWNET)
        try:
            yield
        finally:
            os.setns(before.fileno(), os.CLONE_NEWNET)


class Setting:
    """A device with so many queues between the two namespaces, or alone in the first of them."""

    def __init__(self, peer, queues):
        self.peer = peer
        self.queues = queues
        self.ends = [A, B] if peer.kind in ("wren", "veth") else [A]
        self.device = "lo" if peer.kind == "loopback" else DEVICE

    def __enter__(self):
        for netns in (A, B):
            run("ip", "netns", "add", netns)
            with inside(netns):
                for name in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        queues = f"numtxqueues {self.queues} numrxqueues {self.queues}"
        peer = f"peer name {DEVICE} netns {B} {queues}"
        ip(
            A,
            *{
                "wren": (
                    f"link add {DEVICE} {queues} type wren",
                    f"link set wren0 netns {B} name {DEVICE}",
                ),
                "veth": (f"link add {DEVICE} {queues} type veth {peer}",),
                "dummy": (f"link add {DEVICE} {queues} type dummy",),
                "loopback": (f"link set lo mtu {MTU}",),
            }[self.peer.kind],
        )
        for netns in self.ends:
            other = B if netns == A else A
            commands = [f"link set {self.device} up"]
            if self.device == DEVICE:
                commands += [
                    f"link set {DEVICE} address {MAC[netns]} mtu {MTU}",
                    f"addr add {ADDRESS[netns]}/24 dev {DEVICE}",
                    f"neigh add {ADDRESS[other]} lladdr {MAC[other]} nud permanent dev {DEVICE}",
                ]
            ip(netns, *commands)
            gro = "on" if self.peer.gro else "off"
            run_in(netns, "ethtool", "-K", self.device, "gro", gro)
            if self.peer.qdisc:
                run("tc", "-n", netns, "qdisc", "replace", "dev", DEVICE, "root", self.peer.qdisc)
        time.sleep(1)
        return self

    def __exit__(self, *_):
        for netns in (A, B):
            run("ip", "netns", "del", netns)
        # Namespaces end in the background.
        time.sleep(1)

    def set_tso(self, on):
        """veth does not poll what comes from a sender with TSO, so it is on only if asked for."""
        for netns in self.ends:
            run_in(netns, "ethtool", "-K", self.device, "tso", "on" if on else "off")

    def offloads(self):
        """Those that are on."""
        features = json.loads(run_in(A, "ethtool", "--json", "-k", self.device))[0]
        names = {
            "tx-checksumming": "tx checksum",
            "rx-checksumming": "rx checksum",
            "scatter-gather": "sg",
            "generic-segmentation-offload": "gso",
            "generic-receive-offload": "gro",
        }
        return [text for name, text in names.items() if features[name]["active"]]

    def qdisc(self):
        """The one of the device; those of its queues if it has several."""
        found = json.loads(run("tc", "-n", A, "-j", "qdisc", "show", "dev", self.device))
        kinds = dict.fromkeys(qdisc["kind"] for qdisc in found)
        return " of ".join(kinds)

    def polled(self):
        """Packets that the receiving end has polled, for each queue."""
        pattern = {
            "wren": r"rx_queue_\d+_packets: (\d+)",
            "veth": r"rx_queue_\d+_xdp_packets: (\d+)",
        }[self.peer.kind]
        found = re.findall(pattern, run_in(B, "ethtool", "-S", DEVICE))
        return [int(number) for number in found]

    def check_polled(self, row, before):
        """NAPI was used if it was meant to be, on all queues where the row says which."""
        polled = [n - b for n, b in zip(self.polled(), before, strict=True)]
        # veth goes without NAPI if the sender has TSO; wren always has NAPI.
        napi = self.peer.napi and not (row.tso and self.peer.kind == "veth")
        if bool(sum(polled)) != napi or (napi and row.workload == "pktgen" and not all(polled)):
            raise Trouble(f"{row.name}: {self.peer.name} has polled {polled} packets")

    def measure(self, row):
        """Nanoseconds of a round, one figure for each repetition."""
        pair = len(self.ends) == 2
        before = self.polled() if pair else []
        if row.workload == "pktgen":
            figures = self.pktgen(row)
        else:
            figures = self.flows(row)
        if pair:
            self.check_polled(row, before)
        return figures

    def flows(self, row):
        """With the program of that name."""
        protocol = row.workload.removesuffix("-tso")
        where = [f"/run/netns/{netns}" for netns in (self.ends * 2)[:2]]
        address = ADDRESS[B] if len(self.ends) == 2 else "127.0.0.1"
        rounds = ROUNDS[row.workload]
        numbers = [row.size, FLOWS_OF_QUEUES[row.queues], rounds, REPETITIONS]
        command = [FLOWS, protocol, *where, address, *map(str, numbers)]
        scale = MEGABYTE / row.size if protocol == "tcp" else 1
        return [figure * scale for figure in run_flows(command, rounds)]

    def pktgen(self, row):
        """With the kernel's packet generator."""
        count = ROUNDS[row.workload]
        sink = self.open_sink() if len(self.ends) == 2 else None
        with inside(A):
            base = Path("/proc/net/pktgen")
            (base / "kpktgend_0").write_text(f"add_device {DEVICE}")
            for line in (
                "flag !SHARED",
                "clone_skb 0",
                f"count {count}",
                f"pkt_size {row.size}",
                f"dst {ADDRESS[B]}",
                f"dst_mac {MAC[B]}",
                f"udp_src_min {PORT}",
                f"udp_src_max {PORT}",
                f"udp_dst_min {PORT}",
                f"udp_dst_max {PORT}",
                f"queue_map_max {row.queues - 1}",
            ):
                (base / DEVICE).write_text(line)
            figures = []
            dropped = 0
            for repetition in range(REPETITIONS + 1):
                if repetition == 1:
                    dropped = sink_drops() if sink else 0
                (base / "pgctrl").write_text("start")
                result = (base / DEVICE).read_text()
                found = re.search(r"Result: OK: \d+\(c(\d+)\+d\d+\) usec, (\d+) ", result)
                if not found or int(found[2]) != count or "errors: 0" not in result:
                    raise Trouble(f"{row.name}: {self.peer.name}: pktgen says {result}")
                figures.append(int(found[1]) * 1000 / count)
            (base / "kpktgend_0").write_text("rem_device_all")
        if sink:
            dropped = sink_drops() - dropped
            sink.close()
            if dropped != count * REPETITIONS:
                raise Trouble(f"{row.name}: {self.peer.name}: the socket has dropped {dropped}")
        # The first has filled the socket.
        return figures[1:]

    @staticmethod
    def open_sink():
        """A socket that is full after a few packets."""
        with inside(B):
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sink.bind((ADDRESS[B], PORT))
        return sink


def sink_drops():
    """Datagrams that full sockets of the second namespace have cost."""
    with inside(B):
        lines = Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    names, numbers = (line.split() for line in lines if line.startswith("Udp: "))
    return int(numbers[names.index("RcvbufErrors")])


def parse(name):
    """The row of that name."""
    workload, size, queues = name.rsplit("-", 2)
    return Row(name, workload, int(size), int(queues))


def settings(rows):
    """Each device with each number of queues, and what is measured with it."""
    for peer in PEERS:
        for queues in sorted({row.queues for row in rows}):
            mine = [row for row in rows if row.queues == queues and peer.fits(row)]
            if mine:
                yield peer, queues, mine


def main():
    """Prints the figures of the rows that are named."""
    rows = [parse(name) for name in sys.argv[1:]]
    plan = list(settings(rows))
    total, done = sum(len(mine) for _, _, mine in plan), 0
    if any(row.workload == "pktgen" for row in rows):
        run("modprobe", "pktgen")
    for peer, queues, mine in plan:
        with Setting(peer, queues) as setting:
            kind = f"{peer.kind}, {queues} queue{'s' if queues > 1 else ''}"
            print(
                f"setup {kind}: MTU {MTU}, qdisc {setting.qdisc()}, {', '.join(setting.offloads())}"
            )
            for row in mine:
                done += 1
                print(f"progress {done}/{total} {kind}: {row.name}", flush=True)
                setting.set_tso(row.tso)
                figures = " ".join(f"{figure:.2f}" for figure in setting.measure(row))
                print(f"figure {row.name} {peer.name} {figures}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"nic: {trouble}")
