# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "stock": a tree in which Rust modules for Debian's unmodified kernel can be built. Debian's
# headers package has no Rust metadata, so the source is prepared with Debian's configuration,
# release name and compiler; the symbols then come out with the names (and CRCs) that Debian's
# kernel exports. Needs "source".

stock_inputs() {
	info_of "$(step_path debs)" version
	cat "$(step_path root)/toolchain" "$lab_dir/stock.sh"
}

stock_make() {
	local work=$1 debs source release headers
	debs=$(step_path debs)
	source=$(step_path source)/tree
	release=$(info_of "$debs" release)
	headers=$debs/tree/usr/src/linux-headers-$release
	local args=(ARCH=x86 "KERNELRELEASE=$release" CROSS_COMPILE=x86_64-linux-gnu-
		CC=x86_64-linux-gnu-gcc-14)

	mkdir "$work/tree"
	# A module for it is built with the same words: see "kbuild".
	printf '%s\n' "${args[@]}" >"$work/tree/.lab-make-args"
	cp "$headers/.config" "$work/tree/.config"
	local run=(lab_chroot --bind "$source" /lab/source --bind-rw "$work/tree" /lab/stock --
		make -C /lab/source O=/lab/stock "${args[@]}")
	"${run[@]}" olddefconfig
	diff -u "$headers/.config" "$work/tree/.config" ||
		fail "Debian's kernel $release was configured with other tools than $suite has" \
			"now (the differences are in the log): modules built here would not fit" \
			"it. Wait for Debian to rebuild it; the debug kernel (make lab-debug)" \
			"does not depend on that."
	"${run[@]}" -j"$(nproc)" prepare modules_prepare
	# modpost and the BTF of modules want what only a whole build leaves; Debian ships both.
	cp "$headers/Module.symvers" "$headers/vmlinux" "$work/tree/"

	# The modules, and what modprobe needs to find them.
	mkdir -p "$work/modules/lib/modules"
	cp -a "$debs/tree/usr/lib/modules/$release" "$work/modules/lib/modules/"
	rm -f "$work/modules/lib/modules/$release"/{build,source,vmlinuz.unsigned}
	lab_chroot --bind-rw "$work/modules" /lab/step -- depmod -b /lab/step "$release"
	printf 'release=%s\n' "$release" >>"$work/info"
}
