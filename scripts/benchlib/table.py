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
    """The figures of one row, by column, and ours by the reference."""

    name: str
    title: str
    figures: dict[str, float]
    ratio: float
    limit: float

    @property
    def fails(self):
        """Whether ours is too much."""
        return self.ratio > self.limit


class Table:
    """What was measured of one suite, and the last kept table, if there is one."""

    def __init__(self, suite, measured, kept=None):
        self.suite = suite
        self.kernel = measured.kernel
        self.setup = measured.setup
        self.lines = [
            self._line(row, measured.figures[row.name])
            for row in suite.rows
            if row.name in measured.figures
        ]
        self._kept = kept
        self._old = {row["name"]: row for row in kept["rows"]} if kept else {}

    def _line(self, row, figures):
        ratio = round(figures[self.suite.ours] / figures[self.suite.reference], 4)
        rounded = {name: round(figure, 2) for name, figure in figures.items()}
        return Line(row.name, row.title, rounded, ratio, row.limit)

    def change(self, line):
        """By how much our figure has grown since the last kept table, or None if it is new."""
        old = self._old.get(line.name)
        ours = self.suite.ours
        return line.figures[ours] / old["figures"][ours] - 1 if old else None

    def beyond(self):
        """What is beyond its limit, as sentences."""
        heading = self.suite.columns[self.suite.reference]
        return [
            f"{line.title}: {line.ratio:.3f} of {heading} is more than {line.limit:.2f}"
            for line in self.lines
            if line.fails
        ]

    def regressions(self):
        """What costs more than in the last kept table, as sentences."""
        return [
            f"{line.title}: {self.change(line):+.1%} against the last kept table"
            for line in self.lines
            if (self.change(line) or 0) > NOISE
        ]

    def lost(self):
        """What the last kept table has and the suite has no more, as sentences."""
        rows = {row.name for row in self.suite.rows}
        return [
            f"{old['title']}: is in the last kept table, and nothing measures it any more"
            for name, old in self._old.items()
            if name not in rows
        ]

    def comparable(self):
        """Whether the last kept table is of this kernel: if not, a change says nothing of ours."""
        return not self._kept or self._kept["kernel"] == self.kernel

    def notes(self):
        """What a reader of the changes has to know, as sentences."""
        notes = []
        if not self._kept:
            notes.append("there is no kept table to compare with")
        elif not self.comparable():
            notes.append(
                f"the last kept table is of Linux {self._kept['kernel']}; changes are not judged"
            )
        elif [text for text in self.setup if text not in self._kept["setup"]]:
            notes.append("the last kept table was measured in another setup")
        return notes

    def verdict(self, keep=False):
        """Whether all is well, and what there is to say, as sentences. What is to be kept need not
        be like what was kept before."""
        beyond = self.beyond()
        changes = [] if keep else self.regressions() + self.lost()
        well = not beyond and not (changes and self.comparable())
        return well, self.notes() + beyond + changes

    def cells(self):
        """Headings and lines, as text."""
        columns = self.suite.columns
        head = ["", *columns.values(), "ratio", "limit"]
        lines = [
            [
                line.title,
                *(f"{line.figures[name]:.1f}" if name in line.figures else "-" for name in columns),
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
        return "\n".join([caption, "", *columns([head, *rows]), "", *self.setup, ""])

    def rst(self):
        """For the documentation."""
        head, *rows = self.cells()
        head[0] = "row"
        widths = column_widths([head, *rows])
        rule = " ".join("=" * width for width in widths)
        head, *rows = columns([head, *rows])
        caption = f"{self.suite.unit[0].upper()}{self.suite.unit[1:]}, Linux {self.kernel}:"
        setup = ["", "::", "", *(f"    {text}" for text in self.setup)] if self.setup else []
        return "\n".join(["", caption, "", rule, head, rule, *rows, rule, *setup, ""])

    def json(self):
        """For programs, and for the next comparison."""
        table = {
            "suite": self.suite.name,
            "title": self.suite.title,
            "unit": self.suite.unit,
            "kernel": self.kernel,
            "setup": self.setup,
            "columns": self.suite.columns,
            "reference": self.suite.reference,
            "ours": self.suite.ours,
            "rows": [asdict(line) for line in self.lines],
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
        kept_file(self.suite.name).write_text(self.json(), encoding="utf-8")
        begin, end = f".. begin {self.suite.name}\n", f".. end {self.suite.name}\n"
        page = PAGE.read_text(encoding="utf-8")
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise BenchError(f"{PAGE.name} has no place for {self.suite.name}: {begin.strip()} ...")
        PAGE.write_text(before + begin + self.rst() + "\n" + end + after, encoding="utf-8")


def kept_file(name):
    """Where the last kept table of a suite is, if there is one."""
    return KEPT / f"{name}.json"


def last_kept(name):
    """The last kept table of a suite as Table.json() has written it, or None."""
    path = kept_file(name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


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
