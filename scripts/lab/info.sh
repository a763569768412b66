# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# "lab info": what is there.

lab_info() {
	if [[ ! -d $cache ]]; then
		say "there is no lab in $cache; \"make lab\" makes one"
		return
	fi
	printf 'lab in %s\n\n%-8s %-9s %-22s %-14s %s\n' "$cache" step size made took ''
	local step
	for step in "${all_steps[@]}"; do
		info_row "$step"
	done
	printf '%-8s %-9s\n' all "$(du -sh "$cache" 2>/dev/null | cut -f1)"
	if step_done root; then
		printf '\n'
		lab_versions
	fi
}

info_row() {
	local dir
	if ! step_done "$1"; then
		printf '%-8s %-9s %-22s %-14s %s\n' "$1" - 'not made' '' "${about[$1]}"
		return
	fi
	dir=$(step_path "$1")
	printf '%-8s %-9s %-22s %-14s %s\n' "$1" "$(du -sh "$dir" 2>/dev/null | cut -f1)" \
		"$(info_of "$dir" built)" "$(clock "$(info_of "$dir" seconds)")" "${about[$1]}"
}

lab_versions() {
	if step_done debs; then
		printf 'kernel       %s (Debian package version %s)\n' \
			"$(info_of "$(step_path debs)" release)" "$(info_of "$(step_path debs)" version)"
	fi
	printf 'mirror       %s\n' "$(info_of "$(step_path root)" mirror)"
	lab_chroot -- sh -s <<'END'
	first() { "$@" 2>/dev/null | head -1; }
	printf 'rustc        %s\n' "$(first rustc --version)"
	printf 'bindgen      %s\n' "$(first bindgen --version)"
	printf 'gcc          %s\n' "$(first gcc --version)"
	printf 'clang        %s\n' "$(first clang --version)"
	printf 'qemu         %s\n' "$(first qemu-system-x86_64 --version)"
	printf 'virtme-ng    %s\n' "$(dpkg-query -W -f '${Version}' virtme-ng)"
	printf 'bpftrace     %s\n' "$(first bpftrace --version)"
END
}
