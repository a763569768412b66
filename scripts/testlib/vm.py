# SPDX-License-Identifier: GPL-2.0
"""One virtual machine that runs a list of test programs, and says how far it is."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from .programs import ROOT, TestError, plan_argument

# For the whole run of a machine; it is there to end one that hangs.
LIMIT = {"stock": 700, "debug": 1500}
MODULES = ("knet", "wren_nic", "af_wren")


class Machine(threading.Thread):
    """Boots the kernel, runs the programs there, keeps what they wrote below its directory."""

    def __init__(self, kernel, programs, directory, say):
        super().__init__(name=kernel)
        self.kernel = kernel
        self.programs = programs
        self.directory = Path(directory)
        self.out = self.directory / "tests"
        self.say = say
        self.status = None
        self.seconds = 0
        self._process = None
        missing = [name for name in MODULES if not (self._modules() / f"{name}.ko").exists()]
        if missing:
            raise TestError(
                f"{self._modules()} has no {', '.join(name + '.ko' for name in missing)}: "
                f"build the modules for the {kernel} kernel first (make test does it)"
            )

    def _modules(self):
        return ROOT / "build" / self.kernel

    def _command(self):
        plan = [plan_argument(program) for program in self.programs] or ["--load-only"]
        return [
            ROOT / "scripts/vm",
            "--kernel",
            self.kernel,
            "--cpus",
            "2",
            "--timeout",
            str(LIMIT[self.kernel]),
            "--log",
            self.directory,
            "--",
            "/wren/build/selftests/run.sh",
            "--ko",
            f"/wren/build/{self.kernel}",
            "--out",
            "/out/tests",
            *plan,
        ]

    def run(self):
        """The thread: one run of scripts/vm."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
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

    def _watch(self, process):
        """Tell about each program when it has ended."""
        waiting = list(self.programs)
        while waiting:
            ended = process.poll() is not None
            for program in list(waiting):
                status = self.program_status(program.name)
                if status:
                    waiting.remove(program)
                    self.say(self.kernel, program.name, *status)
            if ended:
                return
            time.sleep(0.3)
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
