#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The claim of the sender on its packets: it lasts as long as the wire takes, and no longer."""

import rtnl
from wren import (
    Namespace,
    Pair,
    charged,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_run,
    ksft_true,
)

COUNT = 5


def c34_claim_lasts_while_the_wire_has_not_taken_it():
    """The sender is charged while the wire stands still, and credited when it has moved."""
    pair = Pair()
    pair.sink()
    sock = pair.udp()
    ksft_eq(charged(sock), 0)
    pair.speed(0)
    for _ in range(COUNT):
        sock.send(bytes(100))
    ksft_gt(charged(sock), COUNT * 100)
    pair.speed(None)
    ksft_true(eventually(lambda: charged(sock) == 0), "all bytes come back")


def c19_claim_ends_where_the_wire_ends():
    """
    What the first wire has delivered is not charged any more, even if the same packet waits for
    another wire: behind the pair there is a bridge, and behind the bridge a wire that stands still.
    """
    pair = Pair()
    ns_c = Namespace()
    defer(ns_c.close)
    peer = {rtnl.IFLA_IFNAME: "wren-d", rtnl.IFLA_NET_NS_FD: ns_c.fd}
    pair.ns_b.add("wren-c", peer)
    pair.ns_b.run("ip link add br0 type bridge")
    for port in (Pair.B, "wren-c"):
        pair.ns_b.run(f"ip link set {port} master br0")
    for device in ("wren-c", "br0"):
        pair.ns_b.change(device, up=True)
    ns_c.change("wren-d", up=True)
    ksft_true(eventually(lambda: pair.ns_b.carrier("wren-c")), "the second wire has carrier")
    pair.ns_b.speed("wren-c", 0)

    # The frames are for somebody behind the second wire.
    pair.ns_a.neighbour(Pair.A, Pair.ADDR_B, ns_c.link("wren-d")["address"])
    sock = pair.udp()
    before = pair.ns_b.link(Pair.B)["rx_packets"]
    for _ in range(COUNT):
        sock.send(bytes(100))
    ksft_true(
        eventually(lambda: pair.ns_b.link(Pair.B)["rx_packets"] == before + COUNT),
        "the first wire has delivered them",
    )
    ksft_true(
        eventually(lambda: pair.ns_b.sysfs("wren-c", "queues/tx-0/byte_queue_limits/inflight") > 0),
        "the second wire has got one",
    )
    ksft_eq(pair.ns_b.counters("wren-c")["tx_queue_0_purged"], 0)
    ksft_eq(charged(sock), 0, "the sender is not charged for the second wire")


def main():
    """Run them."""
    ksft_run(
        [
            c34_claim_lasts_while_the_wire_has_not_taken_it,
            c19_claim_ends_where_the_wire_ends,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
