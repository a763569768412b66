# SPDX-License-Identifier: GPL-2.0
"""
The demo, inside the machine: a sender with a small send buffer on a slow wire. It shows where the
sender's bytes are, the sender asleep, and the chain of events that wakes it. All figures are read
from the running kernel.
"""

import os
import signal
import sys
import textwrap
import time

from events import Trace
from wires import PAYLOAD, PORT, VirtioWire, WrenWire, run

MODULES = ("knet", "wren_nic", "af_wren")
WIDTH = 100
FRAME = 14 + 12 + PAYLOAD
BAR = 36


def heading(text):
    """A line across the page."""
    print(f"\n\033[1m━━ {text} {'━' * (WIDTH - 4 - len(text))}\033[0m\n", flush=True)


def explain(text):
    """A paragraph that says what is seen."""
    print(textwrap.fill(" ".join(text.split()), WIDTH), end="\n\n", flush=True)


def wait_for(condition, seconds, what):
    """Until it holds; the demo has failed if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"demo: it does not happen that {what}")
        time.sleep(0.01)


class Writer:
    """A process that sends, one datagram after the other, for ever."""

    def __init__(self, sock, mac):
        self.pid = os.fork()
        if not self.pid:
            payload = bytes(PAYLOAD)
            while True:
                sock.send(payload, mac)

    def state(self):
        """The letter of ps: S sleeps, R runs."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(") ", 1)[1][0]

    def where(self):
        """The function of the kernel that it sleeps in."""
        with open(f"/proc/{self.pid}/wchan", encoding="ascii") as file:
            return file.read()

    def stack(self):
        """Its stack in the kernel, innermost first."""
        with open(f"/proc/{self.pid}/stack", encoding="ascii") as file:
            return [line.split("] ", 1)[1].split("+")[0] for line in file if "] " in line]

    def sleeps(self):
        """In the send buffer's queue, and not on its way there."""
        return self.state() == "S" and "sock_" in self.where()

    def kill(self):
        """End it, asleep or not."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def show_where_bytes_are(wire, sock, writer, sndbuf):
    """The table of who has how much."""
    kind, queued, backlog = wire.qdisc()
    inflight = wire.inflight()
    outq = sock.outq()
    packets = inflight // FRAME + queued
    each = outq // packets if packets else 0
    ring = inflight // FRAME
    print(
        f"  {'where the bytes sit':44}{'packets':>9}{'on the wire':>14}{'of memory':>12}   read from"
    )
    rows = (
        (
            f"transmit ring of {wire.names[0]} ({wire.driver})",
            ring,
            inflight,
            ring * each,
            "byte_queue_limits/inflight",
        ),
        (f"qdisc in front of it ({kind})", queued, backlog, queued * each, "tc -s qdisc"),
    )
    for what, count, wire_bytes, memory, source in rows:
        print(f"  {what:44}{count:9}{wire_bytes:14}{memory:12}   {source}")
    print(f"  {'charged to the socket':44}{packets:9}{'':14}{outq:12}   SIOCOUTQ")
    print(f"  {'its send buffer':44}{'':9}{'':14}{sndbuf:12}   SO_SNDBUF\n")
    print(f"  the writer, process {writer.pid}: state {writer.state()}, in the kernel at")
    print("    " + " < ".join(writer.stack()[:6]) + "\n", flush=True)
    return each


def bar(w, sndbuf):
    """W as a bar; | marks half of the send buffer, where writers are woken."""
    scale = BAR / (sndbuf * 1.15)
    length, half = round(w * scale), round(sndbuf / 2 * scale)
    cells = ["█" if n < length else " " for n in range(BAR)]
    cells[half] = "▌" if half < length else "|"
    return "".join(cells)


def asleep_to_awake(events, pid):
    """The events from one going to sleep to the writer's next packet, the last such round."""
    woken = [n for n, e in enumerate(events) if e.name == "sched_waking"]
    for wake in reversed(woken):
        asleep = [
            n
            for n in range(wake)
            if events[n].name == "sched_switch" and events[n].fields.get("prev_pid") == str(pid)
        ]
        after = [n for n in range(wake, len(events)) if events[n].name == "charge"]
        if asleep and after:
            return events[asleep[-1] : after[0] + 1]
    sys.exit("demo: the writer was not woken while it was watched")


