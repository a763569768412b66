# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How a step is made. Each has a name, NAME_inputs (prints what its key is the hash of) and
# NAME_make DIR (the recipe). A finished step is the directory <cache>/NAME-<key>; it is made in
# <cache>/tmp and renamed when it is whole, so a directory with the right name is always a whole
# one. A lock per step and key keeps two runs out of each other's way.

declare -A about=(
	[root]="toolchain, QEMU and tools (Debian $suite)"
	[debs]="Debian's newest $series kernel"
	[source]="kernel source"
	[stock]="tree for modules of Debian's kernel"
	[image]="disk of the VM"
	[boot]="what the VM boots from"
	[debug]="debug kernel (KASAN, lockdep, kmemleak, KUnit)"
	[check]="tools of make check that Debian does not have"
	[reader]="mandoc and tshark, for the manual and the dissector"
	[model]="cargo and crates, for make model"
)
declare -A needs=(
	[root]=''
	[debs]=''
	[source]='root debs'
	[stock]='root debs source'
	[image]='root'
	[boot]='root debs source image stock'
	[debug]='root debs source'
	[check]='root'
	[reader]='root'
	[model]='root'
)
# shellcheck disable=SC2034 # for "info" and "clean"
all_steps=(root debs source image stock boot debug check reader model)

# Paths of finished steps are remembered: a key is asked for often, and depends on other steps.
declare -A path_of=()

# The directory of a step, whether it is there or not; what it needs has to be there.
step_path() {
	if [[ -n ${path_of[$1]:-} ]]; then
		printf '%s\n' "${path_of[$1]}"
	else
		printf '%s/%s-%s\n' "$cache" "$1" "$("$1_inputs" | hash_inputs)"
	fi
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

# Runs the recipe. The process that does the work also puts the result into place: should whoever
# started it be killed, the step still ends as a whole one, or not at all.
run_recipe() {
	local name=$1 path=$2 start=$SECONDS took
	step_work=$3
	# No "||" here: it would switch off errexit in all of the recipe.
	set -e
	"${name}_make" "$step_work"
	took=$((SECONDS - start))
	printf 'built=%s\nseconds=%s\n' "$(date -u '+%Y-%m-%d %H:%M UTC')" $took >>"$step_work/info"
	printf '%s\n' $took >"$cache/times/$name"
	mv -T "$step_work" "$path"
}

# What was begun and is nobody's any more: its lock can be had.
remove_stale() {
	local dir
	for dir in "$cache"/tmp/*; do
		[[ -d $dir ]] || continue
		(
			exec {fd}>>"$cache/lock/$(basename "${dir%.*}")"
			! flock -n "$fd" || remove_trees "$dir"
		)
	done
}

# Takes the lock of a step; the number of the open file is left in lock_fd.
lock_step() {
	local name=$1 lock=$2
	exec {lock_fd}>>"$lock"
	if ! flock -n "$lock_fd"; then
		say "$name: another run (process $(<"$lock")) is making it; waiting for that one"
		flock "$lock_fd"
	fi
	printf '%s\n' "$$" >"$lock"
}

# State of the wave that is being made, by step.
declare -A job_pid=() job_start=() job_work=() job_path=()

# Starts a step in the background, unless it is there.
start_step() {
	local name=$1 path
	! step_done "$name" || return 0
	path=$(step_path "$name")
	lock_step "$name" "$cache/lock/$(basename "$path")"
	if [[ ! -e $path/info ]]; then
		remove_trees "$cache/tmp/$(basename "$path")".*
		job_path[$name]=$path
		job_work[$name]=$cache/tmp/$(basename "$path").$$
		job_start[$name]=$SECONDS
		mkdir "${job_work[$name]}"
		say "$name: ${about[$name]} ... $(last_time "$name")"
		# A process group of its own: it can be stopped with all that it started.
		set -m
		run_recipe "$name" "$path" "${job_work[$name]}" \
			>"$(step_log "$name")" 2>&1 </dev/null &
		job_pid[$name]=$!
		set +m
	fi
	# The job holds the lock now, and lets go of it by ending.
	exec {lock_fd}>&-
}

stop_jobs() {
	local name
	trap - INT TERM HUP
	for name in "${!job_pid[@]}"; do
		kill -TERM -- "-${job_pid[$name]}" 2>/dev/null || true
	done
	wait
	end_progress
	say "stopped. What is finished is kept; the next run goes on from there."
	exit 130
}

# Says how a step ended; its status is the step's.
finish_step() {
	local name=$1 took=$((SECONDS - job_start[$1])) text
	end_progress
	if wait "${job_pid[$name]}"; then
		unset "job_pid[$name]"
		text=$(cat "${job_path[$name]}/note" 2>/dev/null || true)
		say "$name: done in $(clock $took)${text:+; $text}"
		return
	fi
	unset "job_pid[$name]"
	say "$name: FAILED after $(clock $took)"
	if [[ -s ${job_work[$name]}/reason ]]; then
		sed 's/^/  /' "${job_work[$name]}/reason" >&2
	else
		tail -n 20 "$(step_log "$name")" | sed 's/^/  | /' >&2
	fi
	say "full log: $(step_log "$name")"
	say "finished steps are kept: put right what is said above and give the same command again"
	return 1
}

# Makes steps that do not depend on each other, side by side.
make_wave() {
	local name failed=0
	trap stop_jobs INT TERM HUP
	for name in "$@"; do
		start_step "$name"
	done
	while ((${#job_pid[@]})); do
		sleep 1
		for name in "${!job_pid[@]}"; do
			kill -0 "${job_pid[$name]}" 2>/dev/null || finish_step "$name" || failed=1
		done
		((${#job_pid[@]} == 0)) || show_progress "${!job_pid[@]}"
	done
	trap - INT TERM HUP
	((failed == 0)) || exit 1
}

# Makes a step and all that it needs: again and again what can be made now, side by side.
make_step() {
	local name need wave ready
	while ! step_done "$1"; do
		wave=()
		for name in ${needs[$1]} "$1"; do
			! step_done "$name" || continue
			ready=1
			for need in ${needs[$name]}; do
				step_done "$need" || ready=
			done
			[[ -z $ready ]] || wave+=("$name")
		done
		make_wave "${wave[@]}"
	done
}
