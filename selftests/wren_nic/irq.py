#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Coalescing of interrupts: what waits for one, how long, and what does not."""

import re
import time

from flow import Flow, refused
from wren import (
    KsftNamedVariant,
    Pair,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_gt,
    ksft_run,
    ksft_true,
    ksft_variants,
)

# The longest time that an interrupt may be late, in microseconds: no test waits for it to end.
NEVER = 10_000_000
# Seconds that are too short for it
SOON = 6
RING = 256


def shown(namespace, name):
    """What `ethtool -c` says of the parameters that there are."""
    text = namespace.run(f"ethtool -c {name}")
    found = re.findall(r"^([rt]x-(?:usecs|frames)):\s*(\d+)$", text, re.MULTILINE)
    return {key: int(value) for key, value in found}


def at_a(flow, settings):
    """Set something at the sending end."""
    flow.ns_a.run(f"ethtool -C {Pair.A} {settings}")


def at_b(flow, settings):
    """Set something at the receiving end."""
    flow.ns_b.run(f"ethtool -C {Pair.B} {settings}")


def settings_belong_to_an_end():
    """All are 0 at first; what is set at one end is shown there, and only there."""
    pair = Pair()
    zero = {"rx-usecs": 0, "rx-frames": 0, "tx-usecs": 0, "tx-frames": 0}
    ksft_eq(shown(pair.ns_a, Pair.A), zero)
    values = {"rx-usecs": 1, "rx-frames": 2, "tx-usecs": 3, "tx-frames": 4}
    words = " ".join(f"{key} {value}" for key, value in values.items())
    pair.ns_a.run(f"ethtool -C {Pair.A} {words}")
    ksft_eq(shown(pair.ns_a, Pair.A), values)
    ksft_eq(shown(pair.ns_b, Pair.B), zero)
    pair.ns_a.run(f"ethtool -C {Pair.A} rx-usecs 5")
    ksft_eq(shown(pair.ns_a, Pair.A), values | {"rx-usecs": 5})
    # The UAPI's way to say "at once".
    pair.ns_b.run(f"ethtool -C {Pair.B} rx-usecs 0 rx-frames 1")
    ksft_eq(shown(pair.ns_b, Pair.B), zero | {"rx-frames": 1})


@ksft_variants(
    [
        KsftNamedVariant("tx_frames_only", "tx-frames 4", "a time is needed"),
        KsftNamedVariant("rx_frames_only", "rx-frames 2", "a time is needed"),
        KsftNamedVariant("tx_too_long", "tx-usecs 10000001", "10 seconds at the latest"),
        KsftNamedVariant("rx_too_long", "rx-usecs 4294967295", "10 seconds at the latest"),
        KsftNamedVariant("half_good", "rx-usecs 7 tx-usecs 0 tx-frames 9", "a time is needed"),
        KsftNamedVariant("unsupported", "tx-usecs-irq 5", "unsupported parameter"),
        KsftNamedVariant("adaptive", "adaptive-rx on", "unsupported parameter"),
    ]
)
def refusal_says_why(settings, text):
    """What cannot be is refused with a message, and changes nothing."""
    pair = Pair()
    before = shown(pair.ns_a, Pair.A)
    refused(pair.ns_a, f"ethtool -C {Pair.A} {settings}", text)
    ksft_eq(shown(pair.ns_a, Pair.A), before)


@ksft_variants(
    [
        KsftNamedVariant("of_the_sender", at_a, "tx-usecs 200000"),
        KsftNamedVariant("of_the_receiver", at_b, "rx-usecs 200000"),
    ]
)
def c34_claim_lasts_until_the_interrupt(change, settings):
    """The sender is charged, and the receiver waits, until the time after the packet is over."""
    flow = Flow()
    change(flow, settings)
    start = time.monotonic()
    flow.send(1)
    ksft_gt(flow.charged(), 0)
    flow.sink.recv(2048)
    ksft_ge(time.monotonic() - start, 0.2)
    flow.settled()


def c34_age_is_wire_and_interrupt():
    """On a slow wire the time begins when the packet has crossed it."""
    flow = Flow()
    # 1066 bytes with what Ethernet adds: 85 ms.
    flow.ns_a.run(f"ethtool -s {Pair.A} speed 1 duplex full autoneg off")
    at_a(flow, "tx-usecs 100000")
    start = time.monotonic()
    for _ in range(2):
        flow.send(5)
        for _ in range(5):
            flow.sink.recv(2048)
    ksft_ge(time.monotonic() - start, 2 * (0.0085 + 0.1))
    flow.settled()


