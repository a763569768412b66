# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "root": a Debian tree with the toolchain, QEMU and all that runs inside the VM.

root_inputs() {
	printf '%s\n' "$suite"
	cat "$lab_dir/packages" "$lab_dir/root-hook" "$lab_dir/root.sh"
}

# Without fsync for each file (force-unsafe-io) it takes a third of the time; a tree that was not
# written to the end is not taken for a whole one anyway.
root_make() {
	local work=$1 tree=$1/tree mirror proxy
	mirror=$(find_mirror "$work")
	printf 'mirror: %s\n' "$mirror"
	mkdir -m 755 "$tree"
	# The host's proxy, if it has one, is not known inside.
	proxy=$(apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy)
	# shellcheck disable=SC2016 # the hook's argument
	LAB_HOOK=$lab_dir/root-hook as_root mmdebstrap --mode=root --variant=apt \
		--format=directory \
		--architectures=amd64 \
		--include="$(package_list | paste -sd,)" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--aptopt='Apt::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		${proxy:+--aptopt="$proxy"} \
		--customize-hook='sh "$LAB_HOOK" "$1"' \
		"$suite" "$tree" - <<<"$(apt_sources "$mirror")"
	# What other steps are keyed by: a tool that does not compile kernels can be added without
	# making those again.
	toolchain_of "$tree" >"$work/toolchain"
	printf 'mirror=%s\n' "$mirror" >>"$work/info"
}

toolchain_of() {
	# shellcheck disable=SC2016 # dpkg-query's own variables
	as_root chroot "$1" dpkg-query -W -f '${Package} ${Version}\n' binutils bindgen clang-19 \
		gcc-14 libc6-dev lld-19 llvm-19 make pahole rust-src rustc | sort
}