def describe(event, pid, sndbuf, modules):
    """(who, what, W after it) of an event, None for one that tells nothing here."""
    if event.name == "sched_switch":
        if event.fields.get("prev_pid") == str(pid):
            return "writer", f"goes to sleep (state {event.fields['prev_state']})", None
        return "writer", f"runs again on CPU {event.cpu}", None
    if event.name == "sched_waking":
        return "kernel", "write space: wakes the writer", None
    if event.name == "charge":
        truesize = event.number("truesize")
        return "writer", f"charges its next packet, {truesize} bytes", event.number("w") + truesize
    if event.name == "release":
        left = event.number("w") - event.number("truesize")
        place = event.frame_of(*modules) or "freed"
        who = "below half" if left < sndbuf / 2 else "still above"
        return "device", f"{place}: orphan, {who}", left
    return None


def show_timeline(events, pid, sndbuf, modules):
    """What happened between falling asleep and waking up, and how much memory was charged."""
    sock = next(e.fields["sk"] for e in events if e.name == "charge")
    events = [e for e in events if e.name != "release" or e.fields["sk"] == sock]
    round_ = asleep_to_awake(events, pid)
    start = round_[0].time
    print(f"  {'ms':>8}  {'who':7} {'what':42} {'charged':>7}")
    for event in round_:
        told = describe(event, pid, sndbuf, modules)
        if not told:
            continue
        who, what, w = told
        line = f"  {(event.time - start) / 1000:8.3f}  {who:7} {what:42}"
        if w is not None:
            line += f" {w - 1:7} {bar(w, sndbuf)}"
        print(line.rstrip())
    waking = next(e for e in round_ if e.name == "sched_waking")
    runs = next(e for e in round_[round_.index(waking) :] if e.name == "sched_switch")
    print(
        f"\n  from the wake-up to the writer on a CPU: {runs.time - waking.time:.0f} µs; "
        f"half of the send buffer (the mark): {sndbuf // 2}\n",
        flush=True,
    )


def scene(number, wire, trace, brake, what_waits):
    """The whole story on one pair of devices."""
    heading(f"{number}  {wire.names[0]} → {wire.names[1]}, driver {wire.driver}")
    receiver = wire.open(1, PORT)
    sender = wire.open(0, PORT)
    sndbuf = sender.set_sndbuf(8192)
    wire.stop()
    writer = Writer(sender, wire.mac(1))
    wait_for(writer.sleeps, 10, "the writer falls asleep")
    explain(
        f"{brake} A process sends datagrams of {PAYLOAD} bytes through a socket with SO_SNDBUF "
        f"{sndbuf}. Nothing is taken, so the buffer fills and the process sleeps. {what_waits}"
    )
    show_where_bytes_are(wire, sender, writer, sndbuf)

    explain(
        """Now the wire takes one megabit a second. Each packet that it has taken is orphaned: its
        destructor, sock_wfree(), gives the bytes back to the socket. The first one that leaves less
        than half of the buffer in use wakes the writer."""
    )
    trace.start(writer.pid)
    wire.slow()
    time.sleep(0.6)
    events = trace.stop()
    show_timeline(events, writer.pid, sndbuf, (wire.driver,))

    writer.kill()
    wait_for(lambda: sender.outq() == 0, 20, "all bytes come back to the socket")
    received = receiver.receive_all()
    print(
        f"  the writer is killed; all its bytes have come back: SIOCOUTQ {sender.outq()}, "
        f"in the ring {wire.inflight()}, received {received} datagrams"
    )
    sender.close()
    receiver.close()


def main():
    """Both wires, then the end of it."""
    directory = sys.argv[1]
    for module in MODULES:
        run("insmod", f"{directory}/{module}.ko")
    heading("wren: a packet belongs to its sender until the device has released it")
    print(f"  kernel {os.uname().release}, modules " + ", ".join(MODULES))
    trace = Trace()
    scene(
        1,
        WrenWire(("wren0", "wren1"), ("left", "right")),
        trace,
        "The wire of a wren pair is stopped (ethtool -s wren0 speed 0).",
        "BQL lets few packets into the ring, the rest waits in the qdisc; all of it is charged to "
        "the socket.",
    )
    scene(
        2,
        VirtioWire(("virt0", "virt1"), ("near", "far")),
        trace,
        "The same over two virtio-net NICs with a cable, which know nothing of wren; a token "
        "bucket (tc qdisc tbf) in front is the slow wire.",
        "Here all of it waits in the qdisc, and the NIC's completion is what releases a packet.",
    )
    trace.close()
    heading("the end")
    for module in reversed(MODULES):
        run("rmmod", module)
    print("  sockets closed, modules unloaded, nothing left behind\n")


if __name__ == "__main__":
    main()
