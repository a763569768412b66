#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
How long a ping waits while TCP fills a wire of 100 Mb/s, and where the bytes of TCP wait meanwhile.

Over wren the wire is the device's: its ring is short, because byte queue limits keep it so, and
what waits does so in fq_codel. Over veth the wire is netem, as one takes it to make a veth slow:
fq_codel has no place in front of it that could see the queue.
"""

import statistics
import threading
import time

from bulk import Flow, VethPair, meminfo, ping, waiting
from wren import Pair, ksft_exit, ksft_ge, ksft_lt, ksft_run

MBPS, FLOWS = 100, 4
# After the flows have begun, and while it is measured
WARM_UP, PINGS, INTERVAL = 1.0, 100, 0.02
LIMIT_MS = 5
BQL = "queues/tx-0/byte_queue_limits/"


class Sampler(threading.Thread):
    """Looks every now and then where the bytes of the flows are."""

    def __init__(self, pair, flows):
        super().__init__(daemon=True)
        self.pair, self.flows = pair, flows
        self.over = threading.Event()
        self.seen = []

    def _ring(self):
        try:
            return self.pair.ns_a.sysfs(self.pair.A, BQL + "inflight")
        except FileNotFoundError:
            # veth has no queue that it accounts for.
            return 0

    def run(self):
        """The thread. Looking costs time of the only CPU, so it does not look too often."""
        while not self.over.wait(0.2):
            self.seen.append(
                {
                    "charged to the sockets": sum(
                        meminfo(flow.sock)["wmem_alloc"] for flow in self.flows
                    ),
                    "in the qdisc": waiting(self.pair)[0],
                    "in the ring": self._ring(),
                }
            )

    def medians(self):
        """The median of each, in bytes."""
        self.over.set()
        self.join()
        return {key: statistics.median(row[key] for row in self.seen) for key in self.seen[0]}


def measure(pair):
    """Figures by name."""
    pair.speed(MBPS)
    flows = [Flow(pair, 5001 + n) for n in range(FLOWS)]
    for flow in flows:
        flow.start()
    time.sleep(WARM_UP)
    received, start = sum(flow.received for flow in flows), time.monotonic()
    sampler = Sampler(pair, flows)
    sampler.start()
    times = sorted(ping(pair, PINGS, INTERVAL))
    figures = {
        "TCP payload, Mb/s": (sum(flow.received for flow in flows) - received)
        * 8e-6
        / (time.monotonic() - start),
        "ping, median, ms": statistics.median(times),
        "ping, 95 %, ms": times[len(times) * 95 // 100],
    }
    figures |= {f"{key}, kB": value / 1000 for key, value in sampler.medians().items()}
    pair.speed(None)
    for flow in flows:
        flow.stop()
    return figures


def ping_passes_the_bulk_on_a_wire_of_100_mbps():
    """The median ping takes less than 5 ms while four flows fill the wire."""
    pair = Pair()
    pair.ns_a.run(f"tc qdisc replace dev {Pair.A} root fq_codel")
    ours = measure(pair)
    theirs = measure(VethPair())
    print(f"# {'':32} {'wren, fq_codel':>16} {'veth, netem':>16}")
    for name, figure in ours.items():
        print(f"# {name:32} {figure:16.2f} {theirs[name]:16.2f}")
    ksft_lt(ours["ping, median, ms"], LIMIT_MS)
    # 1448 of 1514 bytes are payload.
    ksft_ge(ours["TCP payload, Mb/s"], 0.9 * MBPS, "the wire is full")
    ksft_lt(ours["ping, median, ms"], theirs["ping, median, ms"])


if __name__ == "__main__":
    ksft_run([ping_passes_the_bulk_on_a_wire_of_100_mbps])
    ksft_exit()
