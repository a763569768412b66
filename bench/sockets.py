# SPDX-License-Identifier: GPL-2.0
"""
What sockets cost: the part of the suites af_wren and af_wren_ports that runs inside the machine. A
row is WHAT-NUMBER; see Documentation/bench.rst.

Everything goes over one wren pair between two namespaces. What is printed: "progress TEXT", "setup
TEXT", and "figure ROW COLUMN NUMBER...", one number for each repetition.
"""

import re
import sys
import time

from nic import ADDRESS, DEVICE, FLOWS, PEERS, REPETITIONS, A, B, Setting, Trouble, ip, run
from nic import run_flows as flows

CROWD = "build/bench/crowd"
WHERE = [f"/run/netns/{netns}" for netns in (A, B)]

# Columns of the suite af_wren: workload of flows, place, name in /proc/net/protocols.
KINDS = {
    "wren": ("wren", DEVICE, "WREN"),
    "udp": ("udp", ADDRESS[B], "UDP"),
    "packet": ("packet", DEVICE, "PACKET"),
    "unix": ("unix", "-", "UNIX"),
}
# Of the same suite: what is sent, and how often.
TRAFFIC = {
    "dgram": ("", 3000),
    "rr": ("-rr", 1500),
    "nosum": ("", 3000),
    "nosumrr": ("-rr", 1500),
}

# Of the suite af_wren_ports. The flow that is measured has a port that each place of the crowd has.
PORT = 7
PLACES = 100
CROWD_ROUNDS = 6000


def traffic(what, number):
    """A datagram of that many bytes, or one there and one back."""
    ways, rounds = TRAFFIC[what]
    for column, (workload, place, _) in KINDS.items():
        if column == "wren" and "nosum" in what:
            workload = "wren-nosum"
        workload += ways
        numbers = [number, 1, rounds, REPETITIONS]
        yield column, flows([FLOWS, workload, *WHERE, place, *map(str, numbers)], rounds)


def object_size(what, number):
    """Bytes of the structure."""
    sizes = dict(line.split()[:2] for line in run("cat", "/proc/net/protocols").splitlines())
    for column, (_, _, protocol) in KINDS.items():
        yield column, [int(sizes[protocol])]


def open_size(what, number):
    """Bytes of kernel memory of an open and bound socket, with its file."""
    places = {"wren": DEVICE, "udp": "127.0.0.1", "packet": DEVICE, "unix": "-"}
    for column, place in places.items():
        few, many = (slab(column, count, place) for count in (1, number))
        yield column, [(many - few) / (number - 1)]


def slab(kind, count, place):
    """Bytes in objects of slabs with that many sockets."""
    output = run(CROWD, "/proc/slabinfo", WHERE[1], kind, str(count), "65535", place)
    time.sleep(1)
    lines = re.findall(r"^\S+ +(\d+) +\d+ +(\d+) ", output, re.MULTILINE)
    return sum(int(objects) * int(size) for objects, size in lines)


def crowded(what, number):
    """A datagram of 64 bytes, without and with so many other sockets."""
    places = {
        "wren": (DEVICE, [f"crowd{n}" for n in range(PLACES)]),
        "udp": (ADDRESS[B], [f"127.0.1.{n}" for n in range(PLACES)]),
    }
    kinds = {"ports": ["wren", "udp"], "raw": ["raw"]}[what]
    for kind in kinds:
        workload = "udp" if kind == "udp" else "wren"
        place, crowd = places[workload]
        command = [FLOWS, workload, *WHERE, f"{place}:{PORT}", "64", "1", str(CROWD_ROUNDS)]
        yield f"{workload}_alone", flows([*command, str(REPETITIONS)], CROWD_ROUNDS)
        # A crowd takes long to come.
        command += ["1", kind, str(number), str(number // PLACES), *crowd]
        yield f"{workload}_crowd", flows(command, CROWD_ROUNDS)
        time.sleep(1)


ROWS = {
    **dict.fromkeys(TRAFFIC, traffic),
    "object": object_size,
    "open": open_size,
    "ports": crowded,
    "raw": crowded,
}


def main():
    """Prints the figures of the rows that are named."""
    rows = sys.argv[1:]
    with Setting(PEERS[0], 1) as setting:
        print(f"setup wren pair: qdisc {setting.qdisc()}, {', '.join(setting.offloads())}")
        ip(B, "link set lo up", *(f"link add crowd{n} type dummy" for n in range(PLACES)))
        for done, row in enumerate(rows, start=1):
            print(f"progress {done}/{len(rows)} {row}", flush=True)
            what, number = row.split("-")
            for column, figures in ROWS[what](what, int(number)):
                print(f"figure {row} {column}", *(f"{figure:.2f}" for figure in figures))


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"sockets: {trouble}")
