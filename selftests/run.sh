#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads the modules, runs the selftests, each program with a limit of time, and looks after each
# for what it may have left behind. KTAP of each program goes to OUT/<program>.ktap, that of this
# run to OUT/run.ktap, KUnit's to OUT/kunit/.
# Needs root, and a machine that one can afford to lose: modules under test run in its kernel.

set -u

here=$(dirname "$(readlink -f "$0")")
modules=(knet wren_nic af_wren)
ko=
out=
load_only=
queue=
kunit=1
plan=()

# Limits of time are for a quiet machine; a slow or busy one gets so many times that.
slack=5

usage() {
	cat <<END_OF_USAGE
usage: run.sh --ko DIR [--out DIR] [--no-kunit]
              [--load-only | --queue DIR | PROGRAM[:TEST,TEST...]...]

  --ko DIR     where knet.ko, wren_nic.ko and af_wren.ko are
  --out DIR    where results go (default: a new directory in /tmp)
  --load-only  no test program; KUnit's tests run when the modules are loaded
  --no-kunit   they do not
  --queue DIR  what to run is told while it runs: PROGRAM[:TEST,TEST...] in the files DIR/1, DIR/2
               and so on, for each of which it waits; an empty one is the end

PROGRAM is a name from the file "suites" (default: all), TEST one that the program lists with -l.
The tests over two real NICs use the two virtio-net devices, if there are two, or what
WREN_PHYS_A and WREN_PHYS_B name:
"<file of a network namespace>:<device>", joined by a cable.
END_OF_USAGE
}

while [[ $# -gt 0 ]]; do
	case $1 in
	--ko | --out | --queue)
		[[ $# -ge 2 ]] || {
			usage >&2
			exit 2
		}
		case $1 in
		--ko) ko=$2 ;;
		--out) out=$2 ;;
		--queue) queue=$2 ;;
		esac
		shift
		;;
	--load-only) load_only=1 ;;
	--no-kunit) kunit= ;;
	-h | --help)
		usage
		exit
		;;
	-*)
		usage >&2
		exit 2
		;;
	*) plan+=("$1") ;;
	esac
	shift
done
if [[ -z $ko ]]; then
	usage >&2
	exit 2
fi
out=${out:-$(mktemp -d /tmp/wren-tests.XXXXXX)}
WREN_KO=$(readlink -f "$ko")
export WREN_KO PYTHONPATH=$here/lib PYTHONDONTWRITEBYTECODE=1

# suite_of PROGRAM: its line in "suites" without comments, empty if it has none
suite_of() {
	awk -v program="$1" '!/^#/ && $1 == program' "$here/suites"
}

PATH=$PATH:/usr/sbin:/sbin
debugfs=/sys/kernel/debug
mountpoint -q $debugfs || mount -t debugfs none $debugfs
this_kernel=stock
[[ ! -e /proc/lockdep ]] || this_kernel=debug

