# SPDX-License-Identifier: GPL-2.0
"""The test programs: which there are, which tests each has, and which of them were asked for."""

import fnmatch
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "selftests"


class TestError(Exception):
    """Something that keeps the tests from running; its text is for a person."""


@dataclass
class Program:
    """
    A program of selftests/suites, and its tests by the names that it prints. It runs on a kernel,
    or is one of scripts/lab. The limit is in seconds.
    """

    name: str
    kernels: str
    limit: int
    tests: list[str] = field(default_factory=list)

    def runs_on(self, kernel):
        """Whether it has anything to do there."""
        kernels = self.kernels.removesuffix("+")
        return kernels == kernel or (kernels == "all" and kernel != "lab")

    @property
    def takes_minutes(self):
        """Whether it is left out unless somebody asks for it."""
        return self.kernels.endswith("+")


def build(log):
    """Build the selftests in the toolchain root of the lab."""
    command = [ROOT / "scripts/lab/enter", "make", "-s", "-C", "selftests"]
    with open(log, "w", encoding="utf-8") as file:
        result = subprocess.run(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode:
        tail = Path(log).read_text(encoding="utf-8").strip().splitlines()[-15:]
        raise TestError("the selftests do not build:\n  " + "\n  ".join(tail))


def _list_c(output):
    """
    The harness prints columns: fixture, variant, test. Each test of a fixture runs for each of
    its variants.
    """
    names = []
    for block in "".join(line + "\n" for line in output.splitlines()[1:]).split("-" * 80 + "\n"):
        rows = [
            (line[:20].strip(), line[21:46].strip(), line[47:].strip())
            for line in block.splitlines()
        ]
        fixture = next((row[0] for row in rows if row[0]), "global")
        variants = [row[1] for row in rows if row[1]] or [""]
        tests = [row[2] for row in rows if row[2]]
        names += [
            ".".join(filter(None, (fixture, variant, test)))
            for variant in variants
            for test in tests
        ]
    return names


def _list_tests(name):
    """The tests of a program, in the order in which they run."""
    lab = ROOT / "scripts/lab" / name
    for file in (BUILT / name, BUILT / f"{name}.py", lab):
        if file.is_file():
            break
    else:
        raise TestError(f"selftests/suites names {name}, and there is no such program")
    env = dict(os.environ, PYTHONPATH=str(BUILT / "lib"), PYTHONDONTWRITEBYTECODE="1")
    command = ["python3", file, "-l"] if file.suffix == ".py" else [file, "-l"]
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    names = result.stdout.split() if file.suffix or file == lab else _list_c(result.stderr)
    if not names:
        raise TestError(f"{file} lists no tests: {result.stderr.strip()}")
    return names


def wanted(patterns, program, test):
    """
    Whether --filter means that test, or there is no --filter: a glob for "program:test", for the
    program or for the test; or, without wildcards, any part of "program:test".
    """
    full = f"{program}:{test}"
    for pattern in patterns:
        if not any(char in pattern for char in "*?["):
            if pattern in full:
                return True
        elif any(fnmatch.fnmatchcase(name, pattern) for name in (full, program, test)):
            return True
    return not patterns


def programs(patterns):
    """All programs with those of their tests that were asked for."""
    found = []
    for line in (BUILT / "suites").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        tests = [test for test in _list_tests(words[0]) if wanted(patterns, words[0], test)]
        if tests:
            found.append(Program(words[0], words[1], int(words[2]), tests))
    return found


def plan_argument(program):
    """What run.sh has to be told: the program, and the tests if not all of them are wanted."""
    if program.tests == _list_tests(program.name):
        return program.name
    return f"{program.name}:{','.join(program.tests)}"
