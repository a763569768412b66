# SPDX-License-Identifier: GPL-2.0
"""
What the kernel keeps in memory, and whether it has grown.

A leak that kmemleak finds nobody has a pointer to. What is looked for here somebody still points
to: a list that only grows, a reference that is never dropped.
"""

import pathlib
import time

SLAB = pathlib.Path("/sys/kernel/slab")

# Notes that debugging keeps on other objects; the others are counted themselves.
NOTES = ("kmemleak_object", "kmemleak_scan_area", "debug_objects_cache")

# An object that is kept for every fourth pair that was made, and so many bytes, is a leak: per-CPU
# caches, and slabs of which each CPU holds one, come and go by less.
PAIRS_PER_OBJECT = 4
CACHE_BYTES = 128 << 10

# All of it together, in kB. What is freed stays in the quarantine of KASAN for a while, up to a
# 32nd of the memory; pools of pages are filled as they are needed.
SLAB_KB = 8 << 10
PERCPU_KB = 1 << 10
AVAILABLE_KB = 48 << 10


class Memory:
    """What is in use at one moment."""

    def __init__(self):
        rows = pathlib.Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()[2:]
        # Name, active objects, all objects, bytes of an object, ...
        table = [row.split() for row in rows]
        self.caches = {row[0]: (int(row[1]), int(row[3])) for row in table if row[0] not in NOTES}
        lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        info = {key: int(value.split()[0]) for key, value in (line.split(":") for line in lines)}
        self.available, self.percpu = info["MemAvailable"], info["Percpu"]
        self.slab = sum(count * size for count, size in self.caches.values()) >> 10

    def __str__(self):
        return (
            f"{self.slab} kB in slabs, {self.percpu} kB for each CPU, {self.available} kB available"
        )


def settled():
    """What is in use when all that can be freed has been: namespaces die slowly, caches keep what
    they may need again, KASAN keeps what was freed."""
    last = Memory()
    for _ in range(20):
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        time.sleep(2)
        now = Memory()
        if abs(now.slab - last.slab) < 64:
            break
        last = now
    # This takes the objects of a cache out of the quarantine, too, which takes its time: only
    # those that are large enough to matter.
    for name, (count, size) in now.caches.items():
        if count * size > CACHE_BYTES // 2:
            (SLAB / name / "shrink").write_text("1", encoding="ascii")
    return Memory()


def growth(before, after, pairs):
    """What has grown by more than chance explains while so many pairs came and went, as texts."""
    for name, (count, size) in sorted(after.caches.items()):
        more = count - before.caches.get(name, (0, size))[0]
        if more > pairs // PAIRS_PER_OBJECT and more * size > CACHE_BYTES:
            yield f"{name} has grown by {more} objects of {size} bytes"
    for what, grown, limit in (
        ("slabs", after.slab - before.slab, SLAB_KB),
        ("per-CPU memory", after.percpu - before.percpu, PERCPU_KB),
        ("memory in use", before.available - after.available, AVAILABLE_KB),
    ):
        if grown > limit:
            yield f"{what}: {grown} kB more than at the beginning"
