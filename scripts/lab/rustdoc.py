#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""
Makes the documentation of knet with rustdoc. A warning is an error, and so is a link to a file that
the kernel does not have. Runs inside the lab; the modules have to be built.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import rustflags

KERNEL_SOURCE = Path("/lab/source")
KERNEL_DOCS = "https://rust.docs.kernel.org"
# As the kernel's rust/Makefile: such a link is to a file of the kernel's source.
SRCTREE = re.compile(r'<a href="srctree/([^"#]+)')


def rustdoc(kernel, output):
    """Returns the exit status of rustdoc."""
    command = rustflags.crate(kernel)
    links = [
        f"--extern-html-root-url={name}={KERNEL_DOCS}" for name in ("kernel", "pin_init", "macros")
    ]
    return subprocess.run(
        [
            "rustdoc",
            *command.flags,
            "-Dwarnings",
            "-Zunstable-options",
            "--generate-link-to-definition",
            *links,
            "--crate-name=knet",
            f"--output={output}",
            command.source,
        ],
        cwd=command.directory,
        env=command.environment(),
        check=False,
    ).returncode


def rewrite_links(output, source):
    """Lets links to the kernel's source lead there; returns those that lead nowhere."""
    broken = set()
    for page in output.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        linked = set(SRCTREE.findall(text))
        broken |= {file for file in linked if not (KERNEL_SOURCE / file).exists()}
        if linked:
            text = text.replace('<a href="srctree/', f'<a href="{source}/')
            page.write_text(text, encoding="utf-8")
    return sorted(broken)


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", choices=("stock", "debug"), default="stock")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--source", default=KERNEL_SOURCE, help="where the kernel's source is")
    args = parser.parse_args()
    if rustdoc(args.kernel, args.output):
        return 1
    broken = rewrite_links(args.output, args.source)
    for file in broken:
        print(f"rustdoc: the kernel has no {file}, which a link with srctree/ names")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except rustflags.NotBuilt as error:
        sys.exit(f"rustdoc: {error}")
