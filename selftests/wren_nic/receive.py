#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Receiving: NAPI and what a user can ask of it, receive queues, and the other way, netif_rx()."""

import ctypes
import errno
import fcntl
import glob
import os
import select
import socket
import struct

from flow import Flow, sysctl
from shape import set_priv_flags
from wren import (
    KsftNamedVariant,
    KsftSkipEx,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_in,
    ksft_ne,
    ksft_run,
    ksft_true,
    ksft_variants,
)

SO_ATTACH_FILTER, SO_BUSY_POLL, SO_INCOMING_CPU, SO_INCOMING_NAPI_ID = 26, 46, 49, 56
SOL_PACKET, PACKET_STATISTICS, ETH_P_IP = 263, 6, 0x0800
# struct epoll_params: microseconds, budget, prefer_busy_poll
EPIOCSPARAMS = 0x40088A01
SKF_AD_QUEUE = 0xFFFFF000 + 24
# Interrupts that do not come while a test waits, in microseconds
NEVER = 10_000_000


def napi_id(sock):
    """The NAPI instance that the last packet of the socket came from, 0 if none."""
    return sock.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID)


def arrive(flow, count=1):
    """So many datagrams are sent and received."""
    flow.send(count)
    flow.sink.settimeout(20)
    for _ in range(count):
        flow.sink.recv(2048)


def threads():
    """The names of the threads that poll for the device at b."""
    names = set()
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii") as file:
                names.add(file.read().strip())
        except OSError:
            pass
    return {name for name in names if name.startswith(f"napi/{Pair.B}-")}


def netstat(flow, name):
    """A counter of the namespace of b."""
    with flow.ns_b.entered(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        rows = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(dict(zip(*rows, strict=True))[name])


def netif_rx(flow, state):
    """How the device at b receives."""
    flow.ns_b.run(f"ethtool --set-priv-flags {Pair.B} netif-rx {state}")


def sockets_know_their_napi():
    """UDP and TCP sockets know the NAPI instance, which keeps its number when the device is down
    for a while."""
    flow = Flow()
    arrive(flow)
    number = napi_id(flow.sink)
    ksft_gt(number, 0)
    with flow.ns_b.entered():
        listener = socket.create_server((Pair.ADDR_B, 5000))
    with flow.ns_a.entered():
        client = socket.create_connection((Pair.ADDR_B, 5000), timeout=20)
    server, _ = listener.accept()
    for sock in (listener, client, server):
        defer(sock.close)
    client.send(b"x")
    server.recv(1)
    ksft_eq(napi_id(server), number)
    # The other end has one of its own.
    server.send(b"x")
    client.recv(1)
    ksft_true(napi_id(client) not in (0, number), f"{napi_id(client)}")
    flow.ns_b.change(Pair.B, up=False)
    flow.ns_b.change(Pair.B, up=True)
    flow.pair.up()
    arrive(flow)
    ksft_eq(napi_id(flow.sink), number)


def threaded_napi():
    """A thread polls instead of the softirq, until it is told not to, also after down and up."""
    flow = Flow()
    ksft_eq(threads(), set())
    flow.ns_b.sysfs(Pair.B, "threaded", 1)
    ksft_true(eventually(lambda: len(threads()) == 1), f"{threads()}")
    arrive(flow, 10)
    ksft_eq(threads(), {f"napi/{Pair.B}-{napi_id(flow.sink)}"})
    flow.ns_b.change(Pair.B, up=False)
    ksft_true(eventually(lambda: not threads()), f"{threads()}")
    flow.ns_b.change(Pair.B, up=True)
    flow.pair.up()
    ksft_true(eventually(lambda: len(threads()) == 1), f"{threads()}")
    arrive(flow, 10)
    flow.ns_b.sysfs(Pair.B, "threaded", 0)
    ksft_true(eventually(lambda: not threads()), f"{threads()}")
    arrive(flow, 10)
    ksft_eq(flow.received("dropped"), 0)


def threaded_on_and_off_under_traffic():
    """Whoever polls, none is lost, and none is left."""
    flow = Flow()

    def change():
        for number in range(10):
            flow.ns_b.sysfs(Pair.B, "threaded", 1 - number % 2)
        ksft_true(eventually(lambda: not threads()), f"{threads()}")

    flow.flood(change)


def busy_socket(flow):
    """A receiver that polls, and knows whom. Nobody else will: interrupts do not come."""
    arrive(flow)
    # It must not wait by poll(), as sockets of python with a limit of time do.
    flow.sink.setblocking(True)
    flow.sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 20, 0))
    flow.sink.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 1_000_000)
    flow.ns_b.run(f"ethtool -C {Pair.B} rx-usecs {NEVER}")
    return netstat(flow, "BusyPollRxPackets")


