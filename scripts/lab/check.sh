# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
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
	local run=(lab_chroot --bind-rw "$work/tree" /lab/check --
		env PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
		${PIP_INDEX_URL:+"PIP_INDEX_URL=$PIP_INDEX_URL"})
	"${run[@]}" python3 -m venv /lab/check
	"${run[@]}" /lab/check/bin/pip install "ruff==$ruff_version" ||
		fail "pip could not install ruff $ruff_version, which \"make check\" needs and" \
			"nothing else. The log says why."
	printf 'ruff=%s\n' "$ruff_version" >>"$work/info"
}
