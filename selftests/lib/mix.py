# SPDX-License-Identifier: GPL-2.0
"""
Traffic of all kinds on a pair whose ends are changed meanwhile, as a seed says, and the sums that
have to come out of it: what one end has sent, the other one has received, or it is counted among
the drops.
"""

import contextlib
import random
import re
import socket
import subprocess
import threading
import time

from wren import CommandError, defer, eventually

ETH_P_EXPERIMENT = 0x88B6
UNLIMITED = 0xFFFFFFFF


class End:
    """One end of a pair."""

    def __init__(self, ns, name, address):
        self.ns, self.name, self.address = ns, name, address
        self.peer = None

    def run(self, command):
        """Runs a command, in which {} is the name of the device."""
        return self.ns.run(command.format(self.name))

    def tries(self, command):
        """Whether it succeeds."""
        with contextlib.suppress(CommandError):
            self.run(command)
            return True
        return False

    def meet(self):
        """Tells it the address of the other end, so that it has nothing to ask."""
        mac = self.peer.ns.link(self.peer.name)["address"].hex(":")
        self.run(f"ip neigh replace {self.peer.address} lladdr {mac} dev {{}}")


def ends(pair):
    """Both ends of a pair."""
    one = End(pair.ns_a, pair.A, pair.ADDR_A)
    other = End(pair.ns_b, pair.B, pair.ADDR_B)
    one.peer, other.peer = other, one
    return one, other


# Reconfiguration: what can be changed, whether a device can do it, and how.


def down_and_up(end, rng):
    """The interface goes down, and comes up again."""
    end.ns.change(end.name, up=False)
    time.sleep(rng.random() / 100)
    end.ns.change(end.name, up=True)
    end.meet()


def speed(end, rng):
    """The wire gets slower or faster, or stands still for a moment."""
    mbps = rng.choice([0, 10, 100, 1000, UNLIMITED])
    end.run(f"ethtool -s {{}} speed {mbps} duplex full autoneg off")
    if mbps == 0:
        time.sleep(rng.random() / 20)
        end.run(f"ethtool -s {{}} speed {UNLIMITED} duplex full autoneg off")


def mtu(end, rng):
    """What is too long for the other end is dropped there."""
    end.ns.change(end.name, mtu=rng.choice([576, 1500, 4000, 9000]))


def offloads(end, rng):
    """The stack segments, sums up and copies itself, or leaves it to the device."""
    feature = rng.choice(["tso", "gso", "sg", "tx", "rx", "gro"])
    end.run(f"ethtool -K {{}} {feature} {rng.choice(['on', 'off'])}")


def queueing(end, rng):
    """Another qdisc."""
    end.run(f"tc qdisc replace dev {{}} root {rng.choice(['pfifo', 'fq_codel', 'fq'])}")


def threaded(end, rng):
    """NAPI in a thread, or in softirq."""
    end.ns.sysfs(end.name, "threaded", rng.choice([0, 1]))


def address(end, rng):
    """Another MAC address."""
    end.ns.change(end.name, address=bytes([2, *rng.randbytes(5)]))
    end.peer.meet()


def rings(end, rng):
    """Rings of another size."""
    end.run(f"ethtool -G {{}} tx {rng.choice([16, 64, 256, 1024])}")


def channels(end, rng):
    """Another number of queues."""
    most = len(list(queues(end)))
    end.run(f"ethtool -L {{}} tx {rng.randint(1, most)}")


def coalescing(end, rng):
    """Completions that are told later."""
    end.run(f"ethtool -C {{}} tx-usecs {rng.choice([0, 50, 500])}")


def receive_path(end, rng):
    """The kernel's other receive path."""
    end.run(f"ethtool --set-priv-flags {{}} netif-rx {rng.choice(['on', 'off'])}")


def carrier(end, _rng):
    """No carrier for a moment."""
    end.run("ip link set {} carrier off")
    end.run("ip link set {} carrier on")


# (what is done, how often, a command that succeeds if the device can do it)
RECONFIGURATIONS = (
    (down_and_up, 3, "true"),
    (speed, 4, "true"),
    (mtu, 3, "true"),
    (offloads, 3, "true"),
    (queueing, 1, "true"),
    (threaded, 1, "true"),
    (address, 1, "true"),
    (rings, 3, "ethtool -g {}"),
    (channels, 3, "ethtool -l {}"),
    (coalescing, 2, "ethtool -c {}"),
    (receive_path, 2, "ethtool --set-priv-flags {} netif-rx off"),
    (carrier, 2, "ip link set {} carrier on"),
)


