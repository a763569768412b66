#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a user sets and sees of a device: carrier, addresses, names, time stamps."""

import select
import socket
import struct
import time

from wren import (
    CommandError,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_in,
    ksft_lt,
    ksft_run,
    ksft_true,
)

ETHERTYPE = 0x88B6
PORT = 10
SO_TIMESTAMPING = 37
TX_SOFTWARE, RX_SOFTWARE, REPORT_SOFTWARE = 1 << 1, 1 << 3, 1 << 4
PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST = 0, 2, 3
# Longer than anything takes, in milliseconds
LONG = 20000


def carriers(pair):
    """Whether a has carrier, and b."""
    return pair.ns_a.carrier(Pair.A), pair.ns_b.carrier(Pair.B)


def both(pair, state):
    """Both ends come to have carrier, or not to have it."""
    return eventually(lambda: carriers(pair) == (state, state))


def packets_pass(pair):
    """Whether a datagram from a arrives at b."""
    sink = pair.sink(PORT)
    sink.settimeout(LONG / 1000)
    pair.udp(PORT).send(b"hello")
    passed = sink.recv(100) == b"hello"
    sink.close()
    return passed


def carrier_off_takes_it_from_both():
    """A wire that is pulled out at one end has no carrier at either, and works again afterwards."""
    pair = Pair()
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        ns.change(name, carrier=0)
        ksft_eq(carriers(pair), (False, False), name)
        ns.change(name, carrier=1)
        ksft_true(both(pair, True), name)
    pair.up()
    ksft_true(packets_pass(pair))


def both_ends_have_to_be_plugged_in():
    """Pulled out at both ends, it takes both to have a carrier again."""
    pair = Pair()
    pair.ns_a.change(Pair.A, carrier=0)
    pair.ns_b.change(Pair.B, carrier=0)
    pair.ns_a.change(Pair.A, carrier=1)
    ksft_eq(carriers(pair), (False, False))
    pair.ns_b.change(Pair.B, carrier=1)
    ksft_true(both(pair, True))


def carrier_off_outlasts_down_and_up():
    """What the user has pulled out stays so when the device goes down and up, and a device that is
    plugged in while it is down has no carrier."""
    pair = Pair()
    pair.ns_a.change(Pair.A, carrier=0)
    pair.ns_a.change(Pair.A, up=False)
    pair.ns_a.change(Pair.A, up=True)
    ksft_eq(carriers(pair), (False, False))
    pair.ns_a.change(Pair.A, up=False)
    pair.ns_a.change(Pair.A, carrier=1)
    ksft_eq(carriers(pair), (False, False))
    pair.up()
    ksft_true(both(pair, True))
    ksft_true(packets_pass(pair))


def carrier_off_lets_nobody_wait():
    """Nothing is left in the ring of a wire that is pulled out, at whichever end."""
    pair = Pair()
    pair.sink()
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        pair.speed(0)
        sock = pair.udp()
        for _ in range(5):
            sock.send(bytes(1000))
        inflight = "queues/tx-0/byte_queue_limits/inflight"
        ksft_gt(pair.ns_a.sysfs(Pair.A, inflight), 0)
        ns.change(name, carrier=0)
        ksft_eq(pair.ns_a.sysfs(Pair.A, inflight), 0)
        pair.speed(None)
        ns.change(name, carrier=1)
        pair.up()
        ksft_true(packets_pass(pair), name)


def dropped_packets_leave_the_wire_free():
    """What is dropped with the link takes no more time on a slow wire when that works again."""
    pair = Pair()
    for ns, name in ((pair.ns_a, Pair.A), (pair.ns_b, Pair.B)):
        ns.change(name, mtu=65535)
    pair.sink()
    pair.speed(1)
    inflight = "queues/tx-0/byte_queue_limits/inflight"
    began = time.monotonic()
    # Each would take half a second.
    for _ in range(20):
        pair.udp().send(bytes(65000))
        ksft_gt(pair.ns_a.sysfs(Pair.A, inflight), 0)
        pair.ns_a.change(Pair.A, carrier=0)
        pair.ns_a.change(Pair.A, carrier=1)
        pair.up()
    dropped = time.monotonic()
    ksft_true(packets_pass(pair))
    took = time.monotonic() - dropped
    ksft_lt(took, 2 if dropped - began < 7 else LONG, f"the others took {dropped - began:.1f} s")


def link_detected_and_duplex():
    """ethtool says whether there is a carrier, what the link is like, and what driver it is."""
    pair = Pair()
    shown = pair.ns_a.run(f"ethtool {Pair.A}")
    for line in ("Link detected: yes", "Duplex: Full", "Auto-negotiation: off", "Port: Other"):
        ksft_in(line, shown)
    pair.ns_b.change(Pair.B, up=False)
    ksft_in("Link detected: no", pair.ns_a.run(f"ethtool {Pair.A}"))
    ksft_in("driver: wren_nic", pair.ns_a.run(f"ethtool -i {Pair.A}"))


def mtu_refusal_is_explained():
    """What is too small or too large is refused with a sentence, and changes nothing."""
    pair = Pair()
    for mtu, word in ((67, "minimum"), (65536, "maximum")):
        try:
            pair.ns_a.run(f"ip link set {Pair.A} mtu {mtu}")
            ksft_true(False, f"{mtu} is accepted")
        except CommandError as error:
            ksft_in(word, str(error))
    ksft_eq(pair.ns_a.link(Pair.A)["mtu"], 1500)


