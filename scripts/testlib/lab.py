# SPDX-License-Identifier: GPL-2.0
"""The test programs that need no machine: they look at sources, inside the lab."""

import subprocess
import time

from .programs import ROOT

# As selftests/run.sh: limits of time are for a quiet machine.
SLACK = 5


class Lab:
    """Runs programs of scripts/lab, against what was built for one kernel."""

    kernel = "lab"

    def __init__(self, flags_of, programs, directory, say):
        self.programs = programs
        self.out = directory
        self._flags_of = flags_of
        self._say = say
        self._status = {}

    def run(self):
        """One after the other; each uses all CPUs."""
        self.out.mkdir(parents=True, exist_ok=True)
        for program in self.programs:
            command = [
                ROOT / "scripts/lab/enter",
                "--kernel",
                self._flags_of,
                "--",
                f"scripts/lab/{program.name}",
                self._flags_of,
            ]
            for test in program.tests:
                command += ["-t", test]
            start = time.monotonic()
            with open(self.out / f"{program.name}.ktap", "w", encoding="utf-8") as file:
                try:
                    status = subprocess.run(
                        command,
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        timeout=SLACK * program.limit,
                        check=False,
                    ).returncode
                except subprocess.TimeoutExpired:
                    status = 124
            seconds = round(time.monotonic() - start)
            self._status[program.name] = (status, seconds)
            self._say(self.kernel, program.name, status, seconds)

    def program_status(self, name):
        """(exit status, seconds) of a program."""
        return self._status.get(name)
