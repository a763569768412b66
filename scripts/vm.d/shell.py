#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A VM with a shell for a person, by virtme-ng. Runs inside the lab; scripts/vm calls it.

Slower to boot than what run.py does, but a whole system: the root's own tools, a terminal with job
control, the checkout as the host has it at any moment.
"""

import argparse
import os
import shlex
import subprocess
import sys

import run


def command(args):
    """What virtme-ng is called with."""
    kernel = {"stock": "/lab/boot/vmlinuz", "debug": "/lab/debug/arch/x86/boot/bzImage"}
    qemu = []
    for n in range(2):
        qemu += ["-netdev", f"hubport,id=nic{n},hubid=0"]
        qemu += ["-device", f"virtio-net-pci,netdev=nic{n},mac={run.MAC.format(n)},romfile="]
    if args.icount:
        qemu += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    qemu += shlex.split(args.qemu_opts)
    vng = ["vng", "--run", kernel[args.kernel], "--user", "root", "--cwd", "/wren"]
    vng += ["--cpus", str(args.cpus), "--memory", args.mem, "--disable-microvm"]
    if args.accel == "tcg":
        vng += ["--disable-kvm"]
    return [*vng, f"--qemu-opts={shlex.join(qemu)}"]


def main():
    parser = argparse.ArgumentParser()
    run.add_machine_arguments(parser)
    args = parser.parse_args()
    if not (os.isatty(0) and os.isatty(1)):
        run.say("a shell needs a terminal; for a script: scripts/vm -- COMMAND")
        return 2
    return subprocess.run(command(args), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
