# SPDX-License-Identifier: GPL-2.0
"""Events of the running kernel: probes in tracefs, with the stack of each where it is wanted."""

import re
from dataclasses import dataclass, field
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
INSTANCE = TRACING / "instances" / "wren"

# Name of the event, where it is, and what is read there. The kernel knows its own types.
SKB = "skb=skb:x64 truesize=skb->truesize:u32"
WMEM = "sk_wmem_alloc.refs.counter:s32"
PROBES = {
    "ask": ("sock_alloc_send_pskb", f"w=sk->{WMEM}"),
    "charge": ("skb_set_owner_w", f"{SKB} sk=sk:x64 w=sk->{WMEM}"),
    "release": ("sock_wfree", f"{SKB} sk=skb->sk:x64 w=skb->sk->{WMEM}"),
}

_LINE = re.compile(
    r"^\s*(?P<task>.*)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+(?P<time>[\d.]+): "
    r"(?P<name>\w+): (?P<text>.*)$"
)
_FIELD = re.compile(r"(\w+)=(\S+)")
_FRAME = re.compile(r"^ => (?P<function>\S+)(?: \[(?P<module>\w+)\])?$")


@dataclass
class Event:
    """One event: when, who ran, what, its fields, and the functions below it."""

    time: float  # microseconds
    task: str
    pid: int
    cpu: int
    name: str
    fields: dict
    stack: list = field(default_factory=list)

    def number(self, name):
        """A field as a number."""
        return int(self.fields[name], 0)

    def frame_of(self, *modules):
        """The innermost function of one of these modules, readable, and the module."""
        for function, module in self.stack:
            if module in modules:
                return f"{readable(function)} [{module}]"
        return None


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
    ours = next((n for n, word in enumerate(words) if n and word in ("knet", "kernel")), len(words))
    if ours < len(words):
        # <Type as Trait>::method: the trait is somebody else's.
        words = [*words[:ours], words[-1]]
    return "::".join(words[1:]) or function


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _append(path, text):
    with open(path, "a", encoding="ascii") as file:
        file.write(text + "\n")


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
        switched = f"prev_pid=={pid} || next_pid=={pid}"
        filters = {
            "wren/ask": f"common_pid=={pid}",
            "wren/charge": f"common_pid=={pid}",
            "wren/release": "0",
            "net/net_dev_start_xmit": "0",
            "sched/sched_switch": switched,
            "sched/sched_waking": f"pid=={pid}",
        }
        for event, condition in filters.items():
            if on:
                _write(INSTANCE / "events" / event / "filter", condition)
            _write(INSTANCE / "events" / event / "enable", "1" if on else "0")

    def start(self, pid):
        """From now on, with the steps of that process."""
        _write(INSTANCE / "trace", "")
        self._enable(pid, True)
        _write(INSTANCE / "tracing_on", "1")

    def stop(self):
        """Until now: the events, in their order."""
        _write(INSTANCE / "tracing_on", "0")
        text = (INSTANCE / "trace").read_text(encoding="utf-8", errors="replace")
        self._enable(0, False)
        events = []
        for line in text.splitlines():
            if match := _LINE.match(line):
                fields = dict(_FIELD.findall(match["text"].replace("==>", "")))
                events.append(
                    Event(
                        float(match["time"]) * 1e6,
                        match["task"].strip(),
                        int(match["pid"]),
                        int(match["cpu"]),
                        match["name"],
                        fields,
                    )
                )
            elif events and (match := _FRAME.match(line)):
                events[-1].stack.append((match["function"], match["module"]))
        return events

    def close(self):
        """Take the probes out again."""
        _write(INSTANCE / "events/wren/release/trigger", "!stacktrace")
        INSTANCE.rmdir()
        _write(TRACING / "kprobe_events", "")
