#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Nothing gets lost and nothing is counted twice: what was sent was delivered, or is counted among the
drops, to the packet and to the byte.
"""

import os

import rtnl
from bulk import Flow
from mix import (
    LOST,
    RECONFIGURATIONS,
    TRAFFIC,
    Mix,
    carrier,
    down_and_up,
    ends,
    generator,
    in_flight,
    settled,
    sums,
    violations,
)
from wren import (
    KsftNamedVariant,
    KsftSkipEx,
    Pair,
    charged,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_run,
    ksft_true,
    ksft_variants,
)

PAYLOAD = 1000
HEADERS = 14 + 20 + 8
STEPS = 12


class Wire:
    """A pair with a first-in-first-out queue at a, and what has been counted there since."""

    def __init__(self):
        self.pair = Pair()
        self.pair.ns_a.run(f"tc qdisc replace dev {Pair.A} root pfifo limit 1000")
        self.sink = self.pair.sink()
        self.sock = self.pair.udp()
        self.ends = ends(self.pair)
        self.start = self._now()

    def _now(self):
        (qdisc,) = self.pair.ns_a.json(f"tc -j -s qdisc show dev {Pair.A} root")
        one, other = (sums(end) for end in self.ends)
        return {
            "qdisc packets": qdisc["packets"],
            "qdisc bytes": qdisc["bytes"],
            "sent": one["tx"]["packets"],
            "sent bytes": one["tx"]["bytes"],
            "dropped": one["tx"]["drops"],
            "purged": one["tx"]["purged"],
            "received": other["rx"]["packets"],
            "received bytes": other["rx"]["bytes"],
            "refused": sum(other["rx"][what] for what in LOST),
        }

    def since(self):
        """By how much each counter has grown."""
        return {key: value - self.start[key] for key, value in self._now().items()}

    def send(self, count, size=PAYLOAD):
        """So many datagrams of that size."""
        for _ in range(count):
            self.sock.send(bytes(size))


def what_waits_is_not_sent_yet():
    """A packet in the ring is not counted as sent: the wire has not taken it."""
    wire = Wire()
    wire.pair.speed(0)
    wire.send(10)
    ksft_eq(wire.since()["sent"], 0)
    wire.pair.speed(None)
    ksft_true(settled(wire.ends))
    now = wire.since()
    ksft_eq((now["sent"], now["sent bytes"]), (10, 10 * (HEADERS + PAYLOAD)))
    ksft_eq((now["received"], now["received bytes"]), (10, 10 * (HEADERS + PAYLOAD)))


def what_was_purged_was_not_sent():
    """What a link that goes down has cost is counted among the drops, and nowhere else."""
    wire = Wire()
    wire.pair.speed(0)
    wire.send(10)
    waiting = in_flight(wire.ends[0]) // (HEADERS + PAYLOAD)
    ksft_gt(waiting, 0)
    wire.pair.ns_b.change(Pair.B, up=False)
    now = wire.since()
    ksft_eq((now["purged"], now["sent"], now["received"]), (waiting, 0, 0))
    ksft_eq(violations(wire.ends), [])
    ksft_true(eventually(lambda: charged(wire.sock) == 0))


def what_is_too_long_is_a_drop_of_the_receiver():
    """The wire has carried it, so it was sent; the other end cannot receive it, and says so."""
    wire = Wire()
    wire.pair.ns_a.change(Pair.A, mtu=4000)
    for _ in range(20):
        wire.send(1, 3000)
        wire.send(1, PAYLOAD)
    ksft_true(settled(wire.ends))
    now = wire.since()
    ksft_eq((now["sent"], now["received"], now["refused"]), (40, 20, 20))
    ksft_eq(now["sent bytes"] - now["received bytes"], 20 * (HEADERS + 3000))
    ksft_eq(wire.pair.ns_b.link(Pair.B)["rx_length_errors"], 20)
    ksft_eq(violations(wire.ends), [])


def qdisc_and_device_agree():
    """What the qdisc has given to the device, the device has sent: TCP, UDP and fragments, without
    segmentation by the device, whose packets a qdisc counts by segment."""
    wire = Wire()
    wire.pair.ns_a.run(f"ethtool -K {Pair.A} tso off gso off")
    flow = Flow(wire.pair)
    ksft_true(flow.send(1 << 18), "TCP arrives")
    wire.send(50)
    wire.send(5, 30000)
    ksft_true(settled(wire.ends))
    now = wire.since()
    ksft_gt(now["sent"], 200)
    ksft_eq((now["qdisc packets"], now["qdisc bytes"]), (now["sent"], now["sent bytes"]))
    ksft_eq((now["received"], now["received bytes"]), (now["sent"], now["sent bytes"]))
    ksft_eq(violations(wire.ends), [])


def has_pktgen():
    """Loads it for the time of the test: each namespace gets threads of it."""
    if os.path.exists("/proc/net/pktgen"):
        return
    if os.system("modprobe -q pktgen"):
        raise KsftSkipEx("no pktgen")
    defer(os.system, "modprobe -q -r pktgen")


@ksft_variants(
    [
        KsftNamedVariant("one_queue", 1, 1, TRAFFIC),
        KsftNamedVariant("four_queues", 4, 2, TRAFFIC),
        KsftNamedVariant("pktgen", 2, 3, (*TRAFFIC[:2], generator)),
    ]
)
def any_mix_adds_up(queues, seed, traffic):
    """Traffic of all kinds, and an interface that is changed all the time: at the end the sums are
    right. WREN_SEED chooses another mix."""
    seed = int(os.environ.get("WREN_SEED", seed))
    if generator in traffic:
        has_pktgen()
    changes = RECONFIGURATIONS
    if generator in traffic:
        # pktgen divides by the time that it has run, which is none if the link goes down at once.
        changes = [change for change in changes if change[0] not in (down_and_up, carrier)]
    mix = Mix(Pair(queues), seed, traffic, changes)
    print(f"# seed {seed}")
    mix.start()
    for _ in range(STEPS):
        mix.step()
    mix.stop()
    print(f"# {', '.join(f'{name} {count}' for name, count in sorted(mix.done.items()))}")
    ksft_eq(mix.violations(), [])
    ksft_gt(mix.pair.ns_b.link(Pair.B)["rx_packets"], 0, "there was traffic")


def deletion_adds_up():
    """Deleting a pair while packets wait in a ring: what the kernel tells of both ends at last adds
    up, and the sender is charged for nothing."""
    wire = Wire()
    monitors = []
    for end in wire.ends:
        with end.ns.entered():
            monitors.append(rtnl.Monitor())
        defer(monitors[-1].close)
    wire.send(10)
    ksft_true(settled(wire.ends))
    wire.pair.speed(0)
    wire.send(50)
    wire.pair.ns_b.delete(Pair.B)
    one, other = (
        monitor.deleted(end.name) for monitor, end in zip(monitors, wire.ends, strict=True)
    )
    ksft_eq(one["tx_packets"], wire.start["sent"] + 10)
    ksft_eq((one["tx_packets"], one["tx_bytes"]), (other["rx_packets"], other["rx_bytes"]))
    ksft_gt(one["tx_dropped"], 0, "something was in the ring")
    ksft_true(eventually(lambda: charged(wire.sock) == 0), "all bytes come back")


def the_end_of_a_namespace_adds_up():
    """The same when the namespace of the receiver ends."""
    wire = Wire()
    with wire.pair.ns_a.entered():
        monitor = rtnl.Monitor()
    defer(monitor.close)
    wire.pair.speed(0)
    wire.send(300)
    waiting = in_flight(wire.ends[0]) // (HEADERS + PAYLOAD)
    wire.sink.close()
    wire.pair.ns_b.close()
    link = monitor.deleted(Pair.A)
    ksft_eq(link["tx_packets"], wire.start["sent"], "the wire stood still")
    ksft_gt(waiting, 0)
    ksft_true(link["tx_dropped"] >= waiting, "what was in the ring is counted")
    ksft_true(eventually(lambda: charged(wire.sock) == 0), "all bytes come back")


def main():
    """Run them."""
    ksft_run(
        [
            what_waits_is_not_sent_yet,
            what_was_purged_was_not_sent,
            what_is_too_long_is_a_drop_of_the_receiver,
            qdisc_and_device_agree,
            any_mix_adds_up,
            deletion_adds_up,
            the_end_of_a_namespace_adds_up,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
