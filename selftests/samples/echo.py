#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The programs in samples/user, which show how AF_WREN is used: each talks to each."""

import re
import socket
import subprocess
from pathlib import Path

from wren import (
    LONG,
    SO_RCVBUFFORCE,
    KsftNamedVariant,
    Pair,
    defer,
    eventually,
    ksft_eq,
    ksft_exit,
    ksft_in,
    ksft_run,
    ksft_true,
    ksft_variants,
)
from wrensock import WrenSocket

PROGRAMS = {name: Path(__file__).with_name(name) for name in ("wren_echo", "wren_echo_rust")}
EACH = [KsftNamedVariant(name, path) for name, path in PROGRAMS.items()]
PORT = 7


class Server:
    """One at b; it has begun to listen."""

    def __init__(self, program, pair, port=PORT):
        with pair.ns_b.entered():
            self.process = subprocess.Popen(
                [program, "-p", str(port), pair.B],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        defer(self.close)
        ksft_eq(self.process.stdout.readline(), f"answering on port {port}\n")

    def close(self):
        """End it, if it has not ended."""
        self.process.kill()
        self.process.communicate()

    def ends(self):
        """How it ends by itself: (status, what it complained about)."""
        _, said = self.process.communicate(timeout=LONG)
        return self.process.returncode, said


def ask(program, pair, *options):
    """What a client at a says: (status, output, complaints)."""
    mac = pair.ns_b.link(pair.B)["address"].hex(":")
    with pair.ns_a.entered():
        result = subprocess.run(
            [program, *options, pair.A, mac],
            capture_output=True,
            text=True,
            timeout=10 * LONG,
            check=False,
        )
    return result.returncode, result.stdout, result.stderr


def patience(seconds=LONG):
    """The option: the client waits so long for each answer."""
    return "-w", str(int(seconds * 1000))


@ksft_variants(EACH)
def clients_are_answered(program):
    """The clients of both languages get all their answers, and say so."""
    pair = Pair()
    Server(program, pair)
    for client in PROGRAMS.values():
        ksft_eq(ask(client, pair, "-n", "20", *patience()), (0, "20 of 20 answered\n", ""))


@ksft_variants(EACH)
def client_without_server_gives_up(program):
    """A client that nobody answers says so, and fails."""
    status, said, complaint = ask(program, Pair(), *patience(0.01))
    ksft_eq((status, said), (1, ""))
    ksft_in('no answer to "question 1"', complaint)


@ksft_variants(EACH)
def server_waits_for_the_wire(program):
    """A server whose send buffer is full loses no answer: it waits until there is room."""
    pair = Pair()
    Server(program, pair)
    sock = WrenSocket(pair.ns_a)
    defer(sock.close)
    sock.sock.settimeout(LONG)
    # All answers come at once in the end.
    sock.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
    index, mac = pair.ns_a.link(pair.A)["index"], pair.ns_b.link(pair.B)["address"]
    pair.ns_b.speed(pair.B, 0)

    def buffers():
        """What the server is charged for: (sent, received)."""
        with pair.ns_b.entered(), open("/proc/thread-self/net/wren", encoding="ascii") as file:
            columns = next(line.split() for line in file if re.match(rf"dgram +{PORT} ", line))
        return int(columns[6]), int(columns[7])

    # Of the same size: so a few more are not lost while half of that is free.
    with open("/proc/sys/net/core/wmem_default", encoding="ascii") as file:
        size = int(file.read())
    questions = [number.to_bytes(2, "big") * 700 for number in range(130)]
    for number, question in enumerate(questions):
        if number % 16 == 0:
            ksft_true(eventually(lambda: buffers()[1] < size // 2), "the server takes what comes")
        sock.sendto(question, index, PORT, mac)
    ksft_true(eventually(lambda: buffers()[0] >= size), "the send buffer is full")
    pair.ns_b.speed(pair.B, None)
    for question in questions:
        ksft_eq(sock.sock.recv(2000), question)


@ksft_variants(EACH)
def server_survives_a_device_that_goes_down(program):
    """It says that the device is down, and answers again when it is up again."""
    pair = Pair()
    server = Server(program, pair)
    pair.ns_b.change(pair.B, up=False)
    ksft_in("Network is down", server.process.stderr.readline())
    pair.ns_b.change(pair.B, up=True)
    ksft_true(eventually(lambda: pair.ns_a.carrier(pair.A)))
    ksft_eq(ask(program, pair, *patience()), (0, "5 of 5 answered\n", ""))


@ksft_variants(EACH)
def server_ends_with_its_device(program):
    """A server whose device is removed says so, and ends."""
    pair = Pair()
    server = Server(program, pair)
    pair.ns_a.delete(pair.A)
    status, said = server.ends()
    ksft_eq(status, 1)
    ksft_in("No such device", said)


@ksft_variants(EACH)
def servers_do_not_answer_each_other(program):
    """What comes from the port of the service is not answered: that would go on for ever."""
    pair = Pair()
    Server(program, pair)
    mac = pair.ns_b.link(pair.B)["address"]
    index = pair.ns_a.link(pair.A)["index"]
    for port in (PORT, PORT + 1):
        sock = WrenSocket(pair.ns_a)
        defer(sock.close)
        sock.sock.settimeout(LONG)
        sock.bind(index, port)
        sock.sendto(b"%d" % port, index, PORT, mac)
        if port != PORT:
            ksft_eq(sock.sock.recv(100), b"%d" % port)
            continue
        silent = sock
    # The first was before the second, which has been answered.
    silent.sock.setblocking(False)
    try:
        ksft_eq(silent.sock.recv(100), None)
    except BlockingIOError:
        pass


@ksft_variants(EACH)
def bad_arguments_are_refused(program):
    """Wrong words give the usage or a reason."""
    for words in ("", "wren-c", "a b c", "-p x lo", "-p", "lo mac", "lo"):
        result = subprocess.run(
            [program, *words.split()],
            capture_output=True,
            text=True,
            timeout=5 * LONG,
            check=False,
        )
        ksft_true(result.returncode in (1, 2), words)
        ksft_true(result.stderr, words)


def main():
    """Run them."""
    ksft_run(
        [
            clients_are_answered,
            client_without_server_gives_up,
            server_waits_for_the_wire,
            server_survives_a_device_that_goes_down,
            server_ends_with_its_device,
            servers_do_not_answer_each_other,
            bad_arguments_are_refused,
        ]
    )
    ksft_exit()


if __name__ == "__main__":
    main()
