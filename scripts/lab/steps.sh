# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# How a step is made. Each has a name, NAME_inputs (prints what its key is the hash of) and NAME_make DIR (the recipe). A
# finished step is the directory <cache>/NAME-<key>; it is made in <cache>/tmp and renamed when it is whole, so a
# directory with the right name is always a whole one. A lock per step and key keeps two runs out of each other's way.

declare -A about=(
	[root]="toolchain, QEMU and tools (Debian $suite)"
	[debs]="Debian's newest $series kernel"
	[source]="kernel source"
	[stock]="tree for modules of Debian's kernel"
	[boot]="initramfs of the VM"
	[debug]="debug kernel (KASAN, lockdep, kmemleak, KUnit)"
	[check]="tools of make check that Debian does not have"
)
declare -A needs=([root]="" [debs]="" [source]="root debs" [stock]="root debs source" [boot]="root debs stock"
	[debug]="root debs source" [check]="root")
# In the order in which they can be made.
all_steps=(root debs source stock boot debug check)

# Paths are remembered: a key is asked for often, and depends on the keys of other steps.
declare -A path_of

# The directory of a step, whether it is there or not; what it needs has to be there.
step_path() {
	[[ -n ${path_of[$1]:-} ]] || printf '%s/%s-%s\n' "$cache" "$1" "$("$1_inputs" | hash_inputs)"
	[[ -z ${path_of[$1]:-} ]] || printf '%s\n' "${path_of[$1]}"
}

step_done() {
	local need
	[[ -z ${path_of[$1]:-} ]] || return 0
	for need in ${needs[$1]}; do
		step_done "$need" || return
	done
	need=$(step_path "$1")
	[[ -e $need/info ]] && path_of[$1]=$need
}

step_log() {
	printf '%s/log/%s.log\n' "$cache" "$1"
}

clock() {
	if (($1 < 100)); then
		printf '%d s' "$1"
	else
		printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
	fi
}

# "took 86 s last time", when there was a last time.
last_time() {
	local seconds
	seconds=$(cat "$cache/times/$1" 2>/dev/null) || return 0
	printf 'took %s last time' "$(clock "$seconds")"
}

# Runs the recipe. The process that does the work also puts the result into place: should whoever started it be killed,
# the step still ends as a whole one, or not at all.
run_recipe() {
	local name=$1 path=$2 work=$3 start=$SECONDS
	export reason=$work/reason
	(
		set -euo pipefail
		"${name}_make" "$work"
		printf 'built=%s\nseconds=%s\n' "$(date -u '+%Y-%m-%d %H:%M UTC')" $((SECONDS - start)) >>"$work/info"
	) || return
	printf '%s\n' $((SECONDS - start)) >"$cache/times/$name"
	mv -T "$work" "$path"
}

# What was begun and is nobody's any more: its lock can be had. $1: all but the step with this name and key.
remove_stale() {
	local dir lock
	for dir in "$cache"/tmp/*; do
		[[ -d $dir ]] || continue
		lock=$cache/lock/$(basename "${dir%.*}")
		[[ $(basename "$lock") != "${1:-}" ]] || continue
		(
			exec {fd}>"$lock"
			flock -n "$fd" && remove_trees "$dir"
		) || true
	done
}

# Takes the lock of a step; the number of the open file is left in lock_fd.
lock_step() {
	local name=$1 lock=$2 holder
	exec {lock_fd}>>"$lock"
	if ! flock -n "$lock_fd"; then
		holder=$(<"$lock")
		say "$name: another run is making it (process ${holder:-unknown}); waiting for that one to finish"
		flock "$lock_fd"
	fi
	printf '%s\n' "$$" >"$lock"
}

# State of the wave that is being made.
declare -A job_pid job_start job_work

stop_jobs() {
	local name
	trap - INT TERM HUP
	for name in "${!job_pid[@]}"; do
		kill -TERM -- "-${job_pid[$name]}" 2>/dev/null || true
	done
	wait
	printf '\n' >&2
	say "stopped. What is finished is kept; the next run goes on from there."
	exit 130
}

# A recipe that failed: the reason if it gave one, else the end of its log.
report_failure() {
	local name=$1 log
	log=$(step_log "$name")
	say "$name FAILED after $(clock $((SECONDS - job_start[$name])))"
	if [[ -s ${job_work[$name]}/reason ]]; then
		sed 's/^/  /' "${job_work[$name]}/reason" >&2
	else
		tail -n 20 "$log" | sed 's/^/  | /' >&2
	fi
	say "full log: $log"
	say "finished steps are kept: put right what is said above and give the same command again"
}

# One line that says what is going on; $@: names of the steps.
show_progress() {
	local name text=
	for name in "$@"; do
		text+="$name $(clock $((SECONDS - job_start[$name])))"
		[[ ! -e $cache/times/$name ]] || text+=" ($(last_time "$name"))"
		text+=", "
	done
	text=${text%, }
	if [[ -t 2 ]]; then
		text+=": "$(tail -c 300 "$(step_log "${!#}")" 2>/dev/null | tr '\r\t' '\n ' | tail -n 1 | tr -dc '[:print:]')
		printf '\r\033[Klab: %s' "${text:0:$(($(tput cols 2>/dev/null || echo 80) - 7))}" >&2
	elif (((SECONDS - job_start[$1]) % 30 == 0)); then
		say "still at it: $text"
	fi
}

# Makes steps that do not depend on each other, side by side.
make_wave() {
	local name path failed=0 running=()
	set -m
	for name in "$@"; do
		! step_done "$name" || continue
		path=$(step_path "$name")
		lock_step "$name" "$cache/lock/$(basename "$path")"
		if [[ -e $path/info ]]; then
			exec {lock_fd}>&-
			continue
		fi
		remove_trees "$cache/tmp/$(basename "$path")".*
		job_work[$name]=$cache/tmp/$(basename "$path").$$
		job_start[$name]=$SECONDS
		mkdir "${job_work[$name]}"
		say "$name: ${about[$name]} ... $(last_time "$name")"
		run_recipe "$name" "$path" "${job_work[$name]}" >"$(step_log "$name")" 2>&1 </dev/null &
		job_pid[$name]=$!
		# The job holds the lock now, and lets go of it by ending.
		exec {lock_fd}>&-
		running+=("$name")
	done
	set +m
	trap stop_jobs INT TERM HUP
	while ((${#running[@]})); do
		sleep 1
		local still=()
		for name in "${running[@]}"; do
			if kill -0 "${job_pid[$name]}" 2>/dev/null; then
				still+=("$name")
				continue
			fi
			[[ ! -t 2 ]] || printf '\r\033[K' >&2
			if wait "${job_pid[$name]}"; then
				say "$name: done in $(clock $((SECONDS - job_start[$name])))"
			else
				report_failure "$name"
				failed=1
			fi
			unset "job_pid[$name]"
		done
		running=("${still[@]}")
		((${#running[@]} == 0)) || show_progress "${running[@]}"
	done
	trap - INT TERM HUP
	((failed == 0)) || exit 1
}

# Makes a step and all that it needs.
make_step() {
	local name=$1
	! step_done "$name" || return 0
	case $name in
	root) make_wave root ;;
	debs) make_wave debs ;;
	check) make_wave root && make_wave check ;;
	*)
		# These two take most of the time where the network is slow, and one of them needs few CPUs.
		make_wave root debs
		for need in ${needs[$name]}; do
			make_wave "$need"
		done
		make_wave "$name"
		;;
	esac
}
