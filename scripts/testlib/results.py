# SPDX-License-Identifier: GPL-2.0
"""
Results: KTAP read with the kernel's own parser, made into a tree, a table for a person and JUnit
for machines. A test that was planned and has no result has failed.
"""

import importlib
import itertools
import sys
import xml.etree.ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .programs import BUILT, TestError, wanted

# The suite that is about the run itself.
RUN = "run"


def parser():
    """The kernel's KTAP parser, which was put beside the selftests when they were built."""
    path = str(BUILT / "ktap")
    if path not in sys.path:
        sys.path.insert(0, path)
    names = ("kunit_parser", "kunit_printer", "kunit_junit")
    try:
        return tuple(importlib.import_module(name) for name in names)
    except ImportError as error:
        raise TestError(f"the kernel's KTAP parser is not in {path}: {error}") from error


@dataclass
class Case:
    """One test: how it ended, and what it said."""

    name: str
    outcome: str  # passed, failed or skipped
    log: list[str] = field(default_factory=list)


@dataclass
class Suite:
    """The tests of one program or of one KUnit suite on one kernel."""

    kernel: str
    name: str
    source: Path  # the file that tells more
    seconds: int | None = None
    cases: list[Case] = field(default_factory=list)

    def count(self, outcome):
        """How many of its tests ended so."""
        return sum(case.outcome == outcome for case in self.cases)

    def fail(self, name, *log):
        """A failure that no test reports of itself."""
        self.cases.append(Case(name, "failed", list(log)))


def read_ktap(path):
    """The tests of a file, as (name, outcome, log). What it does not tell is not made up."""
    kunit_parser, kunit_printer, _ = parser()
    with open(path, encoding="utf-8", errors="replace") as file:
        top = kunit_parser.parse_run_tests(file, kunit_printer.null_printer)
    outcomes = {
        kunit_parser.TestStatus.SUCCESS: "passed",
        kunit_parser.TestStatus.SKIPPED: "skipped",
    }
    cases = []

    def walk(test, path):
        if test.subtests:
            for sub in test.subtests:
                walk(sub, [*path, test.name])
            # A suite may fail although its tests do not, in its init or exit for one.
            inner_ok = all(sub.ok_status() for sub in test.subtests)
            if inner_ok and test.status == kunit_parser.TestStatus.FAILURE:
                cases.append(Case(".".join([*path[1:], test.name]), "failed", test.log))
            return
        name = ".".join([*path[2:], test.name]) if test.name else "(a planned test did not run)"
        log = list(test.log)
        if test.skip_reason:
            log.append(f"skipped: {test.skip_reason}")
        cases.append(Case(name, outcomes.get(test.status, "failed"), log))

    if top.status == kunit_parser.TestStatus.FAILURE_TO_PARSE_TESTS:
        return []
    for test in top.subtests:
        walk(test, [top.name])
    return cases


def program_suite(machine, program):
    """What a selftest program reported, and what it failed to report."""
    path = machine.out / f"{program.name}.ktap"
    status = machine.program_status(program.name)
    suite = Suite(machine.kernel, program.name, path, status[1] if status else None)
    prefix = program.name.rsplit("/", 1)[-1] + "."
    reported = Counter()
    for case in read_ktap(path) if path.exists() else []:
        if case.name not in program.tests:
            # The kernel's ksft.py puts the name of the file in front.
            case.name = case.name.removeprefix(prefix)
        reported[case.name] += 1
        suite.cases.append(case)

    missing = [test for test in program.tests if not reported[test]]
    if status is None:
        missing = missing or ["(end of the program)"]
        why = "the machine ended before the program did"
    elif status[0] in (124, 137):
        missing = missing or ["(end of the program)"]
        why = f"the program was ended after {status[1]} s, its limit"
    else:
        why = f"the program ended with status {status[0]} and no result for it"
        if status[0] and not suite.count("failed") and not missing:
            missing = ["(exit status)"]
    # The parser has seen that tests are missing; here is which.
    suite.cases = [case for case in suite.cases if case.name != "(a planned test did not run)"]
    for name in missing:
        suite.fail(name, why)
    return suite


def kunit_suites(machine, patterns):
    """The KUnit suites, which ran when the modules were loaded."""
    suites = []
    for path in sorted((machine.out / "kunit").glob("*.ktap")):
        suite = Suite(machine.kernel, f"kunit/{path.stem}", path, cases=read_ktap(path))
        if not suite.cases:
            suite.fail("(no result)", "the suite has no readable result")
        suite.cases = [case for case in suite.cases if wanted(patterns, suite.name, case.name)]
        suites.append(suite)
    if not suites:
        suite = Suite(machine.kernel, "kunit", machine.directory / "vm.log")
        suite.fail("(no suite)", "no KUnit suite has run: is KUnit in that kernel?")
        suites.append(suite)
    return [suite for suite in suites if suite.cases]


