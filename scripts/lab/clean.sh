# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# "lab clean" and "lab update".

# Keeps everybody else out until this process ends.
own_cache() {
	exec {own_fd}>>"$cache/lock/use"
	flock -n "$own_fd" || die "the lab in $cache is in use (a build, a VM or a shell in it);" \
		"nothing was removed"
}

lab_clean() {
	[[ ${1:-} == '' || $1 == --old ]] || die "unknown option \"$1\"; see scripts/lab/lab --help"
	if [[ ! -d $cache/lock ]]; then
		say "there is no lab in $cache"
		return
	fi
	own_cache
	if [[ ${1:-} == --old ]]; then
		clean_old
	else
		say "removing $cache"
		remove_trees "$cache"
	fi
}

# Steps that other versions of the checkout have left. Some other checkout may still want them.
clean_old() {
	local step dir keep=' ' old=()
	for step in "${all_steps[@]}"; do
		! step_done "$step" || keep+="$(step_path "$step") "
	done
	for dir in "$cache"/*-????????????; do
		[[ ! -d $dir || $keep == *" $dir "* ]] || old+=("$dir")
	done
	remove_stale
	if ((${#old[@]} == 0)); then
		say "there is nothing that this checkout does not use"
		return
	fi
	say "removing what this checkout does not use: $(basename -a "${old[@]}" | xargs)"
	remove_trees "${old[@]}"
}

# Which kernel is the newest is asked once, when it is downloaded. This asks again.
lab_update() {
	local dir now log work=$cache/tmp/update.$$ mirror apt version release
	if ! step_done debs; then
		say "there is no kernel yet; the next build takes the newest $series"
		return
	fi
	own_cache
	dir=$(step_path debs)
	now=$(info_of "$dir" version)
	log=$(step_log update)
	mkdir -p "$work"
	step_work=$work
	if ! debs_newest "$work" 2>"$log"; then
		tail -n 5 "$log" >&2
		die "cannot find out what Debian has; log: $log"
	fi
	rm -rf "$work"
	if [[ $version == "$now" ]]; then
		say "$now is the newest $series in Debian"
	else
		say "Debian has $version, the lab has $now; the next build takes the new one"
		remove_trees "$dir"
	fi
}
