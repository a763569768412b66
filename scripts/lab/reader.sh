# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "reader": programs that only read what the project writes, the manual page and captured
# frames. They lie beside the toolchain root, which is made anew when its list of packages changes,
# and all kernels with it. Unpacked are the packages that the root lacks, and what those need. Needs
# "root".

reader_packages=(mandoc tshark)

reader_inputs() {
	basename "$(step_path root)"
	cat "$lab_dir/reader.sh"
}

reader_make() {
	local work=$1 mirror apt deb
	mirror=$(find_mirror "$work")
	apt=$work/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$work/tree"
	# To apt all that is in the root is installed; what it would install is missing there.
	cp "$(step_path root)/tree/var/lib/dpkg/status" "$apt/status"
	apt_sources "$mirror" >"$apt/sources.list"
	lab_apt apt-get -o APT::Update::Error-Mode=any update
	lab_apt apt-get -o Debug::NoLocking=true --yes --download-only --no-install-recommends \
		install "${reader_packages[@]}" ||
		fail "$mirror does not have all of: ${reader_packages[*]}, and what they need." \
			"The log says what is missing."
	for deb in "$apt"/archives/*.deb; do
		dpkg-deb -x "$deb" "$work/tree"
	done
	rm -rf "$apt"
	# Without this tshark passes over the scripts of root, and says nothing.
	printf 'run_user_scripts_when_superuser = true\n' \
		>"$work/tree/usr/lib/x86_64-linux-gnu/wireshark/plugins/init.lua"
	printf 'mirror=%s\n' "$mirror" >>"$work/info"
}
