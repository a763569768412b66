# SPDX-License-Identifier: GPL-2.0
"""Suites: what is measured, how the figures are read, and what they may be."""

import fnmatch
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "scripts" / "bench.d"
RESULTS = ROOT / "build" / "bench"

# For the whole run of a machine, which takes one or two minutes if nobody else needs the CPU.
LIMIT = 1800

PROGRESS = "progress "

# What the parts that run in the machine print.
FIGURE = re.compile(r"^figure (\S+) (\w+) ([\d. ]+)$", re.MULTILINE)
SETUP = re.compile(r"^setup (.*)$", re.MULTILINE)


class BenchError(Exception):
    """Something that keeps a suite from being measured; its text is for a person."""


@dataclass
class Row:
    """What is measured, and how many times the reference our figure may be at most."""

    name: str
    title: str
    limit: float


@dataclass
class Measured:
    """What has come of a run: the kernel's release, {row: {column: figure}}, and under which
    conditions."""

    kernel: str
    figures: dict[str, dict[str, float]]
    setup: list[str] = field(default_factory=list)


@dataclass
class Suite:
    """One file of scripts/bench.d has one of these, by the name SUITE."""

    title: str
    unit: str
    columns: dict[str, str]  # Their headings by their names, in the order of the table
    reference: str  # Name of the column to compare with
    ours: str  # Name of our column
    rows: list[Row]
    # Modules of build/stock, in the order in which they are loaded before the command.
    modules: list[str]
    # Makes of the names of the rows a command for the shell of the VM; the working directory is the
    # checkout. What it prints after "progress " is shown at once and not part of its output.
    command: Callable[[list[str]], str]
    # Makes {row: {column: figure}} of the output. Our column and the reference have each row.
    read: Callable[[str], dict[str, dict[str, float]]]
    # Lines of the output that tell the conditions, for the table.
    setup: Callable[[str], list[str]] = lambda _: []
    # Programs in C, each a file of bench/, that the command finds in build/bench.
    programs: list[str] = field(default_factory=list)
    plot: bool = False  # Whether there is a picture of the kept table in Documentation
    name: str = field(default="", init=False)

    def select(self, patterns):
        """The names of the rows that --filter means: globs for "suite:row" or for the row; or,
        without wildcards, any part of "suite:row"."""
        globs = [p if any(c in p for c in "*?[") else f"*{p}*" for p in patterns or ["*"]]
        return [
            row.name
            for row in self.rows
            if any(
                fnmatch.fnmatchcase(name, glob)
                for name in (row.name, f"{self.name}:{row.name}")
                for glob in globs
            )
        ]


def read_figures(output):
    """Of lines "figure ROW COLUMN NUMBER...", the median of the numbers."""
    figures = {}
    for row, column, numbers in FIGURE.findall(output):
        figures.setdefault(row, {})[column] = median(float(number) for number in numbers.split())
    return figures


def read_setup(output):
    """The lines "setup TEXT"."""
    return SETUP.findall(output)


def names():
    """Of all suites there are."""
    return sorted(path.stem for path in SUITES.glob("*.py"))


def load(name):
    """The suite of that name."""
    path = SUITES / f"{name}.py"
    if not path.exists():
        raise BenchError(f"there is no suite {name}; there are: {', '.join(names())}")
    spec = importlib.util.spec_from_file_location(f"suite_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SUITE.name = name
    return module.SUITE


def build(program):
    """Compiles one for the machine, whose root is that of the toolchain."""
    command = [ROOT / "scripts/lab/enter", "gcc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall"]
    command += ["-Wextra", "-Werror", "-Iinclude/uapi"]
    command += ["-o", f"build/bench/{program}", f"bench/{program}.c"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchError(f"bench/{program}.c does not compile:\n{result.stderr}")


def show(text):
    """What is being done: one line that changes, if that is possible."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def run_machine(suite, script):
    """Runs a script in a VM that counts instructions, and returns its output."""
    command = [ROOT / "scripts/vm", "--icount", "--timeout", str(LIMIT)]
    command += ["--log", RESULTS / f"{suite.name}.vm", "--", script]
    output = []
    show(f"{suite.name}: booting")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                if line.startswith(PROGRESS):
                    show(f"{suite.name}: {line.removeprefix(PROGRESS).strip()}")
                else:
                    output.append(line)
        except BaseException:
            process.kill()
            raise
    show("")
    if process.returncode:
        raise BenchError(f"{suite.name}: the VM has failed and said:\n{''.join(output)}")
    return "".join(output)


def measure(suite, selected):
    """Boots a VM for the rows of these names."""
    missing = [name for name in suite.modules if not (ROOT / "build/stock" / f"{name}.ko").exists()]
    if missing:
        raise BenchError(f"build/stock has no {', '.join(missing)}: make bench builds them")
    for program in suite.programs:
        build(program)
    script = ["set -e", "echo kernel $(uname -r)"]
    script += [f"insmod build/stock/{name}.ko" for name in suite.modules]
    script += [suite.command(selected)]
    return understand(suite, selected, run_machine(suite, "\n".join(script)))


def understand(suite, selected, output):
    """Makes of what the machine has printed what was asked for."""
    first, _, output = output.partition("\n")
    figures = suite.read(output)
    needed = {suite.reference, suite.ours}
    lost = [name for name in selected if not needed <= figures.get(name, {}).keys()]
    if lost:
        raise BenchError(f"{suite.name}: no figures for {', '.join(lost)} in:\n{output}")
    figures = {name: figures[name] for name in selected}
    return Measured(first.removeprefix("kernel ").strip(), figures, suite.setup(output))
