#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
What holds a fast sender back: its socket stays charged, TCP small queues, byte queue limits, and a
qdisc that sees the queue. Beside it veth, whose wire nobody sees.
"""

from bulk import Flow, VethPair, median_ping, meminfo, waiting
from wren import (
    CommandError,
    KsftSkipEx,
    Pair,
    charged,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_gt,
    ksft_lt,
    ksft_run,
    ksft_true,
)

PAYLOAD = 1000
FRAME = 14 + 20 + 8 + PAYLOAD
# A full TCP segment on the wire, and more than the kernel keeps for one
SEGMENT = 14 + 1500
SEGMENT_TRUESIZE = 4096
# What TCP may have below a socket (net.ipv4.tcp_limit_output_bytes) in these tests
TSQ_LIMIT = 32768
BQL = "queues/tx-0/byte_queue_limits/"


def veth():
    """A veth pair, if the kernel has what it takes."""
    try:
        pair = VethPair()
        pair.speed(1000)
    except CommandError as error:
        raise KsftSkipEx("no veth or no netem") from error
    pair.speed(None)
    return pair


def c34_charge_goes_down_packet_by_packet():
    """Each packet that the wire takes gives its bytes back, and only they: the charge falls by
    whole packets to nothing, and what has arrived is not in it."""
    pair = Pair()
    pair.sink()
    sock = pair.udp()
    count = 40
    before = pair.ns_b.link(Pair.B)["rx_packets"]
    pair.speed(0)
    for _ in range(count):
        sock.send(bytes(PAYLOAD))
    full = charged(sock)
    ksft_eq(full % count, 0)
    truesize = full // count
    ksft_gt(truesize, PAYLOAD)
    # 8 ms for each
    pair.speed(1)
    seen = [full]

    def looked():
        arrived = pair.ns_b.link(Pair.B)["rx_packets"] - before
        seen.append(charged(sock))
        ksft_true(seen[-1] <= (count - arrived) * truesize, f"{seen[-1]}, {arrived} arrived")
        return seen[-1] == 0

    ksft_true(eventually(looked), "all bytes come back")
    ksft_true(all(bytes_ % truesize == 0 for bytes_ in seen), f"{seen}")
    ksft_true(all(a >= b for a, b in zip(seen, seen[1:], strict=False)), f"{seen}")


def one_segment_each(pair):
    """Flows that begin now make no packets of many segments: limits are told to the packet."""
    pair.ns_a.run(f"ip link set {pair.A} gso_max_segs 1")


def warm_flow(pair):
    """A flow whose congestion window is no limit any more, and TCP small queues that are small."""
    pair.ns_a.run(f"sysctl -qw net.ipv4.tcp_limit_output_bytes={TSQ_LIMIT}")
    one_segment_each(pair)
    pair.ns_a.run(f"ip route replace 192.0.2.0/24 dev {pair.A} initcwnd 100")
    flow = Flow(pair)
    ksft_true(flow.send(1 << 18), "the flow runs")
    ksft_true(eventually(lambda: meminfo(flow.sock)["wmem_queued"] == 0))
    return flow


def stalled(pair):
    """A flow over a wire that has come to a stand while TCP would send more."""
    flow = warm_flow(pair)
    pair.speed(0)
    flow.fill()
    return flow


def tsq_holds_a_flow_below_its_limit():
    """However much is to be sent, TCP gives to a wire that stands still what
    tcp_limit_output_bytes allows and one packet more; when the wire runs again it goes on."""
    pair = Pair()
    pair.ns_a.run(f"tc qdisc replace dev {Pair.A} root pfifo limit 1000")
    flow = stalled(pair)
    below = meminfo(flow.sock)
    ksft_gt(below["wmem_alloc"], 0, "what is below the socket is charged to it")
    ksft_lt(below["wmem_alloc"], TSQ_LIMIT + SEGMENT_TRUESIZE)
    ksft_gt(below["wmem_queued"], 4 * TSQ_LIMIT, "there is more to be sent")
    packets = pair.ns_a.sysfs(Pair.A, BQL + "inflight") // SEGMENT + waiting(pair)[1]
    ksft_gt(packets, 0, "it is in the ring and in the qdisc")
    ksft_lt(packets * SEGMENT, TSQ_LIMIT + SEGMENT)
    pair.speed(None)
    ksft_true(eventually(lambda: flow.received == flow.sent), "the rest comes")
    ksft_true(eventually(lambda: meminfo(flow.sock)["wmem_alloc"] == 0), "nothing is charged")


def veth_holds_no_flow():
    """The same over veth: the wire is behind what TCP sees, so TCP sends what its window allows,
    charged to nobody."""
    pair = veth()
    flow = stalled(pair)
    enough = TSQ_LIMIT + SEGMENT_TRUESIZE
    ksft_true(eventually(lambda: waiting(pair)[0] > enough), f"{waiting(pair)} wait")
    ksft_lt(meminfo(flow.sock)["wmem_alloc"], SEGMENT_TRUESIZE)


def snmp(pair, file, group, name):
    """A counter of the network stack at a."""
    with pair.ns_a.entered(), open(f"/proc/thread-self/net/{file}", encoding="ascii") as table:
        rows = [line.split() for line in table if line.startswith(group + ":")]
    return int(dict(zip(*rows, strict=True))[name])


def tcp_does_not_repeat_what_is_in_the_ring():
    """TCP's timer goes off while its packet waits in the ring: TCP sees that it has not been sent
    yet, and sends no second one."""
    pair = Pair()
    flow = stalled(pair)
    spurious = ("netstat", "TcpExt", "TCPSpuriousRtxHostQueues")
    before = snmp(pair, *spurious)
    retransmitted = snmp(pair, "snmp", "Tcp", "RetransSegs")
    ksft_true(eventually(lambda: snmp(pair, *spurious) > before), "the timer goes off")
    ksft_eq(snmp(pair, "snmp", "Tcp", "RetransSegs"), retransmitted)
    pair.speed(None)
    ksft_true(eventually(lambda: flow.received == flow.sent), "the rest comes")


def bql_holds_the_ring_near_its_limit():
    """Under bulk TCP flows the ring has never more bytes than the limit and one packet, and the
    rest waits in the qdisc."""
    limit = 4 * SEGMENT
    pair = Pair()
    pair.ns_a.run(f"tc qdisc replace dev {Pair.A} root pfifo limit 1000")
    one_segment_each(pair)
    # TCP small queues give a slow wire three packets of a flow, fewer than the limit.
    flows = [Flow(pair, 5001 + n) for n in range(4)]
    for end in ("limit_max", "limit_min"):
        pair.ns_a.sysfs(Pair.A, BQL + end, limit)
    ksft_true(flows[0].send(1 << 18), "a flow runs")
    ksft_eq(pair.ns_a.sysfs(Pair.A, BQL + "limit"), limit)
    pair.speed(2)
    for flow in flows:
        flow.start()
    ksft_true(eventually(lambda: waiting(pair)[1] > 0), "the wire is too slow for the flows")
    seen = [pair.ns_a.sysfs(Pair.A, BQL + "inflight") for _ in range(300)]
    ksft_lt(max(seen), limit + SEGMENT + 1)
    ksft_gt(max(seen), limit - SEGMENT, "the wire always has something to do")
    pair.speed(None)
    for flow in flows:
        flow.stop()
        ksft_true(eventually(lambda flow=flow: flow.received == flow.sent), "all of it arrives")


def speed_limits_segmentation_by_the_device():
    """A packet that is left to a slow device to segment is short, or others would wait for it; a
    smaller limit of a user is left alone."""
    pair = Pair()

    def limit(*command):
        if command:
            pair.ns_a.run(f"ip link set {Pair.A} gso_max_size {command[0]}")
        (link,) = pair.ns_a.json(f"ip -j -d link show {Pair.A}")
        return link["gso_max_size"]

    def limit_at(mbps):
        pair.speed(mbps)
        return limit()

    ksft_eq(limit(), 65536)
    ksft_eq([limit_at(mbps) for mbps in (100, 10, 1000, None)], [12500, 4096, 65536, 65536])
    ksft_eq(limit(8000), 8000)
    ksft_eq([limit_at(mbps) for mbps in (100, 10, None)], [8000, 4096, 65536])


def chosen_limits_stay():
    """What a user has chosen stays at a speed that allows it, for IPv4 and for the rest, each
    alone; a speed that does not limits both."""
    pair = Pair()

    def choose(size, ipv4):
        # One after the other: the first of them may change the second.
        pair.ns_a.run(f"ip link set {Pair.A} gso_max_size {size}")
        pair.ns_a.run(f"ip link set {Pair.A} gso_ipv4_max_size {ipv4}")

    def limits_at(mbps):
        pair.speed(mbps)
        (link,) = pair.ns_a.json(f"ip -j -d link show {Pair.A}")
        return link["gso_max_size"], link["gso_ipv4_max_size"]

    choose(500000, 500000)
    ksft_eq([limits_at(mbps) for mbps in (0, 10000, None)], [(500000, 500000)] * 3)
    ksft_eq([limits_at(mbps) for mbps in (100, None)], [(12500, 12500), (65536, 65536)])
    choose(65536, 5000)
    ksft_eq([limits_at(mbps) for mbps in (100, None)], [(12500, 5000), (65536, 5000)])
    choose(4500, 500000)
    ksft_eq([limits_at(mbps) for mbps in (100, None)], [(4500, 12500), (4500, 65536)])


def loaded_ping(pair, flows, enough):
    """The median ping in milliseconds while so many flows fill a wire of 2 Mb/s, once so many
    bytes wait for it."""
    pair.speed(2)
    running = [Flow(pair, 5001 + n) for n in range(flows)]
    for flow in running:
        flow.start()
    ksft_true(eventually(lambda: waiting(pair)[0] >= enough), f"{waiting(pair)} wait for the wire")
    median = median_ping(pair)
    pair.speed(None)
    for flow in running:
        flow.stop()
    return median


def ping_passes_the_bulk():
    """The queue is in the qdisc, where fq_codel lets a ping pass it; that of veth is behind it,
    where a ping waits for all that came before. (scripts/latency has exact figures.)"""
    other = veth()
    pair = Pair()
    pair.ns_a.run(f"tc qdisc replace dev {Pair.A} root fq_codel")
    ours = loaded_ping(pair, 4, 2 * SEGMENT)
    # 0.3 seconds at that speed
    theirs = loaded_ping(other, 4, 75000)
    print(f"# median ping: wren {ours:.1f} ms, veth {theirs:.1f} ms")
    ksft_lt(3 * ours, theirs)


def main():
    """Run them."""
    ksft_run(
        [
            c34_charge_goes_down_packet_by_packet,
            tsq_holds_a_flow_below_its_limit,
            veth_holds_no_flow,
            tcp_does_not_repeat_what_is_in_the_ring,
            bql_holds_the_ring_near_its_limit,
            speed_limits_segmentation_by_the_device,
            chosen_limits_stay,
            ping_passes_the_bulk,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
