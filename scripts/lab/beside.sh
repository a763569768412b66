# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Programs that few steps need lie beside the toolchain root, which is made anew when its list of
# packages changes, and all kernels with it. Unpacked is what the root lacks.

# Unpacks packages and what they need into the tree of a step; $1: the directory of the step.
unpack_beside_root() {
	local work=$1 mirror apt deb
	shift
	mirror=$(find_mirror "$work")
	apt=$work/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$work/tree"
	# To apt all that is in the root is installed; what it would install is missing there.
	cp "$(step_path root)/tree/var/lib/dpkg/status" "$apt/status"
	apt_sources "$mirror" >"$apt/sources.list"
	lab_apt apt-get -o APT::Update::Error-Mode=any update
	lab_apt apt-get -o Debug::NoLocking=true --yes --download-only --no-install-recommends \
		install "$@" ||
		fail "$mirror does not have all of: $*, and what they need. The log says what is" \
			"missing."
	for deb in "$apt"/archives/*.deb; do
		dpkg-deb -x "$deb" "$work/tree"
	done
	rm -rf "$apt"
	printf 'mirror=%s\n' "$mirror" >>"$work/info"
}
