# SPDX-License-Identifier: GPL-2.0
"""
The demo, inside the machine: a sender with a small send buffer on a slow wire. It shows where the
sender's bytes are, the sender asleep, and the chain of events that wakes it. All figures are read
from the running kernel.
"""

import argparse
import os
import signal
import sys
import textwrap
import time

from events import Trace, readable
from wires import PAYLOAD, PORT, VirtioWire, WrenWire, run

MODULES = ("knet", "wren_nic", "af_wren")
WIDTH = 100
# Ethernet header, our header
FRAME = 14 + 12 + PAYLOAD
BAR = 36


class Page:
    """What is printed, and how."""

    def __init__(self, colour):
        self.bold, self.plain = ("\033[1m", "\033[0m") if colour else ("", "")

    def heading(self, text):
        """A line across the page."""
        print(f"\n{self.bold}━━ {text} {'━' * (WIDTH - 4 - len(text))}{self.plain}\n", flush=True)

    @staticmethod
    def explain(text):
        """A paragraph that says what is seen."""
        print(textwrap.fill(" ".join(text.split()), WIDTH), end="\n\n", flush=True)

    @staticmethod
    def show(text=""):
        """A line of figures."""
        print(f"  {text}".rstrip(), flush=True)


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

    def _proc(self, name):
        with open(f"/proc/{self.pid}/{name}", encoding="ascii") as file:
            return file.read()

    def state(self):
        """The letter of ps: S sleeps, R runs."""
        return self._proc("stat").rsplit(") ", 1)[1][0]

    def stack(self):
        """The functions of the kernel that it is in, innermost first, up to the system call."""
        lines = (line.partition("] ")[2] for line in self._proc("stack").splitlines())
        functions = [readable(line) for line in lines if line]
        end = next((n for n, name in enumerate(functions) if name.startswith("__x64_sys_")), None)
        return functions if end is None else functions[: end + 1]

    def sleeps(self):
        """In the queue of the send buffer, and not on its way there."""
        return self.state() == "S" and self._proc("wchan").startswith("sock_alloc_send")

    def kill(self):
        """End it, asleep or not."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def show_where_bytes_are(page, wire, sock, sndbuf):
    """The table of who has how much."""
    kind, queued, backlog = wire.qdisc()
    inflight, outq = wire.inflight(), sock.outq()
    ring = inflight // FRAME
    each = outq // (ring + queued) if ring + queued else 0

    def row(what, packets, frames, memory, source):
        page.show(f"{what:36}{packets:>9}{frames:>13}{memory:>11}   {source}")

    row("where the bytes are", "packets", "in frames", "in memory", "read from")
    row(f"ring of {wire.names[0]} ({wire.driver})", ring, inflight, ring * each, "BQL inflight")
    row(f"qdisc in front of it ({kind})", queued, backlog, queued * each, "tc -s qdisc")
    row("charged to the socket", ring + queued, inflight + backlog, outq, "SIOCOUTQ")
    row("send buffer of the socket", "", "", sndbuf, "SO_SNDBUF")
    page.show()


def show_sleeper(page, writer):
    """Where the writer is in the kernel."""
    page.show(f"the writer, process {writer.pid}, is in state {writer.state()} at")
    for function in writer.stack():
        page.show(f"    {function}")
    page.show()


def bar(w, sndbuf):
    """W as a bar, with a mark at half of the send buffer, where writers are woken."""
    scale = BAR / (sndbuf * 1.15)
    length, half = round(w * scale), round(sndbuf / 2 * scale)
    cells = ["█" if n < length else " " for n in range(BAR)]
    cells[half] = "▌" if half < length else "|"
    return "".join(cells)


def last_round(events, pid):
    """From the writer's falling asleep to its next packet, the last time that is all there."""
    for wake in reversed([n for n, event in enumerate(events) if event.name == "sched_waking"]):
        asleep = [
            n
            for n in range(wake)
            if events[n].name == "sched_switch" and events[n].fields["prev_pid"] == str(pid)
        ]
        next_one = next((n for n in range(wake, len(events)) if events[n].name == "charge"), None)
        if not asleep or next_one is None:
            continue
        skb = events[next_one].fields["skb"]
        if any(e.name == "release" and e.fields["skb"] == skb for e in events[next_one:]):
            return events[asleep[-1] : next_one + 1], events[next_one:]
    sys.exit("demo: the writer was not woken while it was watched")


