#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The fuzzers, inside the VM: runs them in turn, each with new seeds. See scripts/fuzz."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "selftests" / "fuzz"
MODULES = ("knet", "wren_nic", "af_wren")
KUNIT = pathlib.Path("/sys/module/kunit/parameters/filter_glob")
DROPS = pathlib.Path("/sys/kernel/debug/knet/implicit_drops")

# Seconds of one program, before it is the other one's turn
SLICE = 15
# The test of a program that asks for new seeds
TESTS = {
    "receive": "receive.what_arrives_is_what_the_model_says",
    "calls": "calls.none_hangs_or_surprises",
}
# What a program tells of itself
DONE = re.compile(r"(\d+) (rounds|runs), seeds from (\d+)")


def load(modules):
    """All modules, without KUnit."""
    if KUNIT.exists():
        KUNIT.write_text("none", encoding="ascii")
    for module in MODULES:
        subprocess.run(["insmod", f"{modules}/{module}.ko"], check=True)


def unload():
    """All modules, which must not be in use any more. Returns what is wrong, or nothing."""
    drops = DROPS.read_text(encoding="ascii").strip()
    if drops != "0":
        return f"{drops} packets were forgotten by their owners"
    for module in reversed(MODULES):
        result = subprocess.run(["rmmod", module], capture_output=True, text=True, check=False)
        if result.returncode:
            return f"rmmod {module}: {result.stderr}"
    return ""


def run(program, seed, **settings):
    """Runs a program from a seed on. Returns how many seeds it has tried, or None if it failed."""
    values = {f"WREN_{key.upper()}": str(value) for key, value in settings.items()}
    result = subprocess.run(
        [BUILT / program, "-r", TESTS[program]],
        env=os.environ | values | {"WREN_SEED": str(seed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    done = DONE.search(result.stdout)
    if result.returncode or not done:
        print(f"{program}: FAILED\n{result.stdout}", flush=True)
        return None
    print(f"{program}: {done[1]} {done[2]}, seeds from {seed}", flush=True)
    return int(done[1])


def fuzz(programs, args):
    """Whether all went well."""
    if args.count:
        return all(run(program, args.seed, count=args.count) is not None for program in programs)
    seeds = dict.fromkeys(programs, args.seed)
    end = time.monotonic() + args.seconds
    while (left := end - time.monotonic()) > 0:
        for program in programs:
            seconds = max(1, min(SLICE, int(left / len(programs))))
            count = run(program, seeds[program], seconds=seconds, count=1)
            if count is None:
                return False
            seeds[program] += count
    return True


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--program", choices=TESTS)
    parser.add_argument("modules", help="where knet.ko, wren_nic.ko and af_wren.ko are")
    args = parser.parse_args()
    load(args.modules)
    programs = [args.program] if args.program else list(TESTS)
    if not fuzz(programs, args):
        return 1
    problem = unload()
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
