# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "image": the toolchain root, without what only compiles or draws, as a file system that the
# VM mounts from a disk. A share of the host (9p, virtiofs) asks the host for each file that is
# opened, which costs an emulated CPU half a millisecond each time: python is ready in a second from
# a disk and in ten from 9p. Needs "root".

image_inputs() {
	basename "$(step_path root)"
	cat "$lab_dir/image.sh"
}

# What only compilers read, and what only draws.
image_without='^usr/(src|lib/rustlib|lib/llvm-[0-9]+|libexec/gcc|lib/gcc|share/unicode'
image_without+='|lib/python3/dist-packages/(matplotlib|numpy|scipy|sympy|mpmath|fontTools))/.'

image_make() {
	local work=$1
	mkdir "$work/tree"
	lab_chroot --bind "$(step_path root)/tree" /lab/step --bind-rw "$work/tree" /lab/image -- \
		mkfs.erofs --quiet --preserve-mtime --exclude-regex="$image_without" \
		/lab/image/root.erofs /lab/step
}