def busy_polling_does_not_wait():
    """SO_BUSY_POLL takes what has arrived, although the interrupt is far away."""
    flow = Flow()
    before = busy_socket(flow)
    for _ in range(5):
        flow.send(1)
        flow.sink.recv(2048)
    ksft_eq(netstat(flow, "BusyPollRxPackets") - before, 5)
    flow.settled()


def busy_polling_by_epoll():
    """epoll_wait() polls in the same way."""
    flow = Flow()
    with select.epoll() as epoll:
        try:
            fcntl.ioctl(epoll, EPIOCSPARAMS, struct.pack("=IHBx", 1_000_000, 8, 0))
        except OSError as error:
            raise KsftSkipEx("this kernel has no such parameters of epoll") from error
        epoll.register(flow.sink, select.EPOLLIN)
        before = busy_socket(flow)
        flow.sink.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 0)
        # It learns the NAPI instance from the socket when that becomes ready.
        epoll.modify(flow.sink, select.EPOLLIN)
        for _ in range(5):
            flow.send(1)
            ksft_eq(len(epoll.poll(20)), 1)
            flow.sink.recv(2048)
        ksft_eq(netstat(flow, "BusyPollRxPackets") - before, 5)
    flow.settled()


@ksft_variants(
    [
        KsftNamedVariant("fast_wire", None),
        KsftNamedVariant("slow_wire", 10),
    ]
)
def interrupts_deferred_by_the_core(mbps):
    """napi_defer_hard_irqs and gro_flush_timeout: the core's timer and that of the wire go
    together."""
    flow = Flow()
    flow.ns_b.sysfs(Pair.B, "napi_defer_hard_irqs", 20)
    flow.ns_b.sysfs(Pair.B, "gro_flush_timeout", 100_000)
    flow.pair.speed(mbps)
    flow.send(100)
    ksft_true(flow.arrives(100), f"{flow.received()} of 100")
    flow.settled()
    arrive(flow)


