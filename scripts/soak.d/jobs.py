#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
What the soak does again and again, each a test of its own in a process of its own. WREN_SEED says
what is chosen, WREN_SECONDS how long it takes, WREN_COUNT how often.
"""

import contextlib
import os
import random
import subprocess
import time

import rtnl
import wren
from mix import TRAFFIC, Mix
from wren import (
    Namespace,
    Pair,
    charged,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_run,
    ksft_true,
)

SEED = int(os.environ.get("WREN_SEED", "1"))
SECONDS = int(os.environ.get("WREN_SECONDS", "10"))
COUNT = int(os.environ.get("WREN_COUNT", "10"))


def iperf(end, rng):
    """Bulk TCP, a few flows; how much gets through is up to the link."""
    with (
        end.peer.ns.entered(),
        subprocess.Popen(
            ["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server,
    ):
        eventually(lambda: "5201" in end.peer.ns.run("ss -Hltn sport = :5201"))
        with end.ns.entered(), contextlib.suppress(subprocess.TimeoutExpired):
            flows = str(rng.randint(1, 4))
            subprocess.run(
                ["iperf3", "-c", end.peer.address, "-t", "3", "-P", flows],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=15,
                check=False,
            )
        server.kill()


def mix():
    """Traffic and changes, and the sums at the end."""
    rng = random.Random(SEED)
    run = Mix(Pair(rng.choice([1, 2, 4])), SEED, [*TRAFFIC, iperf])
    run.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        run.step()
        time.sleep(rng.random() / 10)
    run.stop()
    changes = {change.__name__ for change, _ in run.changes}
    done = sum(count for name, count in run.done.items() if name in changes)
    packets = sum(end.ns.link(end.name)["tx_packets"] for end in run.ends)
    print(f"# {done} changes of {len(changes)} kinds, {packets} packets")
    ksft_eq(run.violations(), [])


def churn():
    """Namespaces and pairs that end while packets are on their way."""
    rng = random.Random(SEED)
    end = time.monotonic() + SECONDS
    count = 0
    while time.monotonic() < end:
        pair = Pair(rng.choice([1, 3]))
        sink, sock = pair.sink(), pair.udp()
        pair.speed(rng.choice([None, 0, 1, 100]))
        for _ in range(rng.randint(1, 300)):
            sock.send(bytes(rng.randint(1, 1400)))
        way = rng.randrange(4)
        if way == 0:
            pair.ns_a.delete(Pair.A)
        elif way == 1:
            pair.ns_b.delete(Pair.B)
        elif way == 2:
            sink.close()
            pair.ns_b.close()
        else:
            # The socket is all that is left of its namespace.
            pair.ns_a.close()
            pair.ns_b.delete(Pair.B)

        ksft_true(eventually(lambda sock=sock: charged(sock) == 0), "all bytes come back")
        for thing in (sock, sink, pair.ns_a, pair.ns_b):
            thing.close()
        count += 1
    print(f"# {count} pairs of namespaces")


def cycles():
    """Pairs are made and deleted, some of them up."""
    rng = random.Random(SEED)
    ns, other = Namespace(), Namespace()
    defer(ns.close)
    defer(other.close)
    for n in range(COUNT):
        peer = {rtnl.IFLA_IFNAME: "right"}
        if n % 2:
            peer[rtnl.IFLA_NET_NS_FD] = other.fd
        ns.add("left", peer, queues=rng.choice([1, 1, 2, 8]))
        far = other if n % 2 else ns
        if rng.random() < 0.3:
            ns.change("left", up=True)
            far.change("right", up=True)
        if rng.random() < 0.5:
            ns.delete("left")
        else:
            far.delete("right")
    ksft_eq(ns.links() + other.links(), [])
    print(f"# {COUNT} pairs")


def stress():
    """Sockets of AF_WREN: 64 threads, signals, devices that go down and up."""
    program = os.path.join(os.path.dirname(wren.__file__), "../af_wren/stress")
    result = subprocess.run(
        [program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    notes = [line for line in result.stdout.splitlines() if " received, " in line]
    print(notes[0] if not result.returncode and notes else result.stdout)
    ksft_eq(result.returncode, 0)


def main():
    """Run them."""
    ksft_run([mix, churn, cycles, stress])
    ksft_exit()


if __name__ == "__main__":
    main()
