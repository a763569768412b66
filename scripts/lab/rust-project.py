#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns the kernel's rust-project.json into ours.

usage: rust-project.py FILE INSIDE=OUTSIDE...

The kernel's generator finds the modules' crates but does not know that the drivers depend on knet,
nor where generated sources are; and all its paths are those inside the lab.
"""

import json
import pathlib
import sys

KNET = "knet"
DRIVERS = {
    "wren_nic": "/wren/drivers/wren_nic/wren_nic.rs",
    "af_wren": "/wren/drivers/af_wren/af_wren.rs",
    "knet_echo": "/wren/samples/knet_echo.rs",
}
# Names of the environment that Kbuild gives the compiler, and what stands there.
ENVIRONMENT = {"KNET_GENERATED": "/wren/build/stock/rust/bindings"}


def complete(project):
    crates = project["crates"]
    index = {crate["display_name"]: n for n, crate in enumerate(crates)}
    template = crates[index["kernel"]]
    dependencies = [
        {"crate": index[name], "name": name}
        for name in ("core", "kernel", "pin_init", "macros", "ffi", "build_error", "bindings")
    ]
    roots = {KNET: "/wren/rust/knet.rs"} | DRIVERS
    ours = [crate for crate in crates if crate["root_module"] in roots.values()]
    assert not ours or crates[-len(ours) :] == ours
    del crates[len(crates) - len(ours) :]
    for name, root in roots.items():
        top = str(pathlib.Path(root).parent)
        deps = list(dependencies)
        if name != KNET:
            deps.append({"crate": index[KNET], "name": KNET})
        index[name] = len(crates)
        crates.append(
            {
                "display_name": name,
                "root_module": root,
                "is_workspace_member": True,
                "deps": deps,
                "cfg": [*template["cfg"], "MODULE"],
                "edition": template["edition"],
                "env": {"RUST_MODFILE": root.removesuffix(".rs"), **ENVIRONMENT},
                "source": {"include_dirs": [top, *ENVIRONMENT.values()], "exclude_dirs": []},
            }
        )


def translated(value, places):
    """The same with the paths of the host."""
    if isinstance(value, dict):
        return {key: translated(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [translated(item, places) for item in value]
    if isinstance(value, str):
        for inside, outside in places:
            if value == inside or value.startswith(inside.rstrip("/") + "/"):
                return outside.rstrip("/") + value[len(inside.rstrip("/")) :]
    return value


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    project = json.loads(pathlib.Path(sys.argv[1]).read_text())
    complete(project)
    places = [tuple(place.split("=", 1)) for place in sys.argv[2:]]
    json.dump(translated(project, places), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