def machine_suite(machine):
    """The run as a whole: what run.sh checked, and what scripts/vm says about the kernel's log."""
    path = machine.out / "run.ktap"
    log = machine.directory / "vm.log"
    # The second machine of a kernel has checks of its own.
    name = RUN if machine.number == 1 else f"{RUN}-{machine.number}"
    suite = Suite(machine.kernel, name, log, machine.seconds)
    suite.cases = read_ktap(path) if path.exists() else []
    checks_failed = suite.count("failed")
    expected = len(machine.programs) + 3
    if len(suite.cases) < expected:
        suite.fail("(end of the run)", f"{len(suite.cases)} of {expected} checks were made")
    # run.sh ends with 1 if one of its checks has failed, else 0; all else is scripts/vm's.
    clean = machine.status == 0 or (machine.status == 1 and checks_failed)
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
    suite.cases.append(
        Case(
            "kernel_log",
            "passed" if clean else "failed",
            [] if clean else [f"scripts/vm ended with status {machine.status}", *tail],
        )
    )
    return suite


def write_junit(suites, path):
    """One file for all, by the kernel's own writer."""
    kunit_parser, _, kunit_junit = parser()
    states = {
        "passed": kunit_parser.TestStatus.SUCCESS,
        "failed": kunit_parser.TestStatus.FAILURE,
        "skipped": kunit_parser.TestStatus.SKIPPED,
    }

    def node(name, children):
        test = kunit_parser.Test()
        test.name = name
        test.subtests = children
        for child in children:
            test.counts.add_subtest_counts(child.counts)
        test.status = test.counts.get_status()
        return test

    def leaf(case):
        test = kunit_parser.Test()
        test.name, test.status, test.log = case.name, states[case.outcome], case.log
        test.counts.add_status(test.status)
        return test

    kernels = sorted({suite.kernel for suite in suites})
    tree = node(
        "wren",
        [
            node(
                kernel,
                [
                    node(suite.name, [leaf(case) for case in suite.cases])
                    for suite in suites
                    if suite.kernel == kernel and suite.cases
                ],
            )
            for kernel in kernels
        ],
    )
    kunit_junit.write_junit_result(tree, str(path))


def read_junit(path):
    """The suites as write_junit() has written them, without what they said."""
    words = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    suites = []
    for kernel in xml.etree.ElementTree.parse(path).getroot().iterfind("testsuite"):
        for node in kernel.iterfind("testsuite"):
            suite = Suite(kernel.get("name"), node.get("name"), path)
            for case in node.iterfind("testcase"):
                ended = [word for tag, word in words.items() if case.find(tag) is not None]
                suite.cases.append(Case(case.get("name"), *(ended or ["passed"])))
            suites.append(suite)
    return suites


def print_report(suites, relative):
    """The table, and below it what failed; returns (passed, failed, skipped)."""
    print(f"\n{'kernel':7}{'suite':34}{'passed':>7}{'failed':>7}{'skipped':>8}{'seconds':>8}")
    for suite in suites:
        counts = [suite.count(outcome) for outcome in ("passed", "failed", "skipped")]
        seconds = "" if suite.seconds is None else suite.seconds
        print(
            f"{suite.kernel:7}{suite.name:34}{counts[0]:7}{counts[1] or '':>7}"
            f"{counts[2] or '':>8}{seconds:>8}"
        )
    for suite in suites:
        failed = [case for case in suite.cases if case.outcome == "failed"]
        # Tests that did not run all have the same to say.
        for log, group in itertools.groupby(failed, key=lambda case: case.log):
            names = [case.name for case in group]
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            print(f"\nFAILED {suite.kernel} {suite.name}:{names[0]}{more}")
            for line in log[-25:]:
                print(f"    {line.rstrip()[:160]}")
            if suite.source.exists():
                print(f"    all of it: {relative(suite.source)}")
    skipped = Counter(
        (case.log[-1] if case.log else "skipped")
        for suite in suites
        for case in suite.cases
        if case.outcome == "skipped"
    )
    for reason, count in skipped.items():
        print(f"\n{count} {reason}")
    return tuple(
        sum(suite.count(outcome) for suite in suites) for outcome in ("passed", "failed", "skipped")
    )
