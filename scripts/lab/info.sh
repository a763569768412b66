# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# "lab info": what is there.

lab_info() {
	if [[ ! -d $cache/lock ]]; then
		say "there is no lab in $cache; \"make lab\" makes one"
		return
	fi
	use_cache
	printf 'lab in %s\n\n' "$cache"
	info_line step size made took ''
	local step
	for step in "${all_steps[@]}"; do
		info_step "$step"
	done
	info_line all "$(size_of "$cache")"
	printf '\n'
	! step_done root || lab_versions
}

info_line() {
	printf '%-8s %-6s %-21s %-14s %s\n' "$1" "$2" "${3:-}" "${4:-}" "${5:-}"
}

size_of() {
	as_root du -sh "$1" 2>/dev/null | cut -f1
}

info_step() {
	local dir
	if ! step_done "$1"; then
		info_line "$1" - 'not made' '' "${about[$1]}"
		return
	fi
	dir=$(step_path "$1")
	info_line "$1" "$(size_of "$dir")" "$(info_of "$dir" built)" \
		"$(clock "$(info_of "$dir" seconds)")" "${about[$1]}"
}

lab_versions() {
	local debs
	if step_done debs; then
		debs=$(step_path debs)
		printf 'kernel       %s (Debian package version %s)\n' \
			"$(info_of "$debs" release)" "$(info_of "$debs" version)"
	fi
	printf 'mirror       %s\n' "$(info_of "$(step_path root)" mirror)"
	lab_chroot -- sh -s <<'END'
	first() { "$@" 2>/dev/null | head -1; }
	printf 'rustc        %s\n' "$(first rustc --version)"
	printf 'bindgen      %s\n' "$(first bindgen --version)"
	printf 'gcc          %s\n' "$(first gcc --version)"
	printf 'clang        %s\n' "$(first clang --version)"
	printf 'qemu         %s\n' "$(first qemu-system-x86_64 --version)"
	printf 'bpftrace     %s\n' "$(first bpftrace --version)"
END
}
