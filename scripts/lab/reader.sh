# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "reader": programs that only read what the project writes, the manual page and captured
# frames. Needs "root".

reader_inputs() {
	basename "$(step_path root)"
	cat "$lab_dir/reader.sh" "$lab_dir/beside.sh"
}

reader_make() {
	unpack_beside_root "$1" mandoc tshark
	# Without this tshark passes over the scripts of root, and says nothing.
	printf 'run_user_scripts_when_superuser = true\n' \
		>"$1/tree/usr/lib/x86_64-linux-gnu/wireshark/plugins/init.lua"
}