def tap(pair):
    """Frames of our EtherType that come to b, with what they are to it."""
    with pair.ns_b.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    defer(sock.close)
    sock.bind((Pair.B, ETHERTYPE))
    return sock


def kind_at_b(pair, sock, mac):
    """Send a frame to an address from a; what it is when it comes to b."""
    with pair.ns_a.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        head = mac + pair.ns_a.link(Pair.A)["address"] + struct.pack(">H", ETHERTYPE)
        raw.sendto(head + bytes(50), (Pair.A, 0))
    sock.settimeout(LONG / 1000)
    return sock.recvfrom(100)[1][2]


def addresses_decide_for_whom_a_frame_is():
    """There is no filter: any frame arrives, and its address says for whom it is. A new address of
    the device counts at once."""
    pair = Pair()
    sock = tap(pair)
    old = pair.ns_b.link(Pair.B)["address"]
    new = bytes.fromhex("02aabbccddee")
    ksft_eq(kind_at_b(pair, sock, old), PACKET_HOST)
    ksft_eq(kind_at_b(pair, sock, new), PACKET_OTHERHOST)
    ksft_eq(kind_at_b(pair, sock, bytes.fromhex("01005e000077")), PACKET_MULTICAST)
    pair.ns_b.change(Pair.B, address=new)
    ksft_eq(kind_at_b(pair, sock, new), PACKET_HOST)
    ksft_eq(kind_at_b(pair, sock, old), PACKET_OTHERHOST)


def receive_lists_can_be_changed():
    """Multicast addresses can be added and taken away; promiscuous and all-multicast mode, too."""
    pair = Pair()
    mac = "01:00:5e:00:00:77"
    pair.ns_a.run(f"ip maddress add {mac} dev {Pair.A}")
    ksft_in(mac, pair.ns_a.run(f"ip maddress show dev {Pair.A}"))
    pair.ns_a.run(f"ip maddress del {mac} dev {Pair.A}")
    ksft_true(mac not in pair.ns_a.run(f"ip maddress show dev {Pair.A}"))
    for mode, word in (("promisc", "promiscuity"), ("allmulticast", "allmulti")):
        for state in ("on", "off"):
            pair.ns_a.run(f"ip link set {Pair.A} {mode} {state}")
            shown = pair.ns_a.run(f"ip -d link show {Pair.A}")
            ksft_in(f"{word} {int(state == 'on')}", shown)
    ksft_true(packets_pass(pair))


def ports_have_names():
    """The two ends of a wire can be told apart: the one that was asked for is p0."""
    pair = Pair()
    for ns, name, port in ((pair.ns_a, Pair.A, "p0"), (pair.ns_b, Pair.B, "p1")):
        (shown,) = ns.json(f"ip -j -d link show {name}")
        ksft_eq(shown["phys_port_name"], port)


def renamed_device_works():
    """Another name and a further name, while packets pass."""
    pair = Pair()
    pair.ns_b.run(f"ip link property add dev {Pair.B} altname a-very-long-name-of-a-wren-device")
    pair.ns_b.run("ip link set a-very-long-name-of-a-wren-device name renamed")
    ksft_eq(pair.ns_b.links(), ["renamed"])
    ksft_true(packets_pass(pair))
    pair.ns_b.delete("renamed")
    ksft_eq(pair.ns_a.links(), [])


def time_stamps():
    """ethtool -T says that there are software time stamps in both directions, and there are."""
    pair = Pair()
    shown = pair.ns_a.run(f"ethtool -T {Pair.A}")
    for line in ("software-transmit", "software-receive", "software-system-clock"):
        ksft_in(line, shown)
    sink, sock = pair.sink(), pair.udp()
    sink.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_SOFTWARE | REPORT_SOFTWARE)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | REPORT_SOFTWARE)

    def stamp(sock, flags):
        """The time stamp of a message in nanoseconds, 0 if it has none."""
        poll = select.poll()
        poll.register(sock, select.POLLERR if flags else select.POLLIN)
        ksft_true(poll.poll(LONG), "a message")
        _, ancillary, _, _ = sock.recvmsg(2048, 1024, flags)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
                seconds, nanoseconds = struct.unpack_from("=qq", data)
                return seconds * 10**9 + nanoseconds
        return 0

    def both_stamps():
        sock.send(b"when?")
        return stamp(sock, socket.MSG_ERRQUEUE), stamp(sink, 0)

    # The kernel begins to stamp what comes some time after it was asked to.
    ksft_true(eventually(lambda: both_stamps()[1] > 0), "what comes has a time stamp")
    went, came = both_stamps()
    ksft_gt(went, 0)
    # The clock of an emulated machine may stand still between the two.
    ksft_ge(came, went, "it does not come before it has gone")


def main():
    """Run them."""
    ksft_run(
        [
            carrier_off_takes_it_from_both,
            both_ends_have_to_be_plugged_in,
            carrier_off_outlasts_down_and_up,
            carrier_off_lets_nobody_wait,
            dropped_packets_leave_the_wire_free,
            link_detected_and_duplex,
            mtu_refusal_is_explained,
            addresses_decide_for_whom_a_frame_is,
            receive_lists_can_be_changed,
            ports_have_names,
            renamed_device_works,
            time_stamps,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