def describe(event, pid, sndbuf, wire):
    """(who, what, W after it) of an event."""
    if event.name == "sched_switch":
        if event.fields["prev_pid"] == str(pid):
            return "writer", f"goes to sleep, state {event.fields['prev_state']}", None
        return "writer", f"runs again, on CPU {event.cpu}", None
    if event.name == "sched_waking":
        return "socket", "write space: wakes the writer", None
    if event.name == "xmit":
        return "qdisc", f"gives the next packet to {wire.names[0]}", None
    if event.name == "charge":
        size = event.number("truesize")
        return "writer", f"charges its next packet, {size} bytes", event.number("w") + size
    where = event.inside(wire.marker) or "freed"
    left = event.number("w") - event.number("truesize")
    return "device", f"{where}: orphan", left


def show_timeline(page, events, pid, sndbuf, wire):
    """What happened between falling asleep and waking up, and how much memory was charged."""
    sock = next(event.fields["sk"] for event in events if event.name == "charge")
    events = [event for event in events if event.fields.get("sk", sock) == sock]
    shown, later = last_round(events, pid)
    start = shown[0].time
    page.show(f"{'ms':>7}  {'who':6}  {'what':45} {'charged':>6}  mark: half of SO_SNDBUF")
    for event in shown:
        who, what, w = describe(event, pid, sndbuf, wire)
        charged = "" if w is None else f"{w - 1:7}  {bar(w, sndbuf)}"
        page.show(f"{(event.time - start) / 1000:7.2f}  {who:6}  {what:45} {charged}")

    waking = next(event for event in shown if event.name == "sched_waking")
    runs = next(e for e in shown[shown.index(waking) :] if e.name == "sched_switch")
    skb = later[0].fields["skb"]
    life = {e.name: e.time for e in reversed(later) if e.fields.get("skb") == skb}
    page.show()
    page.show(f"from the wake-up to the writer on a CPU: {runs.time - waking.time:.0f} µs")
    page.show(
        f"that last packet ({skb}): {(life['xmit'] - life['charge']) / 1000:.2f} ms in the qdisc, "
        f"{(life['release'] - life['xmit']) / 1000:.2f} ms in the ring"
    )


def scene(page, number, wire, trace):
    """The whole story on one pair of devices."""
    page.heading(f"{number}  {wire.title}")
    receiver = wire.open(1, PORT)
    sender = wire.open(0, PORT)
    sndbuf = sender.set_sndbuf(8192)
    wire.stop()
    writer = Writer(sender, wire.mac(1))
    wait_for(writer.sleeps, 10, "the writer falls asleep")
    page.explain(
        f"{wire.brake} A process sends datagrams of {PAYLOAD} bytes through a socket with a send "
        f"buffer of {sndbuf} bytes. Nothing is taken, so the buffer fills - the last packet may "
        f"exceed it - and the process sleeps. {wire.place}"
    )
    show_where_bytes_are(page, wire, sender, sndbuf)
    show_sleeper(page, writer)

    page.explain(
        """Now the wire takes one megabit a second. The device releases each packet that has left:
        it is orphaned, which runs its destructor sock_wfree() and gives the bytes back to the
        socket. The first packet that leaves less than half of the buffer charged wakes the
        writer."""
    )
    trace.start(writer.pid)
    wire.slow()
    time.sleep(0.8)
    events = trace.stop(f"/out/trace-{wire.driver}.txt")
    show_timeline(page, events, writer.pid, sndbuf, wire)

    writer.kill()
    wait_for(lambda: sender.outq() == 0, 20, "all bytes come back to the socket")
    page.show(
        f"the writer is killed and the ring runs dry: SIOCOUTQ {sender.outq()}, "
        f"BQL inflight {wire.inflight()}, {receiver.receive_all()} datagrams received"
    )
    sender.close()
    receiver.close()


def main():
    """Both wires, then the end of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--colour", action="store_true")
    parser.add_argument("modules")
    args = parser.parse_args()
    page = Page(args.colour)

    page.heading("wren: a packet belongs to its sender until the device has released it")
    for module in MODULES:
        run("insmod", f"{args.modules}/{module}.ko")
    page.show(f"Linux {os.uname().release}, unmodified; modules {', '.join(MODULES)}")
    trace = Trace()
    scene(page, 1, WrenWire(("wren0", "wren1"), ("left", "right")), trace)
    scene(page, 2, VirtioWire(("virt0", "virt1"), ("near", "far")), trace)
    trace.close()
    page.heading("the end")
    for module in reversed(MODULES):
        run("rmmod", module)
    page.show("sockets closed, modules unloaded, nothing left behind")


if __name__ == "__main__":
    main()
