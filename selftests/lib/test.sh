# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the shell tests share: each function test_<name> is a test. It runs in a shell of its own
# with "set -e": a command that fails, fails the test. KTAP is printed by the kernel's helpers.

lib_dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=/dev/null
source "$lib_dir/ktap_helpers.sh"

skip() {
	echo "$*" >"$skip_file"
	exit "$KSFT_SKIP"
}

fail() {
	echo "failed: $*" >&2
	exit 1
}

# eventually COMMAND...: as soon as it succeeds; fails if it does not for 20 seconds
eventually() {
	local end=$((SECONDS + 20))
	until "$@"; do
		((SECONDS < end)) || fail "does not come true: $*"
		sleep 0.02
	done
}

# make_pair [QUEUES]: wren-a in the namespace wren-test-a, wren-b in wren-test-b, up, with addresses
make_pair() {
	local queues=${1:-1}
	ip -b - <<-END
		netns add wren-test-a
		netns add wren-test-b
	END
	# The peer gets the first free name.
	ip -n wren-test-a -b - <<-END
		link add wren-a numtxqueues $queues numrxqueues $queues type wren
		link set wren0 netns wren-test-b name wren-b
		addr add 192.0.2.1/24 dev wren-a
		addr add 2001:db8::1/64 dev wren-a nodad
		link set wren-a up
	END
	ip -n wren-test-b -b - <<-END
		addr add 192.0.2.2/24 dev wren-b
		addr add 2001:db8::2/64 dev wren-b nodad
		link set wren-b up
	END
	eventually has_carrier
}

has_carrier() {
	ip -n wren-test-a link show wren-a | grep -q LOWER_UP
}

delete_pair() {
	ip netns pids wren-test-b 2>/dev/null | xargs -r kill
	ip -b - <<-END 2>/dev/null || true
		netns del wren-test-a
		netns del wren-test-b
	END
}

at_a() {
	ip netns exec wren-test-a "$@"
}

at_b() {
	ip netns exec wren-test-b "$@"
}

# run_one NAME: the status of the test, its output as KTAP comments
run_one() {
	(
		set -e
		trap delete_pair EXIT
		"test_$1"
	) >"$output_file" 2>&1
	local status=$?
	sed 's/^/# /' "$output_file"
	return "$status"
}

# run_tests "$@": -l lists the tests, -t NAME runs that one (as often as it is given)
run_tests() {
	local all=() only=() name status
	while read -r name; do
		all+=("${name#test_}")
	done < <(compgen -A function test_)
	while getopts lt: option; do
		case $option in
		l)
			printf '%s\n' "${all[@]}"
			exit
			;;
		t) only+=("$OPTARG") ;;
		*) exit 2 ;;
		esac
	done
	[[ ${#only[@]} -eq 0 ]] || all=("${only[@]}")

	output_file=$(mktemp)
	skip_file=$(mktemp)
	trap 'rm -f "$output_file" "$skip_file"' EXIT
	ktap_print_header
	ktap_set_plan "${#all[@]}"
	for name in "${all[@]}"; do
		status=0
		run_one "$name" || status=$?
		case $status in
		0) ktap_test_pass "$name" ;;
		"$KSFT_SKIP") ktap_test_skip "$name $(<"$skip_file")" ;;
		*) ktap_test_fail "$name" ;;
		esac
	done
	ktap_finished
}
