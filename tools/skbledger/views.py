# SPDX-License-Identifier: GPL-2.0
"""Shows the books: as tables, and as lines of JSON."""

import json

from . import program
from .destructors import CHARGED_TO

# Waiting for less than that is everybody's lot.
PATIENT = 0.1


def seconds(value):
    """A time with a unit."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1 or unit == "us":
            return f"{value * factor:.1f} {unit}"
    return ""


def table(headings, rows):
    """Lines of columns, numbers flush right."""
    cells = [headings, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [not rows or isinstance(cell, int) for cell in (rows[0] if rows else headings)]
    for row in cells:
        columns = zip(row, widths, right, strict=True)
        yield "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in columns).rstrip()


class Filter:
    """Which claims are asked for."""

    def __init__(self, older_than=0.0, socket=None, dev=None, pid=None):
        self.older_than, self.socket, self.dev, self.pid = older_than, socket, dev, pid

    def __call__(self, claim):
        sock = claim.socket
        return (
            claim.age >= self.older_than
            and (self.dev is None or claim.device == self.dev)
            and (self.pid is None or self.pid in (pid for pid, _ in sock.processes))
            and (
                self.socket is None
                or self.socket in (str(sock.inode), f"{sock.address:#x}", sock.kind)
            )
        )


def waiting(books):
    """Those who wait in send, each with what is in their way."""
    for wait in books.waits:
        if wait.seconds >= PATIENT:
            yield wait, [claim for claim in books.claims if claim.socket is wait.socket]


class Text:
    """Tables for a person."""

    def __init__(self, wanted, by, lines):
        self._wanted, self._by, self._lines = wanted, by, lines

    def begin(self, missing):
        """The probes are in."""
        print("skb-ledger: keeping the books; ^C ends it", flush=True)
        if missing:
            print(f"skb-ledger: not in this kernel: {', '.join(missing)}", flush=True)

    def look(self, books):
        """How things are."""
        claims = [claim for claim in books.claims if self._wanted(claim)]
        rows = [
            (
                f"{claim.packet:#x}",
                claim.bytes,
                seconds(claim.age),
                claim.destructor,
                claim.socket.name(),
                claim.socket.owner(),
                claim.holder,
            )
            for claim in claims[: self._lines]
        ]
        print()
        headings = ["PACKET", "BYTES", "AGE", "DESTRUCTOR", "SOCKET", "PROCESS", "HOLDER"]
        print("\n".join(table(headings, rows)))
        if len(claims) > len(rows):
            print(f"... and {len(claims) - len(rows)} more")
        if self._by:
            rows = [
                (*numbers[:2], seconds(numbers[2]), n)
                for n, numbers in books.totals(self._by).items()
            ]
            print()
            print("\n".join(table(["PACKETS", "BYTES", "OLDEST", self._by.upper()], rows)))
        for wait, claims in waiting(books):
            self._waiting(wait, claims)
        print(flush=True)

    @staticmethod
    def _waiting(wait, claims):
        total = sum(claim.bytes for claim in claims)
        print(
            f"\n{wait.process}[{wait.pid}] has been waiting in send for {seconds(wait.seconds)}: "
            f"its socket ({wait.socket.name()}) is charged with {total} bytes in {len(claims)} "
            "packets"
        )
        for holder in dict.fromkeys(claim.holder for claim in claims):
            mine = [claim for claim in claims if claim.holder == holder]
            print(
                f"  {len(mine)} of them, {sum(claim.bytes for claim in mine)} bytes, the oldest of "
                f"{seconds(mine[0].age)}: {holder}"
            )

    def end(self, books, complaint):
        """The summary."""
        total, rows = books.balance()
        held = books.held()
        print("What has become of what was charged, in packets:\n")
        print(
            "\n".join(
                table(
                    [
                        "CHARGED",
                        "RELEASED",
                        "HANDED ON",
                        "ALIVE",
                        "UNKNOWN",
                        "HELD",
                        "LONGEST",
                        "DESTRUCTOR",
                    ],
                    [
                        (
                            row["charged"],
                            row["released"],
                            row["handed"] + row["lost"],
                            row["alive"],
                            row["began"],
                            *map(seconds, held.get(name, (0, 0))),
                            name,
                        )
                        for name, row in rows.items()
                    ],
                )
            )
        )
        print(
            f"\ncharged {total['charged']} = released {total['released']} + handed on "
            f"{total['handed']} + alive {total['alive']}"
            + (f" + lost {total['lost']}" if total["lost"] else "")
            + (f" + missing {total['missing']}" if total["missing"] else "")
        )
        if total["began"]:
            print(
                f"{total['began']} of them unknown: charged before the ledger began, or seen at "
                "their end only"
            )
        if total["lost"]:
            print(f"{total['lost']} lost: the packet was charged again, and no end was seen")
        if total["missing"]:
            print("missing: the maps were full; --size makes them larger")
        for sock, (what, kernel, ledger) in books.disagreements():
            print(
                f"{sock.name()}, {sock.owner()}: the kernel has {kernel} bytes in the {what}, the "
                f"ledger {ledger}"
            )
        for device, count in sorted(books.ended(program.EARLY).items()):
            print(
                f"{device} orphans early: {count} packets lost their owner in ndo_start_xmit, "
                "so nothing holds their sender back"
            )
        if complaint:
            print(complaint)


class Lines:
    """A line of JSON for each thing."""

    def __init__(self, wanted, by, lines):
        self._wanted, self._by = wanted, by
        del lines

    @staticmethod
    def _say(kind, /, **fields):
        print(json.dumps({"type": kind, **fields}), flush=True)

    def begin(self, missing):
        """The probes are in."""
        self._say("ready", missing=missing)

    @staticmethod
    def _socket(sock):
        return {
            "socket": sock.name(),
            "inode": sock.inode,
            "kind": sock.kind,
            "processes": [{"pid": pid, "name": name} for pid, name in sock.processes],
            "owner": sock.owner(),
        }

    def _claim(self, claim):
        return {
            "packet": f"{claim.packet:#x}",
            "bytes": claim.bytes,
            "age": claim.age,
            "destructor": claim.destructor,
            "charged_to": claim.charged_to(),
            "place": program.PLACES.get(claim.place, "?"),
            "device": claim.device,
            "holder": claim.holder,
            "seen": claim.seen,
            **self._socket(claim.socket),
        }

    def look(self, books):
        """How things are."""
        for claim in filter(self._wanted, books.claims):
            self._say("claim", **self._claim(claim))
        for name, numbers in (books.totals(self._by) if self._by else {}).items():
            packets, count, oldest = numbers
            self._say("total", by=self._by, name=name, packets=packets, bytes=count, oldest=oldest)
        for wait, claims in waiting(books):
            self._say(
                "waiting",
                process=wait.process,
                pid=wait.pid,
                seconds=wait.seconds,
                packets=len(claims),
                bytes=sum(claim.bytes for claim in claims),
                holders=list(dict.fromkeys(claim.holder for claim in claims)),
                socket=wait.socket.name(),
            )

    def end(self, books, complaint):
        """The summary."""
        total, rows = books.balance()
        self._say(
            "summary",
            at=books.at,
            **total,
            bytes=books.bytes(),
            destructors=rows,
            held=books.held(),
            early_orphans=books.ended(program.EARLY),
            orphaned=books.ended(program.ORPHANED),
            freed=books.ended(program.FREED),
            sockets=[
                {
                    **self._socket(sock),
                    "kernel": {CHARGED_TO[kind]: n for kind, n in sock.kernel.items()},
                    "ledger": {CHARGED_TO[kind]: n for kind, n in sock.ledger.items()},
                }
                for sock in books.sockets.values()
            ],
            disagreements=[
                {**self._socket(sock), "counter": what, "kernel": kernel, "ledger": ledger}
                for sock, (what, kernel, ledger) in books.disagreements()
            ],
            complaint=complaint,
        )