def packet_steering():
    """With rps_cpus the CPU that is named takes the packets up."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise KsftSkipEx("there is one CPU")
    flow = Flow()
    path = "queues/rx-0/rps_cpus"
    for cpu in cpus[:2]:
        flow.ns_b.sysfs(Pair.B, path, f"{1 << cpu:x}")
        arrive(flow, 20)
        ksft_eq(flow.sink.getsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU), cpu)
    flow.ns_b.sysfs(Pair.B, path, "0")
    arrive(flow, 20)
    flow.settled()


class SockFprog(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def tap(flow, queue):
    """A socket that sees the IPv4 packets of one receive queue of b."""
    # A = the queue that was recorded, one more than its number; accept if it is that one
    program = [(0x20, 0, 0, SKF_AD_QUEUE), (0x15, 0, 1, queue + 1), (6, 0, 0, 0xFFFF), (6, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    with flow.ns_b.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    defer(sock.close)
    prog = SockFprog(len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(prog))
    sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
    return sock


def receive_queue_is_recorded():
    """Each packet says by which queue it came, and the counters of the queue agree."""
    flow = Flow(queues=4)
    taps = [tap(flow, queue) for queue in range(4)]
    before = flow.ns_b.counters(Pair.B)
    for port in range(1000, 1032):
        flow.pair.sink(port)
        flow.pair.udp(port).send(b"x")
    ksft_true(flow.arrives(32))
    after = flow.ns_b.counters(Pair.B)
    queues = [after[f"rx_queue_{n}_packets"] - before[f"rx_queue_{n}_packets"] for n in range(4)]
    ksft_eq(sum(queues), 32)
    ksft_ge(sum(count > 0 for count in queues), 2, f"{queues}")
    for queue, sock in enumerate(taps):
        seen = sum(struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[:1])
        ksft_eq(seen, queues[queue], f"queue {queue}")


def netif_rx_is_another_way():
    """The flag is off at first. With it no NAPI instance is known to the socket."""
    flow = Flow()
    ksft_in("netif-rx: off", flow.ns_b.run(f"ethtool --show-priv-flags {Pair.B}"))
    netif_rx(flow, "on")
    ksft_in("netif-rx: on", flow.ns_b.run(f"ethtool --show-priv-flags {Pair.B}"))
    ksft_in("netif-rx: off", flow.ns_a.run(f"ethtool --show-priv-flags {Pair.A}"))
    arrive(flow, 20)
    ksft_eq(napi_id(flow.sink), 0)
    netif_rx(flow, "off")
    arrive(flow, 20)
    ksft_ne(napi_id(flow.sink), 0)
    flow.settled()


def unknown_flags_are_refused():
    """The ioctl hands on all 32 bits, also those that are no flag."""
    pair = Pair()
    for flags in (2, 3, 1 << 31):
        error = None
        try:
            set_priv_flags(pair.ns_a, Pair.A, flags)
        except OSError as refusal:
            error = refusal.errno
        ksft_eq(error, errno.EINVAL, f"{flags:#x}")
        ksft_in("netif-rx: off", pair.ns_a.run(f"ethtool --show-priv-flags {Pair.A}"))
    set_priv_flags(pair.ns_a, Pair.A, 1)
    ksft_in("netif-rx: on", pair.ns_a.run(f"ethtool --show-priv-flags {Pair.A}"))


def c19_claim_ends_at_the_same_point():
    """Whichever way the receiver takes, the sender is charged until the wire has the packet, and
    no longer."""
    flow = Flow()
    netif_rx(flow, "on")
    flow.pair.speed(0)
    flow.send(5)
    ksft_gt(flow.charged(), 5 * flow.PAYLOAD)
    ksft_eq(flow.received(), 0)
    flow.pair.speed(None)
    ksft_true(flow.arrives(5))
    flow.settled()


def full_backlog_drops_and_counts():
    """What the backlog has no room for is dropped, and counted once by the device and once by its
    queue."""
    flow = Flow(ring_only=True)
    netif_rx(flow, "on")
    sysctl("net/core/netdev_max_backlog", 1)
    before = flow.ns_b.counters(Pair.B)
    flow.pair.speed(0)
    flow.send(20)
    # One round takes all of them before the backlog has its turn.
    flow.pair.speed(None)
    flow.settled()
    after = flow.ns_b.counters(Pair.B)
    packets, drops = (
        after[f"rx_queue_0_{name}"] - before[f"rx_queue_0_{name}"]
        for name in ("packets", "backlog_drops")
    )
    ksft_gt(drops, 0)
    ksft_eq(packets + drops, 20)
    ksft_eq(flow.received("dropped"), drops)
    ksft_eq(flow.received(), packets)


def netif_rx_on_and_off_under_traffic():
    """Whichever way they take, none is lost without being counted."""
    flow = Flow()

    def change():
        for number in range(10):
            netif_rx(flow, "off" if number % 2 else "on")

    flow.flood(change)


def main():
    """Run them."""
    ksft_run(
        [
            sockets_know_their_napi,
            threaded_napi,
            threaded_on_and_off_under_traffic,
            busy_polling_does_not_wait,
            busy_polling_by_epoll,
            interrupts_deferred_by_the_core,
            packet_steering,
            receive_queue_is_recorded,
            netif_rx_is_another_way,
            unknown_flags_are_refused,
            c19_claim_ends_at_the_same_point,
            full_backlog_drops_and_counts,
            netif_rx_on_and_off_under_traffic,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
