# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "source": the kernel's source, unpacked. Needs "root" (for xz) and "debs".

source_inputs() {
	info_of "$(step_path debs)" version
	cat "$lab_dir/source.sh"
}

source_make() {
	local work=$1 debs
	debs=$(step_path debs)
	mkdir "$work/tree"
	lab_chroot --bind "$debs/tree" /lab/step --bind-rw "$work/tree" /lab/source -- \
		tar -C /lab/source --strip-components=1 --no-same-owner \
		-xf "/lab/step/usr/src/linux-source-$series.tar.xz"
	printf 'version=%s\n' "$(info_of "$debs" version)" >>"$work/info"
}