# Traffic: one of them after the other at each end, at both ends at once. What fails because the
# link is down or slow fails; only the sums count.


def _udp(end, port):
    with end.ns.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.05)
    sock.connect((end.peer.address, port))
    return sock


def datagrams(end, rng):
    """UDP of all sizes, fragments included."""
    with _udp(end, 9) as sock:
        for _ in range(50):
            sock.send(bytes(rng.choice([1, 100, 1000, 1472, 3000, 8000, 30000])))


def flood(end, rng):
    """As many small packets as the socket takes."""
    with _udp(end, 9) as sock:
        sock.setblocking(False)
        data = bytes(rng.randint(1, 100))
        for _ in range(300):
            sock.send(data)


def multicast(end, rng):
    """To a group, and to everybody."""
    with end.ns.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, end.name.encode())
        for _ in range(20):
            to = rng.choice(["224.0.0.251", "192.0.2.255"])
            sock.sendto(bytes(rng.randint(1, 1400)), (to, 9))


def frames(end, rng):
    """Frames that are for nobody, from one byte behind the header on."""
    with end.ns.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sock:
        sock.settimeout(0.05)
        sock.bind((end.name, 0))
        head = b"\2" + rng.randbytes(11) + ETH_P_EXPERIMENT.to_bytes(2)
        for _ in range(20):
            sock.send(head + bytes(rng.choice([1, 46, 500, 1500])))


def pings(end, _rng):
    """There and back."""
    end.tries(f"ping -q -c 5 -i 0.01 -w 1 {end.peer.address}")


def stream(end, rng):
    """A TCP connection, with as much as gets through in a moment."""
    with contextlib.ExitStack() as stack:
        with end.peer.ns.entered():
            listener = stack.enter_context(socket.socket())
        listener.settimeout(0.2)
        listener.bind((end.peer.address, 0))
        listener.listen()
        with end.ns.entered():
            client = stack.enter_context(socket.socket())
        client.settimeout(0.2)
        client.connect(listener.getsockname())
        server = stack.enter_context(listener.accept()[0])
        server.settimeout(0.05)
        client.setblocking(False)
        for _ in range(rng.randint(1, 20)):
            with contextlib.suppress(BlockingIOError):
                client.send(bytes(1 << 16))
            with contextlib.suppress(TimeoutError):
                server.recv(1 << 18)


def generator(end, rng):
    """pktgen, which goes past the qdisc."""
    with end.ns.entered():
        where = "/proc/thread-self/net/pktgen/"
        mac = end.peer.ns.link(end.peer.name)["address"].hex(":")
        lines = [
            ("kpktgend_0", "rem_device_all"),
            ("kpktgend_0", f"add_device {end.name}"),
            (end.name, "count 200"),
            (end.name, f"pkt_size {rng.choice([60, 1000])}"),
            (end.name, f"flag {rng.choice(['', '!'])}SHARED"),
            (end.name, f"dst_mac {mac}"),
            (end.name, f"dst {end.peer.address}"),
            ("pgctrl", "start"),
            ("kpktgend_0", "rem_device_all"),
        ]
        for file, line in lines:
            with open(where + file, "w", encoding="ascii") as control:
                control.write(line)


TRAFFIC = (datagrams, flood, multicast, frames, pings, stream)


# Sums


def queues(end):
    """The transmit queues of an end, as sysfs calls them."""
    return range(end.ns.link(end.name)["tx_queues"])


def in_flight(end):
    """Bytes in the rings of an end. Where a queue is out of use there is nobody to ask."""
    total = 0
    for queue in queues(end):
        with contextlib.suppress(FileNotFoundError):
            total += end.ns.sysfs(end.name, f"queues/tx-{queue}/byte_queue_limits/inflight")
    return total


def sums(end):
    """The counters of the queues, added up: {"tx": {"packets": N, ...}, "rx": {...}}"""
    totals = {"tx": {}, "rx": {}}
    for key, value in end.ns.counters(end.name).items():
        if found := re.fullmatch(r"([rt]x)_queue_\d+_(.+)", key):
            total, name = totals[found[1]], found[2]
            total[name] = total.get(name, 0) + value
    return totals


# What becomes of a packet that the wire has taken and the peer has not received
LOST = ("length_errors", "backlog_drops", "drops")


