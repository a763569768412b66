# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Running a command inside the toolchain root.

# lab_chroot [--bind SRC DST | --bind-rw SRC DST]... [--cwd DIR] [--user UID:GID] -- COMMAND...
# Changes nothing in the root: that is mounted read-only, like everything that is not asked for
# with --bind-rw.
lab_chroot() {
	as_root sh "$lab_dir/inside" "$(step_path root)/tree" "$@"
}

# The same, but becomes the command.
lab_exec() {
	replace="exec" lab_chroot "$@"
}
