# SPDX-License-Identifier: GPL-2.0
"""Runs a program with bpftrace and reads its maps."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import program

# Attaching and detaching dozens of probes takes an emulated machine some seconds.
PATIENCE = 120


def now():
    """The clock of bpftrace, in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class TraceError(Exception):
    """bpftrace could not do it; the text is for a person."""


def check():
    """What has to be there; raises TraceError with what to do."""
    if os.geteuid():
        raise TraceError("only root may look into the kernel: run it as root")
    if not shutil.which("bpftrace"):
        raise TraceError('there is no bpftrace: install the package "bpftrace" (0.23 or later)')
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        raise TraceError(
            "the kernel does not describe its types (/sys/kernel/btf/vmlinux): "
            "it needs CONFIG_DEBUG_INFO_BTF"
        )
    if not os.path.exists("/sys/kernel/tracing/available_filter_functions"):
        subprocess.run(["mount", "-t", "tracefs", "none", "/sys/kernel/tracing"], check=False)


class Run:
    """
    A program from when its probes are attached until stop(). It looks at an interval: it prints its
    maps, and then "look" and when it has begun.
    """

    def __init__(self, text, size=16384, on_look=None):
        """size: keys of a map; on_look(run): called at each look, with its maps in seen."""
        self.maps = {}
        self.seen = {}
        self.complaint = ""
        self.looked_at = 0
        self._on_look = on_look
        self._attached = threading.Event()
        # A file each: nobody reads what it complains about while it runs.
        self._text = tempfile.NamedTemporaryFile("w", suffix=".bt", encoding="utf-8")
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._text.write(text)
        self._text.flush()
        self._process = subprocess.Popen(
            ["bpftrace", "-f", "json", "-B", "line", self._text.name],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "BPFTRACE_MAX_MAP_KEYS": str(size), "LANG": "C.UTF-8"},
            # ^C is for us, who then stop it.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            while not self._attached.wait(0.1):
                if not self._reader.is_alive():
                    raise TraceError(f"bpftrace does not run:\n{self._said()}")
        except KeyboardInterrupt:
            self._process.send_signal(signal.SIGINT)
            raise

    def _said(self):
        self._process.wait()
        self._errors.seek(0)
        return self._errors.read().strip()

    def _read(self):
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            kind, data = event.get("type"), event.get("data")
            if kind in ("map", "stats"):
                self.maps.update({name.lstrip("@"): value for name, value in data.items()})
            elif kind == "printf" and data.startswith("look "):
                # bpftrace says that it has attached its probes before it does so; but it begins to
                # read what they print only when they are all there.
                self._attached.set()
                self.seen, self.maps = self.maps, {}
                self.looked_at = int(data.split()[1])
                if self._on_look:
                    self._on_look(self)
            elif kind == "lost_events":
                self.complaint = f"{data['events']} events were lost"

    def stop(self):
        """
        Take the probes out. Returns the maps as they were then, with those that only a look brings
        up to date from a last look.
        """
        # One that is on its way may be an old one.
        begin = now()
        while self.looked_at < begin and self._reader.is_alive():
            time.sleep(0.1)
        self._on_look = None
        self.maps = {}
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise TraceError("bpftrace does not end") from None
        self._reader.join()
        if self._process.returncode:
            raise TraceError(f"bpftrace has failed with {self._process.returncode}: {self._said()}")
        return {**self.maps, **{name: self.seen.get(name, {}) for name in program.LOOKED}}
