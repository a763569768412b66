# SPDX-License-Identifier: GPL-2.0
"""Tables: the figures of one suite, as text, as JSON and as reStructuredText."""

import json
from dataclasses import asdict, dataclass

from .suite import ROOT, BenchError

KEPT = ROOT / "bench" / "baseline"
PAGE = ROOT / "Documentation" / "bench.rst"

# Figures repeat more exactly than this, so what is beyond it has a cause.
NOISE = 0.01


@dataclass
class Line:
    """The figures of one row."""

    name: str
    title: str
    reference: float
    ours: float
    limit: float

    @property
    def ratio(self):
        """How many times the reference ours is."""
        return self.ours / self.reference

    @property
    def fails(self):
        """Whether that is too much."""
        return self.ratio > self.limit


class Table:
    """The figures of one suite on one kernel."""

    def __init__(self, suite, kernel, figures):
        self.suite = suite
        self.kernel = kernel
        self.lines = [
            Line(row.name, row.title, *(round(n, 2) for n in figures[row.name]), row.limit)
            for row in suite.rows
        ]
        self.kept = kept(suite)

    def failures(self):
        """The rows that are beyond their limit."""
        return [line for line in self.lines if line.fails]

    def change(self, line):
        """By how much our figure has grown since the last kept table, or None if it is new."""
        old = self.kept["rows"].get(line.name)
        return line.ours / old["ours"] - 1 if old else None

    def regressions(self):
        """The rows that cost more than in the last kept table."""
        return [line for line in self.lines if (self.change(line) or 0) > NOISE]

    def cells(self):
        """Headings and lines, as text."""
        head = ["", self.suite.reference, self.suite.ours, "ratio", "limit"]
        lines = [
            [
                line.title,
                f"{line.reference:.1f}",
                f"{line.ours:.1f}",
                f"{line.ratio:.3f}",
                f"{line.limit:.2f}",
            ]
            for line in self.lines
        ]
        return [head, *lines]

    def text(self):
        """For a person at a terminal."""
        head, *rows = self.cells()
        head.append("change")
        for line, row in zip(self.lines, rows, strict=True):
            change = self.change(line)
            note = "new" if change is None else f"{change:+.1%}"
            row.append(note + (" TOO MUCH" if line.fails else ""))
        caption = f"{self.suite.title}, {self.suite.unit}, Linux {self.kernel}"
        kept_on = self.kept["kernel"]
        if kept_on not in (None, self.kernel):
            caption += f" (kept: {kept_on})"
        return "\n".join([caption, "", *columns([head, *rows]), ""])

    def rst(self):
        """For the documentation."""
        head, *rows = self.cells()
        head[0] = "row"
        widths = column_widths([head, *rows])
        rule = " ".join("=" * width for width in widths)
        head, *rows = columns([head, *rows])
        caption = f"{self.suite.unit[0].upper()}{self.suite.unit[1:]}, Linux {self.kernel}:"
        return "\n".join(["", caption, "", rule, head, rule, *rows, rule, ""])

    def json(self):
        """For programs, and for the next comparison."""
        table = {
            "suite": self.suite.name,
            "title": self.suite.title,
            "unit": self.suite.unit,
            "kernel": self.kernel,
            "columns": {"reference": self.suite.reference, "ours": self.suite.ours},
            "rows": [asdict(line) | {"ratio": round(line.ratio, 4)} for line in self.lines],
        }
        return json.dumps(table, indent=2) + "\n"

    def write(self, directory):
        """Writes the files of a run."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.suite.name}.json").write_text(self.json(), encoding="utf-8")
        (directory / f"{self.suite.name}.txt").write_text(self.text(), encoding="utf-8")

    def keep(self):
        """Makes this the table that later ones are compared with, here and in the documentation."""
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{self.suite.name}.json").write_text(self.json(), encoding="utf-8")
        begin, end = f".. begin {self.suite.name}\n", f".. end {self.suite.name}\n"
        page = PAGE.read_text(encoding="utf-8")
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise BenchError(f"{PAGE.name} has no place for {self.suite.name}: {begin.strip()} ...")
        PAGE.write_text(before + begin + self.rst() + "\n" + end + after, encoding="utf-8")


def kept(suite):
    """The last kept table: on which kernel, and its rows by name."""
    path = KEPT / f"{suite.name}.json"
    if not path.exists():
        return {"kernel": None, "rows": {}}
    table = json.loads(path.read_text(encoding="utf-8"))
    return {"kernel": table["kernel"], "rows": {row["name"]: row for row in table["rows"]}}


def column_widths(rows):
    """Of each column, the longest cell."""
    return [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]


def columns(rows):
    """Lines of text: the first column flush left, figures flush right."""
    first, *others = column_widths(rows)
    return [
        " ".join(
            [row[0].ljust(first)]
            + [cell.rjust(width) for cell, width in zip(row[1:], others, strict=True)]
        ).rstrip()
        for row in rows
    ]
