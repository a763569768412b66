# SPDX-License-Identifier: GPL-2.0
"""
What a datagram of AF_WREN costs, and what an idle socket, against UDP and packet sockets over the
same wren pair. bench/sockets.py measures.
"""

from benchlib.suite import Row, Suite, read_figures, read_setup


def read(output):
    """The reference is who does as much: UDP; without a checksum also AF_PACKET."""
    figures = read_figures(output)
    for name, row in figures.items():
        equals = ("udp", "packet") if "nosum" in name else ("udp",)
        row["bound"] = min(row[column] for column in equals)
    return figures


SUITE = Suite(
    title="af_wren",
    unit="instructions a datagram or a round trip, or bytes",
    columns={
        "wren": "AF_WREN",
        "udp": "UDP",
        "packet": "AF_PACKET",
        "bound": "reference",
        "unix": "AF_UNIX",
    },
    reference="bound",
    ours="wren",
    rows=[
        Row("dgram-64", "datagram, 64 B", 1.00),
        Row("dgram-1400", "datagram, 1400 B", 1.00),
        Row("rr-64", "request and response, 64 B", 1.00),
        Row("rr-1400", "request and response, 1400 B", 1.00),
        Row("nosum-64", "datagram, 64 B, no checksum", 1.00),
        Row("nosum-1400", "datagram, 1400 B, no checksum", 1.00),
        Row("nosumrr-64", "request and response, 64 B, no checksum", 1.00),
        Row("nosumrr-1400", "request and response, 1400 B, no checksum", 1.00),
        Row("object-1", "bytes of a socket", 1.00),
        Row("open-10000", "bytes of a bound socket and its file", 1.00),
    ],
    modules=["knet", "wren_nic", "af_wren"],
    command=lambda rows: f"python3 -B bench/sockets.py {' '.join(rows)}",
    read=read,
    setup=read_setup,
    programs=["flows", "crowd"],
    plot=True,
)
