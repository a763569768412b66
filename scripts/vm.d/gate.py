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
            r"kernel BUG at",
            # The kernel's own marks of a bug. "BUG:" covers KASAN, scheduling while atomic, sleeping
            # function called from invalid context, smp_processor_id() in preemptible code, soft
            # lockups, reports of page tables and of workqueues
            r"\bBUG\b",
            r"\bWARNING: ",
            r"\bKASAN\b",
            r"\bUBSAN\b",
            r"\bKCSAN\b",
            r"\bKFENCE\b",
            r"cut here",
            # Locking and RCU
            r"possible (circular|irq lock inversion|recursive) lock",
            r"inconsistent lock state",
            r"suspicious RCU usage",
            r"(SOFTIRQ|HARDIRQ)-safe",
            r"Invalid wait context",
            r"held lock freed",
            r"turning off the locking correctness validator",
            r"rcu:? .*detected stalls?",
            r"self-detected stall",
            r"rcu_(preempt|sched|tasks\w*) .*(stall|kthread starved)",
            r"blocked for more than \d+ seconds",
            r"\b(soft|hard) ?lockup\b",
            # Memory and objects
            r"refcount_t:",
            r"ref_tracker: .*(leaked|users)",
            r"ODEBUG:",
            r"list_(add|del) corruption",
            r"slab.*(corrupt|overwritten)|Objects remaining",
            r"kmemleak: .*new suspected memory leaks",
            r"kmemleak: .*(disabled|Kernel memory leak detector)",
            r"[Uu]naligned",
            r"percpu ref .*<= 0",
            # Networking
            r"unregister_netdevice: waiting for",
            r"skb_(over|under)_panic",
            r"NETDEV WATCHDOG",
            r"hw csum failure",
            r"leaked reference",
            # A panic of Rust code
            r"rust_kernel: panicked|panicked at",
        ]
    )
)

# What a healthy kernel says under emulation. Each line with its reason.
HARMLESS = re.compile(
    "|".join(
        [
            # An emulated CPU that the host did not schedule looks like a clock that went wrong.
            r"clocksource:",
            # kmemleak says that it works.
            r"kmemleak: (Kernel memory leak detector initialized|Automatic memory scanning)",
            # The command line, and the names of what can be found, are printed at boot.
            r"Command line:",
            r"Kernel command line:",
            r"^\S* *kasan: KernelAddressSanitizer initialized",
            r"debug_check|RCU lockdep checking is enabled|Lock dependency validator",
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
