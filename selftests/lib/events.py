# SPDX-License-Identifier: GPL-2.0
"""Tracepoints of the kernel, watched while a test runs."""

import os
import re
import subprocess

from wren import KsftSkipEx, defer

TRACEFS = "/sys/kernel/tracing"
FIELD = re.compile(r"(\w+)=(\S+)")
REASON = re.compile(r'\{ ?(\d+), ?"(\w+)" ?\}')


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def mount():
    """See to it that there is tracefs."""
    if not os.path.exists(f"{TRACEFS}/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=False)
    if not os.path.exists(f"{TRACEFS}/events"):
        raise KsftSkipEx("no tracefs")


# A packet goes up by way of GRO, or past it if it is alone.
RECEIVE = ("net/napi_gro_receive_entry", "net/netif_receive_skb_entry")


class Events:
    """The events of some tracepoints, from now until the test ends."""

    def __init__(self, events, condition):
        """events: like "net/net_dev_start_xmit"; condition: as in the file "filter"."""
        events = (events,) if isinstance(events, str) else events
        mount()
        self._instance = f"{TRACEFS}/instances/wren-{os.getpid()}-{events[0].replace('/', '-')}"
        os.mkdir(self._instance)
        defer(os.rmdir, self._instance)
        for event in events:
            _write(f"{self._instance}/events/{event}/filter", condition)
            enable = f"{self._instance}/events/{event}/enable"
            _write(enable, "1")
            defer(_write, enable, "0")

    def clear(self):
        """Forget what was seen."""
        _write(f"{self._instance}/trace", "")

    def seen(self):
        """Each event as a dictionary: what it prints as name=value."""
        with open(f"{self._instance}/trace", encoding="ascii") as file:
            lines = [line for line in file if not line.startswith("#")]
        return [dict(FIELD.findall(line)) for line in lines]

    def values(self, field):
        """The values of a field, numbers as numbers."""
        return [int(event[field], 0) for event in self.seen()]


class Drops(Events):
    """Packets of one EtherType that are dropped for a reason, like "DEV_READY"."""

    EVENT = "skb/kfree_skb"

    def __init__(self, ethertype, reason):
        mount()
        with open(f"{TRACEFS}/events/{self.EVENT}/format", encoding="ascii") as file:
            reasons = {name: number for number, name in REASON.findall(file.read())}
        super().__init__(self.EVENT, f"protocol == {ethertype} && reason == {reasons[reason]}")

    def count(self):
        """How many there were."""
        return len(self.seen())
