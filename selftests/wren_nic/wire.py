#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The wire: how exact its speed is, what it counts, and who takes it for broken."""

import socket
import struct
import time

from flow import Flow, refused
from wren import (
    KsftNamedVariant,
    Pair,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)

SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
UDP_SEGMENT = 103
# What Ethernet adds to a frame: preamble, check sequence, gap
OVERHEAD = 24


def speed(flow, mbps):
    """Set the speed of the wire from a to b."""
    flow.ns_a.run(f"ethtool -s {Pair.A} speed {mbps} duplex full autoneg off")


def stamps(flow, mbps, count, size, segments=1):
    """
    Put so many packets into the ring, of datagrams of that size, let the wire start, and return
    when that was and the times at which the receiver got the packets, in seconds.
    """
    speed(flow, 0)
    before = flow.counter("doorbells")
    for _ in range(count):
        flow.sock.send(bytes(size * segments))
    ksft_eq(flow.counter("doorbells") - before, count, "each is in the ring, and whole")
    start = time.time()
    speed(flow, mbps)
    times = []
    flow.sink.settimeout(20)
    while len(times) < count * segments:
        _, ancillary, _, _ = flow.sink.recvmsg(1 << 16, 256)
        ((_, _, data),) = ancillary
        seconds, nanoseconds = struct.unpack("qq", data)
        times.append(seconds + nanoseconds / 1e9)
    # All datagrams of a packet have its time.
    return start, sorted(set(times))


def exact(flow, expected, *packets):
    """
    Not faster than that. How much slower depends on the machine, which has to take the packets up;
    the tests in virtual time see to it that it is not the wire (KUnit: wren_nic_gate).
    """
    start, times = stamps(flow, *packets)
    ksft_ge(times[-1] - start, len(times) * expected, "too fast")


def receiver(flow):
    """The sink takes all of it, with the time at which it came."""
    flow.sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    flow.sink.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


@ksft_variants([KsftNamedVariant(str(size), size, mbps) for size, mbps in ((1000, 2), (1, 1))])
def speed_is_kept(size, mbps):
    """With what Ethernet adds to a frame, and the shortest frame there is."""
    flow = Flow(ring_only=True)
    receiver(flow)
    frame = max(60, 14 + 20 + 8 + size) + OVERHEAD
    exact(flow, frame * 8 / (mbps * 1e6), mbps, 250, size)
    speed(flow, 0xFFFFFFFF)


def packet_takes_the_time_of_its_segments():
    """A packet that was not segmented takes as long as the frames that it stands for."""
    flow = Flow(ring_only=True)
    receiver(flow)
    flow.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
    # The headers are a third of what is on the wire.
    frame = 14 + 20 + 8 + 100 + OVERHEAD
    exact(flow, 10 * frame * 8 / 4e6, 4, 250, 100, 10)
    speed(flow, 0xFFFFFFFF)


def queues_share_the_wire():
    """Four queues together are as fast as one, and each gets its turn."""
    flow = Flow(queues=4)
    ports = range(1000, 1032)
    socks = [flow.pair.udp(port) for port in ports]
    for port in ports:
        flow.pair.sink(port)
    speed(flow, 0)
    before = flow.ns_b.counters(Pair.B)
    for _ in range(4):
        for sock in socks:
            sock.send(bytes(1000))
    start = time.monotonic()
    speed(flow, 10)
    ksft_true(flow.arrives(4 * len(socks)))
    took = time.monotonic() - start
    ksft_ge(took, 0.99 * (4 * len(socks) - 1) * (flow.FRAME + OVERHEAD) * 8 / 10e6)
    after = flow.ns_b.counters(Pair.B)
    shares = [after[f"rx_queue_{n}_packets"] - before[f"rx_queue_{n}_packets"] for n in range(4)]
    ksft_ge(sum(share > 0 for share in shares), 2, f"{shares}")
    speed(flow, 0xFFFFFFFF)


def directions_are_independent():
    """The wire stands still in one direction, and carries packets in the other one."""
    flow = Flow()
    speed(flow, 0)
    flow.send(3)
    before = flow.ns_a.link(Pair.A)["rx_packets"]
    mac = flow.ns_a.link(Pair.A)["address"].hex(":")
    flow.ns_b.run(f"ip neigh replace {Pair.ADDR_A} lladdr {mac} dev {Pair.B}")
    for _ in range(5):
        flow.sink.sendto(b"x", (Pair.ADDR_A, 7))
    ksft_true(eventually(lambda: flow.ns_a.link(Pair.A)["rx_packets"] >= before + 5))
    ksft_eq(flow.received(), 0)
    speed(flow, 0xFFFFFFFF)
    ksft_true(flow.arrives(3))


def nonsense_is_refused():
    """A speed that ethtool does not know is refused, and changes nothing."""
    flow = Flow()
    speed(flow, 100)
    for value in (0x80000000, 0xFFFFFFFE):
        settings = f"speed {value} duplex full autoneg off"
        refused(flow.ns_a, f"ethtool -s {Pair.A} {settings}", "update failed")
    ksft_in("Speed: 100Mb/s", flow.ns_a.run(f"ethtool {Pair.A}"))
    speed(flow, 0x7FFFFFFF)
    flow.send(5)
    ksft_true(flow.arrives(5))


def change_under_traffic():
    """Whatever the speed becomes while packets flow, none is lost, and none is left."""
    flow = Flow()

    def change():
        for mbps in (10, 0, 1000, 0xFFFFFFFF, 1, 100, 0, 0x7FFFFFFF, 2) * 3:
            speed(flow, mbps)
        speed(flow, 0xFFFFFFFF)

    flow.flood(change)


class Late(Pair):
    """The one whose queue the core finds stuck: scripts/vm.d/gate.py knows its name."""

    A = "wren-late"


def only_a_fault_times_out():
    """
    A queue whose interrupt does not come is found stuck by the core, counted, and emptied. One
    that waits for a wire that is slow, or stands still, is not: it takes its time.
    """
    late, still, slow = Flow(pair=Late), Flow(), Flow(ring_only=True)
    for flow in (late, still):
        flow.bql("limit_max", 2 * flow.FRAME)
    late.ns_a.run(f"ethtool -C {Late.A} tx-usecs 10000000")
    speed(still, 0)
    # A packet takes an eighth of a second, and the queue is woken after a quarter of the ring.
    speed(slow, 1)
    slow.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    start = time.monotonic()
    for flow in (late, still):
        flow.send(10)
    for _ in range(260):
        slow.sock.send(bytes(14000))
    ksft_eq(slow.counter("stops"), 1)
    ksft_eq(late.received(), 0)
    ksft_true(eventually(lambda: late.counter("timeouts") > 0), "the core finds it")
    # Not when the interrupt comes at last.
    if time.monotonic() - start < 9:
        ksft_true(late.arrives(1, 0.5), "and it goes on")
    late.ns_a.run(f"ethtool -C {Late.A} tx-usecs 0")
    late.settled()
    # The core looks each five seconds.
    time.sleep(max(0.0, start + 7.5 - time.monotonic()))
    for flow in (still, slow):
        ksft_eq(flow.counter("timeouts"), 0)
        ksft_eq(flow.ns_a.sysfs(Pair.A, "queues/tx-0/tx_timeout"), 0)
        speed(flow, 0xFFFFFFFF)
        flow.settled()


def main():
    """Run them."""
    ksft_run(
        [
            speed_is_kept,
            packet_takes_the_time_of_its_segments,
            queues_share_the_wire,
            directions_are_independent,
            nonsense_is_refused,
            change_under_traffic,
            only_a_fault_times_out,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
