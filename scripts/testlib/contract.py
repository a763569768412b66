# SPDX-License-Identifier: GPL-2.0
"""
The contract: which of the statements of Documentation/contract.rst the tests have proved. A test
belongs to a statement if its name begins with the number, as c46_pollers_wake does.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from .programs import ROOT, TestError

PAGE = ROOT / "Documentation/contract.rst"
SOURCES = ("rust", "drivers", "samples", "selftests")
STATEMENT = re.compile(r"C(\d+)\. (.+)")
# Where a test is defined, in the languages that tests are written in.
DEFINED = re.compile(
    r"""^\s*(?:pub\ )?(?:fn|def)\ (c\d+_\w+)
      | ^TEST(?:_F)?\((?:\w+,\s*)?(c\d+_\w+)\)""",
    re.VERBOSE,
)


@dataclass
class Statement:
    """One statement: its number, what it says in short, and its tests with their results."""

    number: int
    text: str
    tests: dict[str, list[str]] = field(default_factory=dict)

    def result(self):
        """One word for all of its tests."""
        outcomes = {outcome for results in self.tests.values() for outcome, _ in results}
        for word in ("failed", "passed", "skipped"):
            if word in outcomes:
                return word
        return "not run" if self.tests else "no test"


def read_page():
    """The groups of the page: [(title, [Statement])]."""
    groups = []
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and below == "=" * len(line):
            groups.append((line, []))
        elif match := STATEMENT.fullmatch(line):
            groups[-1][1].append(Statement(int(match[1]), match[2]))
    return [(title, statements) for title, statements in groups if statements]


def number_of(test):
    """The number of the statement that a test belongs to, None if it belongs to none."""
    match = re.match(r"c(\d+)_", test)
    return int(match[1]) if match else None


def defined_tests():
    """The names of all tests that belong to a statement."""
    names = set()
    for directory in SOURCES:
        for path in sorted((ROOT / directory).rglob("*")):
            if path.suffix not in (".rs", ".c", ".py"):
                continue
            for line in path.read_text(encoding="utf-8").splitlines():
                if match := DEFINED.match(line):
                    names.add(next(filter(None, match.groups())))
    return names


def collect(suites):
    """The groups of the page with the tests that there are and what became of them."""
    groups = read_page()
    statements = {one.number: one for _, group in groups for one in group}
    results = defaultdict(list)
    for suite in suites:
        for case in suite.cases:
            # In front there may be a fixture and a variant.
            test = case.name.rsplit(".", 1)[-1]
            results[test].append((case.outcome, f"{suite.kernel} {suite.name}"))
    for test in sorted({*defined_tests(), *(name for name in results if number_of(name))}):
        statement = statements.get(number_of(test))
        if not statement:
            raise TestError(f"{test} proves a statement that {PAGE.name} does not have")
        statement.tests[test] = results[test]
    return groups


def table(groups, with_tests=False):
    """
    One line for each statement, with how many of its tests have run, below it its tests if they are
    wanted; at the end a sum.
    """
    counts = defaultdict(int)
    for title, statements in groups:
        yield title
        for one in statements:
            counts[one.result()] += 1
            ran = f"{sum(map(bool, one.tests.values()))}/{len(one.tests)}" if one.tests else ""
            yield f"  C{one.number:<3} {one.result():8} {ran:>4}  {one.text}"
            for test, results in one.tests.items() if with_tests else ():
                yield f"{'':16}{test}"
                for outcome, where in results or [("not run", "")]:
                    yield f"{'':18}{outcome} {where}".rstrip()
    yield ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
