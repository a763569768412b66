# SPDX-License-Identifier: GPL-2.0
"""
How the kernel's build compiles a Rust source of ours, taken from what it has left behind: a file
.NAME.o.cmd beside each object.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path("/wren")
BUILD = CHECKOUT / "build"


class NotBuilt(Exception):
    """The modules have to be built first; the text is for a person."""


@dataclass
class Command:
    """The flags for a source: without the source, and without where results go."""

    directory: Path
    env: dict[str, str]
    flags: list[str]
    source: str

    def environment(self):
        """That of this process, with what the build adds."""
        return {**os.environ, **self.env}


def saved_command(kernel, target):
    """The command that made `target`, an object in build/<kernel>."""
    directory = BUILD / kernel
    file = directory / Path(target).with_name(f".{Path(target).name}.cmd")
    try:
        line = file.read_text(encoding="utf-8").splitlines()[0]
    except FileNotFoundError:
        raise NotBuilt(f"there is no {file}: build the modules for that kernel first") from None
    text = line.split(":=", 1)[1].replace("$(pound)", "#").replace("$$", "$")
    words = shlex.split(text)
    # Behind the source there may be commands that look at the object.
    end = next(n for n, word in enumerate(words) if word.rstrip(";").endswith(".rs"))
    compiler = next(n for n, word in enumerate(words) if "=" not in word)
    flags = []
    skip = False
    for word in words[compiler + 1 : end]:
        if skip or word.startswith("--emit="):
            skip = False
        elif word in ("--out-dir", "--crate-type"):
            skip = True
        else:
            flags.append(word)
    env = dict(word.split("=", 1) for word in words[:compiler])
    # What the makefiles export: the kernel uses unstable features, and knet generates its bindings.
    env["RUSTC_BOOTSTRAP"] = "1"
    env["KNET_GENERATED"] = str(directory / "rust/bindings")
    return Command(directory, env, flags, words[end].rstrip(";"))


def crate(kernel):
    """The flags for knet itself."""
    return saved_command(kernel, "rust/knet.o")


def driver(kernel):
    """The flags for a driver that uses knet, unsafe code forbidden."""
    return saved_command(kernel, "drivers/wren_nic/wren_nic.o")
