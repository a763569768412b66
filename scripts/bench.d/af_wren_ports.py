# SPDX-License-Identifier: GPL-2.0
"""
What a datagram of AF_WREN costs where there are very many sockets, against what it costs where
there are none else. bench/sockets.py measures.
"""

from benchlib.suite import Row, Suite, read_figures, read_setup

SUITE = Suite(
    title="af_wren_ports",
    unit="instructions a datagram of 64 B",
    columns={
        "wren_alone": "alone",
        "wren_crowd": "in the crowd",
        "udp_alone": "UDP, alone",
        "udp_crowd": "UDP, in the crowd",
    },
    reference="wren_alone",
    ours="wren_crowd",
    rows=[
        Row("ports-1000", "1 000 sockets", 1.05),
        Row("ports-100000", "100 000 sockets", 1.05),
        Row("raw-10000", "10 000 raw sockets", 1.05),
    ],
    modules=["knet", "wren_nic", "af_wren"],
    command=lambda rows: f"python3 -B bench/sockets.py {' '.join(rows)}",
    read=read_figures,
    setup=read_setup,
    programs=["flows"],
)
