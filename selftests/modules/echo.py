#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The driver in the documentation of knet, samples/knet_echo.rs: it does what it says."""

import array
import fcntl
import os
import socket
import subprocess

from wren import (
    LONG,
    KsftSkipEx,
    Namespace,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_in,
    ksft_run,
    ksft_true,
)

ETHERTYPE = 0x88B5
SIOCOUTQ = 0x5411
COUNT = 200


def command(*words):
    """A command that has to succeed."""
    subprocess.run(words, check=True, timeout=5 * LONG)


def echo_device(queues=1):
    """Loads the module, makes a device that is up, and returns its namespace."""
    if "WREN_KO" not in os.environ:
        raise KsftSkipEx("WREN_KO does not name the modules' directory")
    command("insmod", f"{os.environ['WREN_KO']}/knet_echo.ko")
    defer(command, "rmmod", "knet_echo")
    ns = Namespace()
    defer(ns.close)
    ns.run(f"ip link add echo0 numtxqueues {queues} numrxqueues {queues} type knet_echo")
    ns.change("echo0", up=True)
    return ns


def packet_socket(ns):
    """Sends and receives frames of the tests' EtherType; what it sends it does not see."""
    with ns.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    defer(sock.close)
    sock.bind(("echo0", ETHERTYPE))
    sock.settimeout(LONG)
    return sock


def frame(ns, payload):
    """A frame from the device to itself."""
    address = ns.link("echo0")["address"]
    return address + address + ETHERTYPE.to_bytes(2, "big") + payload


def charged(sock):
    """Bytes of packets that are charged to the socket."""
    answer = array.array("i", [0])
    fcntl.ioctl(sock, SIOCOUTQ, answer)
    return answer[0]


def what_is_sent_comes_back():
    """Each frame is received, whole and in order, and both sides count it."""
    ns = echo_device()
    sock = packet_socket(ns)
    before = ns.counters("echo0")
    for number in range(COUNT):
        sent = frame(ns, number.to_bytes(4, "big") * 20)
        sock.send(sent)
        ksft_eq(sock.recv(2048), sent)
    after = ns.counters("echo0")
    for name in ("tx_queue_0_packets", "rx_queue_0_packets"):
        ksft_true(after[name] - before[name] >= COUNT, name)

    def balanced():
        link = ns.link("echo0")
        return link["rx_packets"] == link["tx_packets"]

    # The stack may have had something of its own to send.
    ksft_true(eventually(balanced), "what was sent has been received")


def sender_is_credited():
    """When the frames have come back nothing is charged to their sender."""
    ns = echo_device(queues=4)
    sock = packet_socket(ns)
    for _ in range(COUNT):
        sock.send(frame(ns, bytes(1000)))
        sock.recv(2048)
    ksft_true(eventually(lambda: charged(sock) == 0), "all bytes have come back")


def down_and_up_again():
    """Going down empties the ring; nothing is stuck afterwards."""
    ns = echo_device()
    sock = packet_socket(ns)
    # Nobody reads: what is received beyond the buffer is dropped, what is sent is not held.
    for _ in range(COUNT):
        sock.send(frame(ns, bytes(1000)))
    ns.change("echo0", up=False)
    ksft_true(eventually(lambda: charged(sock) == 0), "all bytes have come back")
    ns.change("echo0", up=True)
    fresh = packet_socket(ns)
    fresh.send(frame(ns, b"again" * 20))
    ksft_in(b"again", fresh.recv(2048))


def ethtool_names_it():
    """ethtool knows the driver, and that it has no speed."""
    ns = echo_device()
    ksft_in("driver: knet_echo", ns.run("ethtool -i echo0"))
    ksft_in("Speed: Unknown!", ns.run("ethtool echo0"))


def goes_with_its_module():
    """Unloading the module removes its devices."""
    ns = echo_device()
    packet_socket(ns).send(frame(ns, bytes(100)))
    command("rmmod", "knet_echo")
    ksft_eq(ns.links(), [])
    command("insmod", f"{os.environ['WREN_KO']}/knet_echo.ko")


def main():
    """Run them."""
    ksft_run(
        [
            what_is_sent_comes_back,
            sender_is_credited,
            down_and_up_again,
            ethtool_names_it,
            goes_with_its_module,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
