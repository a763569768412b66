#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The soak, inside the VM: starts the jobs, tells how far it is, and compares memory. See
scripts/soak."""

import argparse
import os
import pathlib
import socket
import subprocess
import sys
import time

import memory
import rtnl
from wren import charged, eventually

JOBS = pathlib.Path(__file__).with_name("jobs.py")
MODULES = ("knet", "wren_nic", "af_wren")
DROPS = pathlib.Path("/sys/kernel/debug/knet/implicit_drops")
KUNIT = pathlib.Path("/sys/module/kunit/parameters/filter_glob")


# Seconds of one job; a mix that has gone wrong is then short enough to be looked at.
SLICE = 20
# Those that take as long as they are told
TIMED = ("mix", "churn", "stress")
# A job that takes so many seconds more hangs: a debug kernel on a busy emulator takes its time.
PATIENCE = 600
# Pairs that are made and deleted in a soak of ten minutes or more, and how often the modules
# are unloaded and loaded
PAIRS, RELOADS = 1000, 20
# Pairs that one job makes
BATCH = 50


class Soak:
    """What is under way and what has gone wrong."""

    def __init__(self, args):
        self.modules, self.seconds, self.seed = args.modules, args.seconds, args.seed
        self.started = time.monotonic()
        self.problems = []
        self.done = {}

    def say(self, text):
        """A line with the time."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        print(f"{minutes:3}:{seconds:02}  {text}", flush=True)

    def problem(self, text):
        """The soak has failed; it goes on, because more may be wrong."""
        self.problems.append(text)
        self.say(f"FAILED: {text}")

    def start(self, job, **settings):
        """A job in a process of its own."""
        values = {f"WREN_{key.upper()}": str(value) for key, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-B", JOBS, "-t", job],
            env=os.environ | values,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + settings.get("seconds", 0) + PATIENCE
        return process, job, settings, deadline

    def finish(self, process, job, settings, deadline):
        """Waits for it and tells what came of it."""
        name = " ".join([job, *(f"{key} {value}" for key, value in settings.items())])
        try:
            output, _ = process.communicate(timeout=max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.problem(f"{name} hangs:\n{stacks(process.pid)}")
            os.killpg(process.pid, 9)
            process.communicate()
            return
        self.done[job] = self.done.get(job, 0) + settings.get("count", 1)
        if process.returncode:
            self.problem(f"{name}:\n{output}")
            return
        notes = [line[2:] for line in output.splitlines() if line.startswith("# ")]
        self.say(f"{name}: {notes[0] if notes else 'done'}")

    def load(self):
        """All modules; without KUnit, which has its own time."""
        if KUNIT.exists():
            KUNIT.write_text("none", encoding="ascii")
        for module in MODULES:
            subprocess.run(["insmod", f"{self.modules}/{module}.ko"], check=True)

    def unload(self):
        """All modules, which must not be in use when nobody uses them any more."""
        drops = DROPS.read_text(encoding="ascii").strip()
        if drops != "0":
            self.problem(f"{drops} packets were forgotten by their owners")
        for module in reversed(MODULES):
            for _ in range(100):
                result = subprocess.run(["rmmod", module], capture_output=True, check=False)
                if not result.returncode:
                    break
                time.sleep(0.1)
            else:
                self.problem(f"rmmod {module}: {result.stderr.decode()}")

    def traffic(self, seconds):
        """Mixes, dying namespaces and sockets side by side, with new seeds again and again, while
        pairs are made and deleted."""
        end = time.monotonic() + seconds
        pairs = max(PAIRS * min(seconds, 600) // 600, BATCH)
        while (left := end - time.monotonic()) > 0:
            length = max(min(SLICE, int(left)), 5)
            jobs = [self.start(job, seed=self.seed, seconds=length) for job in TIMED]
            if self.done.get("cycles", 0) < pairs:
                jobs.append(self.start("cycles", seed=self.seed, count=BATCH))
            for job in jobs:
                self.finish(*job)
            self.seed += 1
        while (left := pairs - self.done.get("cycles", 0)) > 0 and not self.problems:
            self.finish(*self.start("cycles", seed=self.seed, count=min(left, 4 * BATCH)))
            self.seed += 1

    def unload_with_packets_in_a_ring(self):
        """A wire stands still with packets in its ring, which have to go with the module."""
        rtnl.add("soak-a", {rtnl.IFLA_IFNAME: "soak-b"})
        for name in ("soak-a", "soak-b"):
            rtnl.change(name, up=True)
        subprocess.run("ethtool -s soak-a speed 0 duplex full autoneg off".split(), check=True)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("soak-a", 0))
            for _ in range(50):
                sock.send(bytes(100))
            self.unload()
            if not eventually(lambda: charged(sock) == 0):
                self.problem("a sender is still charged although the module is gone")

    def reload(self, count):
        """Unloads and loads the modules."""
        for n in range(count):
            if n % 2:
                self.unload_with_packets_in_a_ring()
            else:
                self.unload()
            self.load()
        self.done["reloads"] = self.done.get("reloads", 0) + count
        self.say(f"all modules unloaded and loaded, {count} times")

    def run(self):
        """All of it. Returns the exit status."""
        self.load()
        # Whatever is made once and kept, caches and pools, is there after this.
        self.say("warming up")
        self.traffic(2 * SLICE)
        self.reload(2)
        before = memory.settled()
        self.done = {}
        self.say(f"measured: {before}")
        self.traffic(self.seconds)
        self.reload(max(RELOADS * min(self.seconds, 600) // 600, 2))
        after = memory.settled()
        self.say(f"measured: {after}")
        for text in memory.growth(before, after, self.done.get("cycles", 0)):
            self.problem(text)
        self.unload()
        for text in leftovers():
            self.problem(text)
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.done.items()))
        self.say(f"{done}; {len(self.problems)} problems")
        return 1 if self.problems else 0


def processes():
    """(process, its state) for all that there are."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield entry, text.rpartition(")")[2].split()[0]


def stacks(leader):
    """Where the processes of a session are in the kernel."""
    found = []
    for entry, state in processes():
        try:
            if os.getsid(int(entry.name)) == leader:
                command = (entry / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
                stack = (entry / "stack").read_text(encoding="ascii")
                found.append(f"{entry.name} {state} {command}\n{stack}")
        except (FileNotFoundError, ProcessLookupError):
            pass
    return "\n".join(found)


def leftovers():
    """Processes that wait for something that does not come, as texts."""
    waiting = {entry for entry, state in processes() if state == "D"}
    time.sleep(5)
    waiting &= {entry for entry, state in processes() if state == "D"}
    for entry in waiting:
        name = (entry / "comm").read_text(encoding="ascii").strip()
        yield f"{name} ({entry.name}) cannot be interrupted:\n{(entry / 'stack').read_text()}"


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("modules", help="where knet.ko, wren_nic.ko and af_wren.ko are")
    return Soak(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
