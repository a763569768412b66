# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# "lab clean" and "lab update".

# Keeps everybody else out until this process ends.
own_cache() {
	exec {own_fd}>>"$cache/lock/use"
	flock -n "$own_fd" ||
		die "the lab in $cache is in use (a build, a VM or a shell in it); nothing was removed"
}

lab_clean() {
	case ${1:-} in
	'' | --old) ;;
	*) die "unknown option \"$1\"; see scripts/lab/lab --help" ;;
	esac
	if [[ ! -d $cache/lock ]]; then
		say "there is no lab in $cache"
		return
	fi
	own_cache
	if [[ -z ${1:-} ]]; then
		say "removing $cache ($(du -sh "$cache" 2>/dev/null | cut -f1))"
		remove_trees "$cache"
		return
	fi
	local step dir keep=' ' old=()
	for step in "${all_steps[@]}"; do
		! step_done "$step" || keep+="$(step_path "$step") "
	done
	for dir in "$cache"/*-????????????; do
		[[ ! -d $dir || $keep == *" $dir "* ]] || old+=("$dir")
	done
	remove_stale
	if ((${#old[@]} == 0)); then
		say "nothing that this checkout does not use"
		return
	fi
	say "removing ${#old[@]} old step(s), $(du -shc "${old[@]}" 2>/dev/null | tail -1 | cut -f1)"
	remove_trees "${old[@]}"
}

# Which kernel is the newest is asked once, when it is downloaded.
lab_update() {
	if ! step_done debs; then
		say "no kernel yet; the next build takes the newest $series"
		return
	fi
	own_cache
	local dir now
	dir=$(step_path debs)
	now=$(info_of "$dir" version)
	mkdir -p "$cache/tmp/update.$$"
	debs_newest "$cache/tmp/update.$$" 2>"$(step_log update)" || die "cannot ask Debian; log: $(step_log update)"
	rm -rf "$cache/tmp/update.$$"
	if [[ $version == "$now" ]]; then
		say "$now is the newest kernel $series in Debian"
		return
	fi
	say "Debian has $version (the lab has $now); the next build takes it"
	remove_trees "$dir"
}
