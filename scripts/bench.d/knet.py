# SPDX-License-Identifier: GPL-2.0
"""
What knet costs: sequences of its calls against the same sequences in C. The two modules of bench/
measure themselves when they are loaded.
"""

import re

from benchlib.suite import Row, Suite

LINE = re.compile(r"(knet_bench|knet_bench_c): (\w+): (\d+) ns in (\d+) rounds")


def read(output):
    """The figures are of the best run, with the empty loop in them."""
    rounds = {"knet_bench": {}, "knet_bench_c": {}}
    for module, row, nanoseconds, count in LINE.findall(output):
        rounds[module][row] = int(nanoseconds) / int(count)
    rust, c = rounds["knet_bench"], rounds["knet_bench_c"]
    return {
        row: {"c": c[row] - c["empty"], "rust": rust[row] - rust["empty"]}
        for row in rust.keys() & c.keys()
    }


SUITE = Suite(
    title="knet",
    unit="instructions a round",
    columns={"c": "C", "rust": "Rust"},
    reference="c",
    ours="rust",
    rows=[
        Row("alloc", "alloc, reserve, put, push, free", 1.05),
        Row("clone", "clone, free", 1.05),
        Row("charge", "charge, orphan", 1.05),
        Row("queue", "dequeue, enqueue, locked", 1.05),
        Row("list", "dequeue, enqueue, no lock", 1.05),
        Row("header", "pull and read a header", 1.05),
        Row("header_pointer", "look at a header", 1.05),
    ],
    modules=["knet", "knet_bench_c", "knet_bench"],
    # All rows, whatever was asked for: they are quick.
    command=lambda _: "dmesg | grep knet_bench",
    read=read,
)
