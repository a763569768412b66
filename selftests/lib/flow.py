# SPDX-License-Identifier: GPL-2.0
"""Datagrams from one end of a wren pair to the other, and where they are."""

import array
import fcntl
import threading

from wren import CommandError, Pair, defer, eventually, ksft_eq, ksft_true

SIOCOUTQ = 0x5411
BQL = "queues/tx-0/byte_queue_limits/"


class Flow:
    """A pair with a first-in-first-out queue at a, a socket at a and one at b."""

    PAYLOAD = 1000
    # Ethernet, IPv4 and UDP headers in front of it
    FRAME = 14 + 20 + 8 + PAYLOAD

    def __init__(self, queues=1, ring_only=False, pair=Pair):
        self.pair = pair(queues)
        self.ns_a, self.ns_b = self.pair.ns_a, self.pair.ns_b
        tc = f"tc qdisc replace dev {self.pair.A}"
        if queues > 1:
            self.ns_a.run(f"{tc} root handle 1: mq")
        for queue in range(queues):
            parent = "root" if queues == 1 else f"parent 1:{queue + 1:x}"
            self.ns_a.run(f"{tc} {parent} pfifo limit 1000")
        self.sink = self.pair.sink()
        self.sock = self.pair.udp()
        # A socket that is connected notes with each packet where it came from.
        self.sink.connect(self.sock.getsockname())
        if ring_only:
            # BQL out of the way: a new limit counts from the next completion on.
            self.bql("limit_min", 1 << 24)
            self.send(1)
            ksft_true(eventually(lambda: self.bql("limit") >= 1 << 24), "the ring is what limits")
            self.sink.recv(2048)
        self.start_a = self.ns_a.link(self.pair.A)
        self.start_b = self.ns_b.link(self.pair.B)

    def send(self, count):
        """So many datagrams of PAYLOAD bytes, without waiting for the wire."""
        for _ in range(count):
            self.sock.send(bytes(self.PAYLOAD))

    def sent(self, what="packets"):
        """What the device at a says it has sent since we began."""
        return self.ns_a.link(self.pair.A)["tx_" + what] - self.start_a["tx_" + what]

    def received(self, what="packets"):
        """What the device at b says it has received since we began."""
        return self.ns_b.link(self.pair.B)["rx_" + what] - self.start_b["rx_" + what]

    def bql(self, name, value=None):
        """A file of the byte queue limits of the first queue."""
        return self.ns_a.sysfs(self.pair.A, BQL + name, value)

    def counter(self, name):
        """A counter of the first transmit queue at a."""
        return self.ns_a.counters(self.pair.A)["tx_queue_0_" + name]

    def charged(self):
        """Bytes of packets that the socket at a is charged for."""
        answer = array.array("i", [0])
        fcntl.ioctl(self.sock, SIOCOUTQ, answer)
        return answer[0]

    def arrives(self, count, seconds=20.0):
        """Whether b gets so many packets in that time."""
        return eventually(lambda: self.received() >= count, seconds)

    def settled(self):
        """Nothing is on its way any more; what was sent was received or is counted as dropped."""
        ksft_true(eventually(lambda: self.charged() == 0), "the sender gets its bytes back")
        ksft_true(eventually(lambda: self.bql("inflight") == 0), "nothing is in flight")
        ksft_eq(self.sent(), self.received() + self.received("dropped"), "none is lost")

    def flood(self, change):
        """Call it while packets flow without a pause, and settle what is on its way."""
        done = threading.Event()
        self.sock.settimeout(1)

        def send():
            while not done.is_set():
                try:
                    self.sock.send(bytes(self.PAYLOAD))
                except (TimeoutError, BlockingIOError):
                    pass

        thread = threading.Thread(target=send)
        thread.start()
        try:
            ksft_true(self.arrives(1), "packets flow")
            change()
        finally:
            done.set()
            thread.join()
        self.settled()


def refused(namespace, command, text):
    """A command that has to fail and to say why."""
    try:
        namespace.run(command)
        ksft_true(False, f"{command} is accepted")
    except CommandError as error:
        ksft_true(text in str(error), f"{error} does not say: {text}")


def sysctl(name, value):
    """Set a number below /proc/sys for the time of the test."""
    path = "/proc/sys/" + name
    with open(path, encoding="ascii") as file:
        old = file.read()

    def write(number):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(number))

    defer(write, old)
    write(value)
