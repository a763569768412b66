# SPDX-License-Identifier: GPL-2.0
"""What the ledger has found: claims, sockets, who waits, and the balance."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from . import owners, program
from .destructors import CHARGED_TO, KIND_MASK, OPTION, RECEIVE, SEND

WORD = (1 << 64) - 1
UDP, UDPLITE = 17, 136
COUNTERS = {SEND: "send", RECEIVE: "receive", OPTION: "option"}


def _record(names, values):
    return dict(zip(names, values, strict=True))


def _number(key):
    return int(key) & WORD


@dataclass
class Socket:
    """A socket, and what it is charged with: by the ledger, and as the kernel counts."""

    address: int
    kind: str = "unknown"
    inode: int = 0
    udp: bool = False
    processes: list = field(default_factory=list)
    sender: str = ""
    ledger: Counter = field(default_factory=Counter)
    kernel: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)

    def owner(self):
        """The processes that have it open, or who has sent last, or nobody."""
        if self.processes:
            return ", ".join(f"{name}[{pid}]" for pid, name in self.processes)
        if self.sender:
            return f"closed (was {self.sender})"
        return "kernel" if self.kind != "unknown" and not self.inode else "closed"

    def name(self):
        """What tells it from others."""
        return f"{self.kind} {self.inode or f'{self.address:#x}'}"

    def differences(self):
        """
        Of each counter that the ledger cannot explain: (counter, the kernel's, the ledger's). What
        was charged before the ledger began may still be there.
        """
        found = []
        for kind in (SEND, RECEIVE, OPTION):
            if kind not in self.kernel:
                continue
            more = self.kernel[kind] - self.ledger[kind]
            if not 0 <= more <= max(self.before[kind], 0):
                found.append((CHARGED_TO[kind], self.kernel[kind], self.ledger[kind]))
        return found


@dataclass
class Claim:
    """A packet that a socket is charged with, or that holds it."""

    packet: int
    kind: int
    age: float
    socket: Socket
    destructor: str
    bytes: int
    place: int
    device: str
    holder: str
    seen: float

    def charged_to(self):
        """What it is charged to."""
        return CHARGED_TO[self.kind]


@dataclass
class Wait:
    """A thread that waits for room in a send buffer."""

    thread: int
    process: str
    pid: int
    seconds: float
    socket: Socket


class Books:
    """The maps of the program, made readable."""

    def __init__(self, maps, symbols, at):
        """at: when they were looked at, by the clock of bpftrace."""
        self._maps = maps
        self._symbols = symbols
        self.at = at
        self.devices = {
            _number(key): _record(program.DEVICE_FIELDS, value)
            for key, value in self._map("dev").items()
        }
        self._qdiscs = self._map("qdisc")
        self.sockets = self._read_sockets()
        self.claims, self.silent = [], Counter()
        # Bytes by which packets have changed since they were seen last
        self.grown = 0
        self._read_claims()
        self.waits = [
            self._wait(int(thread), _record(program.SENDING, value))
            for thread, value in self._map("sending").items()
        ]

    def _map(self, name):
        value = self._maps.get(name, {})
        return value if isinstance(value, dict) else {}

    def _scalar(self, name):
        value = self._maps.get(name, 0)
        return value if isinstance(value, int) else 0

    def counts(self, name):
        """A map that counts by destructor."""
        return Counter(
            {self._symbols.name(_number(key)): value for key, value in self._map(name).items()}
        )

    def _read_sockets(self):
        processes = owners.processes()
        senders = self._map("sender")
        kernel = self._map("kernel")
        found = {}
        names = self._map("names")
        for key, value in self._map("sock").items():
            address = _number(key)
            fields = _record(program.SOCK, value)
            sock = found[address] = Socket(address)
            if key in names:
                name = _record(program.NAMES, names[key])
                sock.kind = owners.kind_of(name["family"], name["type"], name["protocol"])
                sock.inode = name["inode"]
                sock.processes = processes.get(sock.inode, [])
                sock.udp = name["family"] in owners.INET and name["protocol"] in (UDP, UDPLITE)
            if key in senders:
                sender = _record(program.SENDER, senders[key])
                sock.sender = f"{sender['comm']}[{sender['pid']}]"
            sock.before = {kind: fields[name] for kind, name in COUNTERS.items()}
            if fields["kind"] in COUNTERS:
                sock.before[fields["kind"]] -= fields["own"]
            if key in kernel:
                counters = _record(program.KERNEL, kernel[key])
                # One of its memory is for its references.
                bias = 1 if counters["references"] > 0 else 0
                sock.kernel = {SEND: counters["send"] - bias, OPTION: counters["option"]}
                # UDP counts what is in its receive queue by itself.
                if not sock.udp:
                    sock.kernel[RECEIVE] = counters["receive"]
        return found

    def socket(self, address):
        """That of an address, one that nothing is known of if need be."""
        return self.sockets.setdefault(address, Socket(address))

    def device(self, address):
        """Its name."""
        return self.devices.get(address, {}).get("name", f"{address:#x}")

    def _holder(self, place, where, queue):
        """(device, text)"""
        if place == program.DEVICE:
            return self.device(where), f"device {self.device(where)} queue {queue}"
        if place == program.QDISC:
            kind = self._qdiscs.get(f"{where},{queue}", "")
            return self.device(where), f"qdisc {kind} of {self.device(where)} queue {queue}"
        if place == program.INPUT:
            return self.device(where), f"input of {self.device(where)}"
        if place in (program.QUEUE, program.ERRORS):
            return "", f"{program.PLACES[place]} of {self.socket(where).name()}"
        return "", program.PLACES.get(place, "?")

    def _read_claims(self):
        current = self._map("now")
        for key, value in self._map("claim").items():
            claim = _record(program.CLAIM, [number & WORD for number in value])
            # A packet that was written down after the look is as it was written down.
            state = _record(
                program.NOW,
                [number & WORD for number in current[key]]
                if key in current
                else [claim[name] for name in program.NOW],
            )
            if not state["destructor"] or state["sk"] != claim["sk"]:
                self.silent[self._symbols.name(claim["destructor"])] += 1
                continue
            sock = self.socket(claim["sk"])
            kind = _number(key) & KIND_MASK
            device, holder = self._holder(claim["place"], claim["where"], state["queue"])
            sock.ledger[kind] += state["truesize"]
            self.grown += state["truesize"] - claim["truesize"]
            self.claims.append(
                Claim(
                    _number(key) & ~KIND_MASK,
                    kind,
                    max(self.at - claim["since"], 0) / 1e9,
                    sock,
                    self._symbols.name(state["destructor"]),
                    state["truesize"],
                    claim["place"],
                    device,
                    holder,
                    max(self.at - claim["seen"], 0) / 1e9,
                )
            )
        self.claims.sort(key=lambda claim: -claim.age)

    def _wait(self, thread, fields):
        return Wait(
            thread,
            fields["comm"],
            fields["pid"],
            max(self.at - fields["since"], 0) / 1e9,
            self.socket(_number(fields["sk"])),
        )

    def ended(self, how):
        """How often a claim ended so while a device had the packet: {device: times}."""
        found = Counter()
        for key, count in self._map("ended").items():
            why, place, where = map(_number, key.split(","))
            if why == how and place in (program.DEVICE, program.INPUT):
                found[self.device(where)] += count
        return found

    def held(self):
        """How long packets were charged, in seconds: {destructor: (mean, longest)}."""
        longest = self._map("longest")
        return {
            self._symbols.name(_number(key)): (
                value["average"] / 1e9,
                longest.get(key, 0) / 1e9,
            )
            for key, value in self._map("held").items()
        }

    def balance(self):
        """
        Of each destructor and in sum: what was charged, and what has become of it. "missing" is
        what is in none of the others; "began" is in "charged" and "released": it was charged before
        the ledger has begun, or was seen at its end only.
        """
        charged, unknown = self.counts("charged"), self.counts("unknown")
        charged["sock_rfree"] -= self._scalar("refused")
        rows = {
            "charged": charged + unknown,
            "began": unknown,
            "released": self.counts("released") + unknown,
            "handed": self.counts("handed"),
            "lost": self.counts("lost") + self.silent,
            "alive": Counter(claim.destructor for claim in self.claims),
        }
        total = {name: sum(counts.values()) for name, counts in rows.items()}
        total["missing"] = total["charged"] - sum(
            total[name] for name in ("released", "handed", "lost", "alive")
        )
        names = sorted(set().union(*rows.values()))
        return total, {name: {row: rows[row][name] for row in rows} for name in names}

    def bytes(self):
        """The same in bytes: charged, changed meanwhile, released."""
        return {
            "charged": sum(self.counts("charged_bytes").values())
            - self._scalar("refused_bytes")
            + sum(self.counts("unknown_bytes").values()),
            "changed": sum(self.counts("changed").values()) + self.grown,
            "released": sum(self.counts("released_bytes").values())
            + sum(self.counts("unknown_bytes").values()),
            "handed": sum(self.counts("handed_bytes").values()),
            "alive": sum(claim.bytes for claim in self.claims),
        }

    def disagreements(self):
        """Sockets whose counters the ledger cannot explain."""
        return [
            (sock, difference)
            for sock in self.sockets.values()
            for difference in sock.differences()
        ]

    def totals(self, by):
        """Claims in groups: {name: (packets, bytes, oldest)}, the largest first."""
        groups = defaultdict(lambda: [0, 0, 0.0])
        for claim in self.claims:
            group = groups[GROUPS[by](claim)]
            group[0] += 1
            group[1] += claim.bytes
            group[2] = max(group[2], claim.age)
        return dict(sorted(groups.items(), key=lambda item: -item[1][1]))


def _decade(claim):
    for limit in (0.001, 0.01, 0.1, 1, 10, 100):
        if claim.age < limit:
            return f"below {limit:g} s"
    return "100 s and more"


GROUPS = {
    "socket": lambda claim: claim.socket.name(),
    "process": lambda claim: claim.socket.owner(),
    "device": lambda claim: claim.device or "none",
    "destructor": lambda claim: claim.destructor,
    "age": _decade,
}
