# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Step "check": tools of "make check" that Debian does not package, in a Python environment of
# their own. Made only when they are asked for. Needs "root".

ruff_version=0.17.5

check_inputs() {
	printf '%s\n' "$suite"
	cat "$lab_dir/check.sh"
}

check_make() {
	local work=$1
	mkdir "$work/tree"
	lab_chroot --bind-rw "$work/tree" /lab/check -- sh -euc "
		python3 -m venv /lab/check
		/lab/check/bin/pip install --no-compile --disable-pip-version-check ruff==$ruff_version
	" || fail "ruff $ruff_version could not be installed with pip (the end of the log says why);" \
		"only \"make check\" needs it."
	printf 'ruff=%s\n' "$ruff_version" >>"$work/info"
}
