# SPDX-License-Identifier: GPL-2.0
"""Suites: what is measured, how the figures are read, and what they may be."""

import importlib.util
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "scripts" / "bench.d"
RESULTS = ROOT / "build" / "bench"

# For the whole run of a machine; counting instructions is slow.
LIMIT = 580


class BenchError(Exception):
    """Something that keeps a suite from being measured; its text is for a person."""


@dataclass
class Row:
    """What is measured, against what, and how many times the latter it may be at most."""

    name: str
    title: str
    limit: float


@dataclass
class Suite:
    """One file of scripts/bench.d has one of these, by the name SUITE."""

    title: str
    unit: str
    reference: str  # Heading of the column to compare with
    ours: str  # Heading of our column
    rows: list[Row]
    # Modules of build/stock, in the order in which they are loaded before the command.
    modules: list[str]
    # For the shell of the VM; the working directory is the checkout.
    command: str
    # Makes {row: (reference, ours)} of what the command has printed.
    read: Callable[[str], dict[str, tuple[float, float]]]
    name: str = field(default="", init=False)


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


def measure(suite):
    """Boots a VM that counts instructions. Returns the kernel's release and the figures."""
    missing = [name for name in suite.modules if not (ROOT / "build/stock" / f"{name}.ko").exists()]
    if missing:
        raise BenchError(f"build/stock has no {', '.join(missing)}: make bench builds them")
    script = ["set -e", "echo kernel $(uname -r)"]
    script += [f"insmod build/stock/{name}.ko" for name in suite.modules]
    script += [suite.command]
    command = [ROOT / "scripts/vm", "--icount", "--timeout", str(LIMIT)]
    command += ["--log", RESULTS / f"{suite.name}.vm", "--", "\n".join(script)]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise BenchError(f"{suite.name}: the VM has failed and said:\n{result.stdout}")
    first, _, output = result.stdout.partition("\n")
    figures = suite.read(output)
    lost = [row.name for row in suite.rows if row.name not in figures]
    if lost:
        raise BenchError(f"{suite.name}: no figures for {', '.join(lost)} in:\n{output}")
    return first.removeprefix("kernel ").strip(), figures