if [[ ${#plan[@]} -eq 0 && -z $load_only && -z $queue ]]; then
	while read -r program kernels _; do
		[[ ${kernels%+} = all || ${kernels%+} = "$this_kernel" ]] || continue
		plan+=("$program")
	done < <(awk '!/^#/ && NF' "$here/suites")
fi

# The checks of the run itself, as one more test program
checks=()
result=0
mkdir -p "$out/kunit"

# check NAME PROBLEM: passed if there is no problem
check() {
	local number=$((${#checks[@]} + 1))
	if [[ -z $2 ]]; then
		checks+=("ok $number $1")
	else
		checks+=("# $2"$'\n'"not ok $number $1")
		echo "$1: $2"
		result=1
	fi
	# How many there will be is not known before the last one.
	printf '%s\n' "TAP version 13" "1..$number" "${checks[@]}" >"$out/run.ktap"
}

load() {
	local module
	for module in "${modules[@]}"; do
		[[ -e /sys/module/$module ]] || insmod "$WREN_KO/$module.ko" || return
	done
}

unload() {
	local i tries
	for ((i = ${#modules[@]} - 1; i >= 0; i--)); do
		for ((tries = 0; tries < 600; tries++)); do
			[[ -e /sys/module/${modules[i]} ]] || continue 2
			rmmod "${modules[i]}" && continue 2
			sleep 0.1
		done
		return 1
	done
}

# What KUnit found when a module was loaded is there until it is unloaded.
save_kunit() {
	local suite
	for suite in "$debugfs"/kunit/*/results; do
		[[ -e $suite ]] || continue
		cat "$suite" >"$out/kunit/$(basename "$(dirname "$suite")").ktap"
	done
}

# No KUnit from here on: the programs load the modules again and again.
stop_kunit() {
	local filter=/sys/module/kunit/parameters/filter_glob
	[[ ! -w $filter ]] || echo none >"$filter"
}

# Two NICs with a cable between them, each in a namespace of its own
find_nics() {
	[[ -z ${WREN_PHYS_A:-} ]] || return
	local nic nics=() ends=(a b) i
	for nic in /sys/class/net/*; do
		[[ $(readlink "$nic/device/driver") != */virtio_net ]] ||
			nics+=("$(basename "$nic")")
	done
	[[ ${#nics[@]} -ge 2 ]] || return
	for i in 0 1; do
		ip netns add "wren-phys-${ends[i]}"
		ip link set "${nics[i]}" netns "wren-phys-${ends[i]}"
		ip netns exec "wren-phys-${ends[i]}" sysctl -eqw net.ipv6.conf.all.disable_ipv6=1
		ip -n "wren-phys-${ends[i]}" link set "${nics[i]}" up
	done
	export WREN_PHYS_A=/run/netns/wren-phys-a:${nics[0]}
	export WREN_PHYS_B=/run/netns/wren-phys-b:${nics[1]}
}

references() {
	cat "/sys/module/$1/refcnt" 2>/dev/null || echo 0
}

# Packets that somebody forgot, since knet was loaded
drops() {
	cat "$debugfs/knet/implicit_drops" 2>&1
}

# Which of KUnit's suites forget packets, empty if none does: each is run once more.
kunit_drops() {
	local run before after
	[[ $(drops) != 0 ]] || return 0
	echo -n "implicit_drops: $(drops) after loading;"
	for run in "$debugfs"/kunit/*/run; do
		[[ -e $run ]] || continue
		before=$(drops)
		echo run >"$run"
		after=$(drops)
		[[ $after = "$before" ]] ||
			echo -n " $(basename "$(dirname "$run")"): $((after - before))"
	done
}

# left_behind PROGRAM DROPS: what is left of a program that has ended, empty if there is nothing;
# DROPS is what was counted before
left_behind() {
	local before=$2 after tries
	after=$(drops)
	if [[ ! $before$after =~ ^[0-9]+$ ]]; then
		echo "implicit_drops cannot be read: $before, then $after"
		return
	fi
	# A program may load knet anew, and then it counts from 0.
	((after >= before)) || before=0
	if ((after > before)); then
		echo "$1: implicit_drops: $((after - before))"
		return
	fi
	# Namespaces and sockets of a process that has ended take a moment.
	for ((tries = 0; tries < 600; tries++)); do
		[[ $(references af_wren) -ne 0 ]] || return 0
		sleep 0.1
	done
	echo "af_wren has $(references af_wren) references: a socket or a packet is still there"
}

# run_one PROGRAM[:TEST,...]: writes its KTAP and a line "status seconds"
run_one() {
	local program=${1%%:*} tests=${1#*:} file limit flag=-t args=() start status test
	for file in "$here/$program" "$here/$program.py"; do
		[[ ! -e $file ]] || break
	done
	read -r _ _ limit < <(suite_of "$program")
	mkdir -p "$(dirname "$out/$program")"
	if [[ ! -e $file || -z $limit ]]; then
		echo "127 0" >"$out/$program.status"
		return
	fi
	[[ $file != "$here/$program" ]] || flag=-r
	if [[ $tests != "$1" ]]; then
		for test in ${tests//,/ }; do
			args+=("$flag" "$test")
		done
	fi
	start=$SECONDS
	timeout -k 10 $((limit * slack)) "$file" "${args[@]}" </dev/null >"$out/$program.ktap" 2>&1
	status=$?
	echo "$status $((SECONDS - start))" >"$out/$program.status"
	echo "$program: status $status, $((SECONDS - start)) s"
}

# run_entry PROGRAM[:TEST,...]: runs it and looks what it has left
run_entry() {
	local before
	before=$(drops)
	run_one "$1"
	load
	check "nothing_left_by_${1%%:*}" "$(left_behind "${1%%:*}" "$before")"
}

# Runs what the queue tells.
run_queue() {
	local number entry
	for ((number = 1; ; number++)); do
		until [[ -e $queue/$number ]]; do
			sleep 0.1
		done
		entry=$(<"$queue/$number")
		[[ -n $entry ]] || return
		run_entry "$entry"
	done
}

[[ -n $kunit ]] || stop_kunit
problem=$(load 2>&1) || problem+="the modules cannot be loaded"
check modules_load "$problem"
if [[ -n $kunit ]]; then
	save_kunit
	stop_kunit
fi
check nothing_dropped_by_kunit "$(kunit_drops)"
find_nics
if [[ -n $queue ]]; then
	run_queue
else
	for entry in "${plan[@]}"; do
		run_entry "$entry"
	done
fi
problem=$(unload 2>&1) && problem= || problem+=" the modules cannot be unloaded"
check modules_unload "$problem"
echo "results: $out"
exit $result