def frames_end_the_wait():
    """The interrupt comes at once when there are as many frames as it waits for."""
    flow = Flow(ring_only=True)
    at_b(flow, f"rx-usecs {NEVER} rx-frames 8")
    start = time.monotonic()
    flow.send(7)
    time.sleep(0.2)
    few = flow.received()
    if time.monotonic() - start < SOON:
        ksft_eq(few, 0, "seven are not enough")
    flow.send(1)
    ksft_true(flow.arrives(8, SOON), "eight are")
    flow.settled()


def both_ends_have_to_want_it():
    """Where each end has a number of its own, it takes the larger one."""
    flow = Flow(ring_only=True)
    at_a(flow, f"tx-usecs {NEVER} tx-frames 4")
    at_b(flow, f"rx-usecs {NEVER} rx-frames 8")
    start = time.monotonic()
    flow.send(5)
    time.sleep(0.2)
    few = flow.received()
    if time.monotonic() - start < SOON:
        ksft_eq(few, 0, "five are enough for one of them only")
    flow.send(3)
    ksft_true(flow.arrives(8, SOON))
    flow.settled()


def c39_full_ring_does_not_wait():
    """A ring that is full is emptied at once, so that its queue goes on."""
    flow = Flow(ring_only=True)
    at_a(flow, f"tx-usecs {NEVER}")
    flow.send(2 * RING)
    ksft_true(flow.arrives(RING, SOON), f"{flow.received()} packets")
    ksft_gt(flow.counter("stops"), 0)
    at_a(flow, "tx-usecs 0")
    ksft_true(flow.arrives(2 * RING), "a new setting is for what waits, too")
    flow.settled()


def c38_limited_queue_goes_on():
    """A queue that BQL has stopped goes on with the interrupt, each time anew."""
    flow = Flow()
    flow.bql("limit_max", 2 * flow.FRAME)
    at_a(flow, "tx-usecs 20000")
    start = time.monotonic()
    flow.send(21)
    ksft_true(flow.arrives(21), "it is never stuck")
    # BQL accepts the packet that crosses its limit: three at a time.
    ksft_ge(time.monotonic() - start, 6 * 0.02)
    flow.settled()


def c37_down_ends_the_wait():
    """What waits for an interrupt when the device goes down is dropped, and later it works."""
    flow = Flow(ring_only=True)
    at_a(flow, f"tx-usecs {NEVER}")
    flow.send(5)
    start = time.monotonic()
    flow.ns_b.change(Pair.B, up=False)
    ksft_true(eventually(lambda: flow.charged() == 0, SOON), "all bytes come back")
    if time.monotonic() - start < SOON:
        ksft_eq(flow.counter("purged"), 5)
    flow.ns_b.change(Pair.B, up=True)
    flow.pair.up()
    at_a(flow, "tx-usecs 1000")
    before = flow.received()
    flow.send(5)
    ksft_true(flow.arrives(before + 5), "it sends again")


def change_under_traffic():
    """Whatever is set while packets flow, none is lost, and none is left."""
    flow = Flow()

    def change():
        for _ in range(5):
            for usecs, frames in ((50, 0), (2000, 4), (NEVER, 16), (0, 0), (300, 1)):
                at_a(flow, f"tx-usecs {usecs} tx-frames {frames}")
                at_b(flow, f"rx-usecs {usecs // 2} rx-frames {frames and frames - 1}")
        at_a(flow, "tx-usecs 0 tx-frames 0")
        at_b(flow, "rx-usecs 0 rx-frames 0")

    flow.flood(change)


def main():
    """Run them."""
    ksft_run(
        [
            settings_belong_to_an_end,
            refusal_says_why,
            c34_claim_lasts_until_the_interrupt,
            c34_age_is_wire_and_interrupt,
            frames_end_the_wait,
            both_ends_have_to_want_it,
            c39_full_ring_does_not_wait,
            c38_limited_queue_goes_on,
            c37_down_ends_the_wait,
            change_under_traffic,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
