# SPDX-License-Identifier: GPL-2.0
"""
What a packet costs on a wren pair, against veth in the same machine. bench/nic.py measures, and
knows what the parts of a row's name mean: workload, size, number of queues.
"""

from benchlib.suite import Row, Suite, read_figures, read_setup

TITLES = {
    "pktgen-60": "pktgen, 60 B",
    "pktgen-1500": "pktgen, 1500 B",
    "udp-64": "UDP, 64 B",
    "udp-1400": "UDP, 1400 B",
    "udp-rr-64": "UDP request and response, 64 B",
    "tcp-rr-64": "TCP request and response, 64 B",
    "tcp-131072": "TCP bulk, a MB",
    "tcp-tso-131072": "TCP bulk with TSO, a MB",
}

# Against veth with NAPI. In the rows with TSO there is none: see Documentation/bench.rst.
LIMIT, LIMIT_TSO = 1.00, 1.05

SUITE = Suite(
    title="wren_nic",
    unit="instructions a packet, a round trip or a MB",
    columns={
        "wren": "wren",
        "noqueue": "wren, noqueue",
        "veth_napi": "veth, NAPI",
        "veth": "veth",
        "floor": "dummy or lo",
    },
    reference="veth_napi",
    ours="wren",
    rows=[
        Row(
            f"{name}-{queues}",
            title + (", 2 queues" if queues == 2 else ""),
            LIMIT_TSO if "tso" in name else LIMIT,
        )
        for queues in (1, 2)
        for name, title in TITLES.items()
    ],
    modules=["knet", "wren_nic"],
    command=lambda rows: f"python3 -B bench/nic.py {' '.join(rows)}",
    read=read_figures,
    setup=read_setup,
    programs=["flows"],
    plot=True,
)
