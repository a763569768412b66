#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots a VM, runs one command in it and reports how that went.

Runs inside the lab; scripts/vm calls it. /out is the log directory, shared with the guest.
"""

import argparse
import contextlib
import ctypes
import fcntl
import mmap
import os
import pathlib
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import termios
import time

import gate

LIMIT_REACHED = 124
VM_FAILED = 125
KERNEL_COMPLAINED = 126

OUT = pathlib.Path("/out")

# Of the two NICs; scripts/lab/init knows them by these.
MAC = "52:54:00:77:72:{:02x}"

# What each kernel needs on its command line beyond the common part.
KERNELS = {
    "stock": ("/lab/boot/vmlinux", "mitigations=off cryptomgr.notests audit=0"),
    # Without ACPI the timer is tried by counting ticks, which an emulator on a busy host fails.
    "debug": ("/lab/debug/vmlinux", "no_timer_check"),
}
# Warnings of the boot go to the console, the rest only into the kernel's buffer: a serial port is
# slow. An oops ends the VM, since what follows it says nothing any more.
COMMON = "console=ttyS0 loglevel=5 printk.time=1 log_buf_len=8M panic=-1 oops=panic"


# For who can do without what takes half of the time of the debug kernel. Each allocation that
# kmemleak notes is one of its own, whose end is a state of an object.
LIGHT = "kmemleak=off no_debug_objects"


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def tsc_khz():
    """The frequency of this CPU's time stamp counter, which is what an emulated CPU shows."""
    # rdtsc; shl rdx, 32; or rax, rdx; ret
    code = bytes.fromhex("0f31 48c1e220 4809d0 c3")
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def sample():
        # The one that was interrupted least
        return min(
            (
                (after - before, before, ticks)
                for before, ticks, after in (
                    (time.monotonic_ns(), rdtsc(), time.monotonic_ns()) for _ in range(20)
                )
            )
        )[1:]

    start, first = sample()
    time.sleep(0.1)
    end, last = sample()
    return (last - first) * 1_000_000 // (end - start)


def qemu_command(args, line_fd, nonce):
    kernel, extra = KERNELS[args.kernel]
    append = [COMMON, extra, f"wren.nonce={nonce}"]
    if args.accel == "tcg" and not args.icount:
        # A guest on a busy host measures it wrong, and its clock runs several times too fast.
        append.append(f"tsc=reliable tsc_early_khz={tsc_khz()}")
    if args.timeout:
        append.append(f"wren.limit={max(args.timeout - 20, 5)}")
    if args.light:
        append.append(LIGHT)
    command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-name", "wren"]
    command += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "pc"]
    # Slots for hotplug are half of the ACPI tables, and interpreting those is half of the boot.
    command += ["-global", "PIIX4_PM.acpi-root-pci-hotplug=off"]
    command += ["-global", "PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off"]
    # One "rep movsb" copies any number of bytes, but counts as an instruction for each of them.
    cpu = "max,erms=off,fsrm=off" if args.icount else "max"
    command += ["-cpu", cpu, "-smp", str(args.cpus), "-m", args.mem]
    if args.icount:
        command += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    elif args.accel == "kvm":
        command += ["-accel", "kvm"]
    else:
        command += ["-accel", "tcg,thread=multi"]
    command += ["-kernel", kernel, "-initrd", "/lab/boot/initramfs.cpio"]
    command += ["-append", " ".join(append)]
    command += ["-chardev", "file,id=console,path=/out/console.log", "-serial", "chardev:console"]
    command += ["-chardev", f"socket,id=line,fd={line_fd}"]
    command += ["-device", "virtio-serial-pci,max_ports=2"]
    command += ["-device", "virtserialport,chardev=line,name=wren.line"]
    if args.terminal:
        # Ctrl-C is the guest's; Ctrl-A is the way to QEMU.
        command += ["-chardev", "stdio,id=terminal,mux=on,signal=off"]
        command += ["-device", "virtconsole,chardev=terminal"]
    disk = "driver=raw,node-name=root,read-only=on,file.driver=file,file.filename="
    command += ["-blockdev", f"{disk}/lab/image/root.erofs"]
    command += ["-device", "virtio-blk-pci,drive=root"]
    share = "local,security_model=none"
    command += ["-fsdev", f"{share},id=host,path=/,readonly=on,multidevs=remap"]
    command += ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]
    command += ["-fsdev", f"{share},id=out,path=/out"]
    command += ["-device", "virtio-9p-pci,fsdev=out,mount_tag=out"]
    for n in range(2):
        command += ["-netdev", f"hubport,id=nic{n},hubid=0"]
        command += ["-device", f"virtio-net-pci,netdev=nic{n},mac={MAC.format(n)},romfile="]
    return command + shlex.split(args.qemu_opts)


class Line:
    """The guest's end of the conversation: output of the command, with marks in it.

    A mark is NUL "wren:<nonce>:<text>" newline; a command cannot know the nonce.
    """

    def __init__(self, nonce, output):
        self.prefix = f"\0wren:{nonce}:".encode()
        self.output = output
        self.pending = b""

    def feed(self, data):
        """Passes output on; returns the marks that were complete."""
        self.pending += data
        marks = []
        while True:
            at = self.pending.find(self.prefix)
            end = self.pending.find(b"\n", at) if at >= 0 else -1
            if end < 0:
                break
            self.emit(self.pending[:at])
            marks.append(self.pending[at + len(self.prefix) : end].decode())
            self.pending = self.pending[end + 1 :]
        # What may still become a mark waits, the rest goes out.
        keep = self.pending.find(b"\0")
        if keep >= 0 and self.pending[keep:].startswith(self.prefix[: len(self.pending) - keep]):
            self.emit(self.pending[:keep])
            self.pending = self.pending[keep:]
        else:
            self.flush()
        return marks

    def flush(self):
        self.emit(self.pending)
        self.pending = b""

    def emit(self, data):
        if data:
            self.output.write(data)
            self.output.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


