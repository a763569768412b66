# SPDX-License-Identifier: GPL-2.0
"""What the test programs share that run inside the lab: options, and KTAP."""

import argparse
import sys


class Skip(str):
    """Why a test was not run, in the place of what is wrong."""


def main(description, names, run):
    """
    Prints KTAP for what `run(kernel, names)` yields: (name, lines of what is wrong), nothing being
    wrong if there are none, or a `Skip`. Returns the exit status.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("kernel", nargs="?", choices=("stock", "debug"), default="stock")
    parser.add_argument("-l", action="store_true", help="list the tests and run nothing")
    parser.add_argument("-t", metavar="TEST", action="append", help="only this test")
    args = parser.parse_args()
    if args.l:
        print("\n".join(names))
        return 0
    selected = [name for name in names if not args.t or name in args.t]
    print(f"TAP version 13\n1..{len(selected)}", flush=True)
    status = 0
    for number, (name, problem) in enumerate(run(args.kernel, selected), 1):
        if isinstance(problem, Skip):
            print(f"ok {number} {name} # SKIP {problem}", flush=True)
            continue
        for line in problem:
            print(f"# {line}")
        status = 1 if problem else status
        print(f"{'not ok' if problem else 'ok'} {number} {name}", flush=True)
    sys.stdout.flush()
    return status
