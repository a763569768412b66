# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "debug": the same source with every checker that finds what modules do wrong: allnoconfig
# plus debug.config. Built with LLVM, because KASAN with Rust needs clang. Needs "source".

debug_inputs() {
	info_of "$(step_path debs)" version
	cat "$(step_path root)/toolchain" "$lab_dir/debug.config" "$lab_dir/debug.sh"
}

debug_make() {
	local work=$1 source line lost= release args=(ARCH=x86 LLVM=1)
	source=$(step_path source)/tree
	mkdir "$work/tree"
	# A module for it is built with the same words: see "kbuild".
	printf '%s\n' "${args[@]}" >"$work/tree/.lab-make-args"
	cp "$lab_dir/debug.config" "$work/tree/fragment.config"
	local run=(lab_chroot --bind "$source" /lab/source --bind-rw "$work/tree" /lab/debug --
		make -C /lab/source O=/lab/debug "${args[@]}")
	"${run[@]}" KCONFIG_ALLCONFIG=/lab/debug/fragment.config allnoconfig
	while read -r line; do
		grep -qxF "$line" "$work/tree/.config" || lost+=" $line"
	done < <(grep '^CONFIG' "$work/tree/fragment.config")
	[[ -z $lost ]] || fail "Lines of scripts/lab/debug.config that the kernel's" \
		"configuration did not take (a dependency is missing, or the option has another" \
		"name now):$lost"
	"${run[@]}" -j"$(nproc)" vmlinux modules
	release=$(<"$work/tree/include/config/kernel.release")
	lab_chroot --bind "$source" /lab/source --bind "$work/tree" /lab/debug \
		--bind-rw "$work" /lab/step -- \
		make -C /lab/debug "${args[@]}" INSTALL_MOD_PATH=/lab/step/modules modules_install
	rm -f "$work/modules/lib/modules/$release"/{build,source}
	# Modules are built with the headers, the Rust metadata and Module.symvers; the objects are
	# most of the size.
	find "$work/tree" -name '*.[oa]' -delete
	printf 'release=%s\n' "$release" >>"$work/info"
}