class Run:
    """One boot. After run(): status of the command or None, and why it ended."""

    def __init__(self, args):
        self.args = args
        self.status = None
        self.reached = "booting"
        self.limit_reached = False
        self.started = time.monotonic()
        self.command_started = None
        self.command_ended = None

    def run(self):
        nonce = secrets.token_hex(8)
        ours, theirs = socket.socketpair()
        with (OUT / "output.log").open("wb") as output, (OUT / "qemu.log").open("wb") as log:
            qemu = subprocess.Popen(
                qemu_command(self.args, theirs.fileno(), nonce),
                stdin=None if self.args.terminal else subprocess.DEVNULL,
                stdout=None if self.args.terminal else log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            try:
                self.listen(ours, Line(nonce, output))
            finally:
                qemu.kill()
                qemu.wait()
                ours.close()

    def listen(self, sock, line):
        deadline = self.started + (self.args.timeout or float("inf"))
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            while self.reached != "end":
                left = max(0, deadline - time.monotonic()) if self.args.timeout else None
                if not selector.select(left):
                    self.limit_reached = True
                    break
                try:
                    data = sock.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    break
                for mark in line.feed(data):
                    self.note(mark)
                if time.monotonic() >= deadline and self.reached != "end":
                    self.limit_reached = True
                    break
        line.flush()

    def note(self, mark):
        now = time.monotonic()
        self.reached, _, value = mark.partition(" ")
        if self.reached == "start":
            self.command_started = now
        elif self.reached == "status":
            self.command_ended = now
            self.status = int(value)

    def times(self):
        if self.command_started is None:
            return f"{time.monotonic() - self.started:.1f} s"
        end = self.command_ended or time.monotonic()
        return (
            f"boot {self.command_started - self.started:.1f} s, "
            f"command {end - self.command_started:.1f} s"
        )


def tail(path, lines=15):
    try:
        text = path.read_text(errors="replace").rstrip().splitlines()
    except FileNotFoundError:
        return
    for row in text[-lines:]:
        print(f"  | {row}", file=sys.stderr)


class Terminal:
    """Puts the terminal back as it was: a QEMU that is killed leaves it raw."""

    def __enter__(self):
        self.settings = termios.tcgetattr(0)
        self.flags = fcntl.fcntl(0, fcntl.F_GETFL)

    def __exit__(self, *_):
        termios.tcsetattr(0, termios.TCSADRAIN, self.settings)
        fcntl.fcntl(0, fcntl.F_SETFL, self.flags)


def give_to_owner():
    """Logs that root wrote belong to who has the checkout."""
    owner = os.stat("/wren")
    for path in OUT.iterdir():
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def verdict(run):
    """Says what went wrong, if something did, and returns the exit status."""
    where = run.args.log
    complaints = gate.complaints(OUT)
    if complaints:
        say(f"the kernel complained {len(complaints)} time(s):")
        for complaint in complaints:
            print(complaint, file=sys.stderr)
    if run.limit_reached:
        doing = {"booting": "it had not booted", "start": "the command was still running"}
        what = doing.get(run.reached, "looking for memory leaks")
        say(f"time limit of {run.args.timeout} s reached: {what}")
        tail(OUT / "console.log")
        say(f"logs are in {where} (stuck.txt: who waited for what)")
        return LIMIT_REACHED
    if complaints:
        said = "died before it" if run.status is None else f"exit status {run.status}"
        say(f"the command: {said}; logs are in {where}")
        return KERNEL_COMPLAINED
    if run.reached != "end":
        doing = {"booting": "did not boot", "start": "ended before the command did"}
        say(f"the VM {doing.get(run.reached, 'ended before it had saved its log')}")
        tail(OUT / "qemu.log")
        tail(OUT / "console.log")
        say(f"logs are in {where}")
        return VM_FAILED
    # What somebody typed last is no failure.
    return 0 if run.args.terminal else run.status


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", choices=KERNELS, required=True)
    parser.add_argument("--accel", choices=["kvm", "tcg"], required=True)
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--mem", required=True)
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--qemu-opts", default="")

    parser.add_argument("--timeout", type=int, required=True, help="in seconds; 0: none")
    parser.add_argument("--terminal", action="store_true", help="standard input and output too")
    parser.add_argument("--log", required=True, help="what the host calls /out")
    return parser.parse_args()


def main():
    args = parse_arguments()
    # Who reads our output may have heard enough.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # A shell starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    run = Run(args)
    try:
        with Terminal() if args.terminal else contextlib.nullcontext():
            run.run()
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        give_to_owner()
    status = verdict(run)
    how = "instruction counting" if args.icount else args.accel
    say(f"{args.kernel} kernel, {how}: {run.times()}, exit status {status}")
    return status


if __name__ == "__main__":
    sys.exit(main())
