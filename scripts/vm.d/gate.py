#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The kernel log gate: finds complaints of the kernel in the logs of a VM.

usage: gate.py LOG-DIRECTORY

Prints each complaint with what follows it in the log; exit status 1 if there is one.
"""

import pathlib
import re
import sys

COMPLAINT = re.compile(
    "|".join(
        [
            # Dead or dying
            r"Kernel panic",
            r"\bOops\b",
            r"general protection fault",
            r"stack segment:",
            r"double fault",
            r"unable to handle",
            r"invalid opcode:",
            # The kernel's own marks of a bug. "BUG" covers KASAN, scheduling while atomic, sleeping
            # function called from invalid context, smp_processor_id() in preemptible code, soft
            # lockups, slabs that are corrupt or not empty, pages in a bad state
            r"\bBUG\b",
            r"\bWARNING: ",
            r"cut here",
            r"\b(KASAN|UBSAN|KCSAN|KFENCE)\b",
            # Locking and RCU
            r"possible (circular|irq lock inversion|recursive) lock",
            r"inconsistent lock state",
            r"trying to register non-static key",
            r"DEBUG_LOCKS_WARN_ON",
            r"lockdep is turned off",
            r"turning off the locking correctness validator",
            r"[Ii]nvalid wait context",
            r"suspicious RCU usage",
            r"within RCU read-side critical section",
            r"rcu.*(detected|self-detected) (expedited )?stall|rcu_\w+ kthread (starved|timer)",
            r"blocked for more than \d+ seconds",
            r"\b(soft|hard) ?lockup\b",
            r"huh, entered softirq",
            # Memory and objects
            r"refcount_t:",
            # Not that it found no memory for its notes, which a test may cause.
            r"ref_tracker: (?!memory allocation failure)",
            r"ODEBUG:",
            r"list_(add|del) corruption",
            r"new suspected memory leaks",
            r"kmemleak: .*(disabled|Cannot)",
            r"[Uu]naligned",
            r"tried to init an initialized object",
            r"cannot create duplicate filename",
            # Networking
            r"unregister_netdevice: waiting for",
            r"skb_(over|under)_panic",
            r"NETDEV WATCHDOG",
            r"hw csum failure",
            r"leaked reference",
            r"Freeing alive|[Aa]ttempt to release (alive )?(inet )?socket",
            # Rust
            r"rust_kernel: panicked|panicked at",
        ]
    )
)

# What is no complaint of the kernel although it looks like one.
HARMLESS = re.compile(
    "|".join(
        [
            # A program in user space died of it.
            r"\btraps: \S+\[\d+\]",
            # A device whose queue a test has got stuck (selftests/wren_nic/wire.py).
            r"\bwren-late: NETDEV WATCHDOG",
            # Not for want of memory, but at boot: scripts/vm --light.
            r"^\[ *0\.\d+\] kmemleak: Kernel memory leak detector disabled",
            # What was asked for is repeated, whatever words are in it.
            r"[Cc]ommand line:",
        ]
    )
)

# A report goes on until one of these, or until it is as long as a report gets.
REPORT_ENDS = re.compile(r"---\[ end |^\S*\s*={20,}$|Kernel Offset|Rebooting in")
REPORT_LINES = 45


def read(path):
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def log_lines(directory):
    """The kernel's log once: what was left of a dead machine is only in the console's log."""
    lines = [line.rstrip() for line in read(directory / "dmesg.log")]
    console = [line.rstrip() for line in read(directory / "console.log")]
    seen = set(lines)
    return lines + [line for line in console if line not in seen]


def complaints(directory):
    """List of texts, one for each complaint."""
    found = []
    lines = log_lines(directory)
    at = 0
    while at < len(lines):
        if not COMPLAINT.search(lines[at]) or HARMLESS.search(lines[at]):
            at += 1
            continue
        end = at + 1
        while end < min(at + REPORT_LINES, len(lines)) and not REPORT_ENDS.search(lines[end]):
            end += 1
        found.append("\n".join(f"  | {line}" for line in lines[at : end + 1]))
        at = end + 1
    leaks = [line for line in read(directory / "kmemleak.log") if line.strip()]
    if leaks:
        found.append("\n".join(f"  | {line}" for line in leaks))
    return found


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    if not pathlib.Path(sys.argv[1]).is_dir():
        print(f"gate.py: {sys.argv[1]} is not a directory", file=sys.stderr)
        return 2
    found = complaints(pathlib.Path(sys.argv[1]))
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
