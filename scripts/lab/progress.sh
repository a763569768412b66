# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What a person sees while steps are made.

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

# What goes on now; $@: the steps that are being made. A line that ticks, with the end of the log;
# where nobody watches, a line now and then.
show_progress() {
	local name text='' width now=$SECONDS log start
	for name in "$@"; do
		start=${job_start[$name]}
		text+="${text:+, }$name $(clock $((now - start)))"
		[[ ! -e $cache/times/$name ]] || text+=" ($(last_time "$name"))"
	done
	if [[ -t 2 ]]; then
		log=$(tail -c 300 "$(step_log "$1")" 2>/dev/null | tr '\r\t' '\n ' | tail -n 1)
		text="lab: $text: ${log//[^[:print:]]/}"
		width=$(tput cols 2>/dev/null || echo 80)
		printf '\r\033[K%s' "${text:0:width-1}" >&2
	elif (((now - start) / 30 > (last_shown - start) / 30)); then
		say "still at it: $text"
	fi
	last_shown=$now
}
last_shown=0

end_progress() {
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
}