def one_way(end):
    """What is wrong with the sums of the way that begins at this end, as a list of texts."""
    counters, peer_counters = end.ns.counters(end.name), end.peer.ns.counters(end.peer.name)
    link, peer = end.ns.link(end.name), end.peer.ns.link(end.peer.name)
    tx, rx = sums(end)["tx"], sums(end.peer)["rx"]
    facts = [
        ("packets sent", link["tx_packets"], "of the queues", tx["packets"]),
        ("bytes sent", link["tx_bytes"], "of the queues", tx["bytes"]),
        ("packets received", peer["rx_packets"], "of the queues", rx["packets"]),
        ("bytes received", peer["rx_bytes"], "of the queues", rx["bytes"]),
    ]
    for queue in queues(end):
        sent = counters[f"tx_queue_{queue}_packets"]
        arrived = {
            what: peer_counters.get(f"rx_queue_{queue}_{what}", 0)
            for what in ("packets", "bytes", *LOST)
        }
        lost = sum(arrived[what] for what in LOST)
        facts.append(("packets sent", sent, "received or dropped", arrived["packets"] + lost))
        if not lost:
            sent = counters[f"tx_queue_{queue}_bytes"]
            facts.append(("bytes sent", sent, "received", arrived["bytes"]))
    wrong = [
        f"{end.name}: {what} {left}, {other} {right}"
        for what, left, other, right in facts
        if left != right
    ]
    # In both the core has its own drops, too.
    if link["tx_dropped"] < tx["drops"] + tx["purged"]:
        wrong.append(f"{end.name}: tx_dropped {link['tx_dropped']}, {tx}")
    if peer["rx_dropped"] < rx["drops"]:
        wrong.append(f"{end.peer.name}: rx_dropped {peer['rx_dropped']}, {rx}")
    return wrong


def settled(both):
    """Waits until nothing moves any more; whether that comes to pass."""
    last = None

    def quiet():
        nonlocal last
        now = [end.ns.counters(end.name) for end in both]
        now, last, old = (now, sum(map(in_flight, both))), (now, 0), last
        return now == old

    return eventually(quiet)


def violations(both):
    """What is wrong with the sums, and stays wrong: a last packet may still be under way."""
    wrong = []

    def right():
        nonlocal wrong
        wrong = [text for end in both for text in one_way(end)]
        return not wrong

    eventually(right)
    return wrong


class Mix:
    """Traffic in both directions on a pair, and a person who cannot leave it alone."""

    def __init__(self, pair, seed, traffic=TRAFFIC, changes=RECONFIGURATIONS):
        self.pair, self.ends, self.rng = pair, ends(pair), random.Random(seed)
        self.traffic = traffic
        self.done = {}
        self.troubles = []
        self._over = threading.Event()
        self._threads = []
        for end in self.ends:
            # Somebody who takes the datagrams, so that there is no ICMP; and sysfs, mounted once.
            with end.ns.entered():
                sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            defer(sink.close)
            sink.bind(("", 9))
            in_flight(end)
            end.meet()
        self.changes = [
            (change, times)
            for change, times, possible in changes
            if all(end.tries(possible) for end in self.ends)
        ]

    def _note(self, what):
        self.done[what.__name__] = self.done.get(what.__name__, 0) + 1

    def _send(self, end, rng):
        while not self._over.is_set():
            kind = rng.choice(self.traffic)
            try:
                kind(end, rng)
            except OSError:
                # The link is down, the wire is slow, the socket is full, ...
                time.sleep(0.01)
            except (CommandError, subprocess.TimeoutExpired) as error:
                self.troubles.append(f"{kind.__name__}: {error}")
                return
            self._note(kind)

    def start(self):
        """The traffic begins."""
        for end in self.ends:
            rng = random.Random(self.rng.random())
            thread = threading.Thread(target=self._send, args=(end, rng), daemon=True)
            thread.start()
            self._threads.append(thread)

    def step(self):
        """One reconfiguration."""
        kinds, weights = zip(*self.changes, strict=True)
        (change,) = self.rng.choices(kinds, weights)
        change(self.rng.choice(self.ends), self.rng)
        self._note(change)

    def stop(self):
        """The traffic ends, and the link is left up, without a limit and without traffic."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        for end in self.ends:
            end.run(f"ethtool -s {{}} speed {UNLIMITED} duplex full autoneg off")
            end.ns.change(end.name, up=True)
        if not settled(self.ends):
            self.troubles.append("it does not come to rest")

    def violations(self):
        """What is wrong now that it has stopped."""
        return self.troubles + violations(self.ends)
