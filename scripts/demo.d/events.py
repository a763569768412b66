# SPDX-License-Identifier: GPL-2.0
"""Events of the running kernel: probes in tracefs, with the stack of each where it is wanted."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
INSTANCE = TRACING / "instances" / "wren"

# Name of the event, where it is, and what is read there. The kernel knows its own types.
SKB = "skb=skb:x64 truesize=skb->truesize:u32"
WMEM = "sk_wmem_alloc.refs.counter:s32"
PROBES = {
    "charge": ("skb_set_owner_w", f"{SKB} sk=sk:x64 w=sk->{WMEM}"),
    "xmit": ("dev_hard_start_xmit", "skb=first:x64 sk=first->sk:x64"),
    "release": ("sock_wfree", f"{SKB} sk=skb->sk:x64 w=skb->sk->{WMEM}"),
}

_LINE = re.compile(
    r"^\s*(?P<task>.*)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+(?P<time>[\d.]+): "
    r"(?P<name>\w+|<stack trace>):? ?(?P<text>.*)$"
)
_FIELD = re.compile(r"(\w+)=(\S+)")
_FRAME = re.compile(r"^ => (\S+)$")


@dataclass
class Event:
    """One event: when, on which CPU, what, its fields, and the functions it happened in."""

    time: float  # microseconds
    cpu: int
    name: str
    fields: dict
    stack: list = field(default_factory=list)

    def number(self, name):
        """A field as a number."""
        return int(self.fields[name], 0)

    def inside(self, part):
        """The innermost function with that in its name, readable, None if there is none."""
        return next((readable(function) for function in self.stack if part in function), None)


def readable(function):
    """A name of Rust's (mangling v0) as the path that a person wrote, without types."""
    function = function.split("+")[0]
    if not function.startswith("_R"):
        return function
    words, at = [], 2
    while at < len(function):
        if digits := re.match(r"\d+", function[at:]):
            at += digits.end()
            at += function[at : at + 1] == "_"
            words.append(function[at : at + int(digits.group())])
            at += int(digits.group())
        elif function[at] in "Bs" and "_" in function[at:]:
            # A reference back, or what tells two of the same name apart
            at = function.index("_", at) + 1
        else:
            at += 1
    crates = ("af_wren", "core", "kernel", "knet", "wren_nic")
    other = next((n for n, word in enumerate(words) if n and word in crates), len(words))
    if other < len(words):
        # function<Type>, or <Type as Trait>::method
        words = words[:other] if function.startswith("_RI") else [*words[:other], words[-1]]
    return "::".join(words) or function


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _append(path, text):
    # Mode "a" would look for the end of the file, which tracefs does not have.
    number = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(number, text.encode() + b"\n")
    finally:
        os.close(number)


class Trace:
    """Set up once, then started and stopped around what is to be seen."""

    def __init__(self):
        _write(TRACING / "kprobe_events", "")
        for name, (function, what) in PROBES.items():
            _append(TRACING / "kprobe_events", f"p:wren/{name} {function} {what}")
        INSTANCE.mkdir(exist_ok=True)
        _write(INSTANCE / "trace_clock", "mono")
        _write(INSTANCE / "buffer_size_kb", "2048")
        _write(INSTANCE / "events/wren/release/trigger", "stacktrace")

    def _enable(self, pid, on):
        conditions = {
            "wren/charge": f"common_pid=={pid}",
            "wren/xmit": "0",
            "wren/release": "0",
            "sched/sched_switch": f"prev_pid=={pid} || next_pid=={pid}",
            "sched/sched_waking": f"pid=={pid}",
        }
        for event, condition in conditions.items():
            if on:
                _write(INSTANCE / "events" / event / "filter", condition)
            _write(INSTANCE / "events" / event / "enable", "1" if on else "0")

    def start(self, pid):
        """From now on, with the steps of that process."""
        _write(INSTANCE / "trace", "")
        self._enable(pid, True)
        _write(INSTANCE / "tracing_on", "1")

    def stop(self, keep):
        """Until now: the events, in their order. All of it, as the kernel says it, goes to keep."""
        _write(INSTANCE / "tracing_on", "0")
        text = (INSTANCE / "trace").read_text(encoding="utf-8", errors="replace")
        Path(keep).write_text(text, encoding="utf-8")
        self._enable(0, False)
        events, last_on, stack = [], {}, []
        for line in text.splitlines():
            if frame := _FRAME.match(line):
                stack.append(frame[1])
            elif (match := _LINE.match(line)) and match["name"] == "<stack trace>":
                # It belongs to what this CPU has said before.
                stack = last_on[match["cpu"]].stack if match["cpu"] in last_on else []
            elif match:
                event = Event(
                    float(match["time"]) * 1e6,
                    int(match["cpu"]),
                    match["name"],
                    dict(_FIELD.findall(match["text"])),
                )
                last_on[match["cpu"]] = event
                events.append(event)
        return events

    def close(self):
        """Take the probes out again."""
        _write(INSTANCE / "events/wren/release/trigger", "!stacktrace")
        INSTANCE.rmdir()
        _write(TRACING / "kprobe_events", "")
