# SPDX-License-Identifier: GPL-2.0
"""The virtual machines that run the test programs of one kernel, and say how far they are."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from .programs import ROOT, TestError, plan_argument

# For the whole run of a machine; it is there to end one that hangs.
LIMIT = 3600
# So many at most, and one more if one of them is for what has to have everything: that one ends
# early. The debug kernel takes by far the longest.
MACHINES = {"stock": 1, "debug": 2}
# What a machine with the debug kernel is for: everything; only what has to have all that the kernel
# can look for, KUnit and what runs on no other kernel; or the rest, with a kernel that looks for
# less and is twice as fast.
ALL, FULL, LIGHT = range(3)
MODULES = ("knet", "wren_nic", "af_wren")


class Queue:
    """The programs of one kernel, which its machines take one after the other."""

    def __init__(self, programs):
        # What may take longest begins first, so that the machines end at the same time.
        self._waiting = sorted(programs, key=lambda program: -program.limit)
        self._lock = threading.Lock()

    def take(self, wanted):
        """The next one that is wanted, None if there is none."""
        with self._lock:
            for program in self._waiting:
                if wanted(program):
                    self._waiting.remove(program)
                    return program
        return None


class Machine(threading.Thread):
    """Boots the kernel, runs programs there, keeps what they wrote below its directory."""

    def __init__(self, kernel, number, queue, directory, say, role=ALL):
        name = kernel if number == 1 else f"{kernel}-{number}"
        super().__init__(name=name)
        self.kernel = kernel
        self.number = number
        self.role = role
        self.directory = Path(directory) / name
        self.out = self.directory / "tests"
        self.say = say
        self.programs = []
        self.status = None
        self.seconds = 0
        self._queue = queue
        self._process = None
        missing = [name for name in MODULES if not (self._modules() / f"{name}.ko").exists()]
        if missing:
            raise TestError(
                f"{self._modules()} has no {', '.join(name + '.ko' for name in missing)}: "
                f"build the modules for the {kernel} kernel first (make test does it)"
            )

    def _modules(self):
        return ROOT / "build" / self.kernel

    def _wants(self, program):
        """Whether it is for a machine like this one."""
        return self.role == ALL or program.runs_on("stock") == (self.role == LIGHT)

    def _command(self):
        # KUnit's tests run once.
        kunit = [] if self.number == 1 else ["--no-kunit"]
        light = ["--light"] if self.role == LIGHT else []
        return [
            ROOT / "scripts/vm",
            "--kernel",
            self.kernel,
            "--cpus",
            "2",
            "--timeout",
            str(LIMIT),
            "--log",
            self.directory,
            *light,
            "--",
            "/wren/build/selftests/run.sh",
            "--ko",
            f"/wren/build/{self.kernel}",
            "--out",
            "/out/tests",
            "--queue",
            "/out/queue",
            *kunit,
        ]

    def run(self):
        """The thread: one run of scripts/vm."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self._plan().mkdir(parents=True)
        start = time.monotonic()
        with (
            open(self.directory / "vm.log", "w", encoding="utf-8") as log,
            subprocess.Popen(
                self._command(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            self._process = process
            self._watch(process)
        self.seconds = round(time.monotonic() - start)
        self.status = process.returncode

    def _plan(self):
        return self.directory / "queue"

    def _next(self, number):
        """Tell the guest what to run as the next one, which is returned; None: it was the last."""
        program = self._queue.take(self._wants)
        if program:
            self.programs.append(program)
        # It must not see a file that is not written yet.
        draft = self._plan() / "draft"
        draft.write_text(plan_argument(program) if program else "", encoding="ascii")
        draft.rename(self._plan() / str(number))
        return program

    def _watch(self, process):
        """Give it one program after the other, and tell about each when it has ended."""
        number = 1
        program = self._next(number)
        while program:
            ended = process.poll() is not None
            status = self.program_status(program.name)
            if status:
                self.say(self.name, program.name, *status)
            if ended:
                # What is left is for the other machines.
                return
            if status:
                number += 1
                program = self._next(number)
            else:
                time.sleep(0.2)
        process.wait()

    def program_status(self, name):
        """(exit status, seconds) of a program, None as long as it has not ended."""
        try:
            status, seconds = (self.out / f"{name}.status").read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(status), int(seconds)

    def kill(self):
        """Switch it off, if it is running: scripts/vm and all that it started."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
