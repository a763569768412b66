#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What one does with a pair of devices: ping, TCP and UDP between two namespaces.

# shellcheck source=/dev/null
source "$(dirname "$(readlink -f "$0")")/../lib/test.sh"

iperf_listens() {
	at_b ss -Hltn 'sport = :5201' | grep -q .
}

# iperf ARGUMENT...: from a to b; the JSON of the client is left in the variable "result"
iperf() {
	at_b iperf3 -s -1 >/dev/null 2>&1 &
	eventually iperf_listens
	result=$(at_a timeout 60 iperf3 -c 192.0.2.2 -J "$@") || fail "iperf3: $(jq -r .error <<<"$result")"
	wait
}

# check JQ-EXPRESSION: must be true of the result
check() {
	jq -e "$1" <<<"$result" >/dev/null || fail "not true: $1" "$(jq -c '.end | del(.streams)' <<<"$result")"
}

# Nothing may be in flight on any queue of a device that has nothing to do.
idle() {
	local inflight
	for inflight in $("at_$1" sh -c "cat /sys/class/net/wren-$1/queues/tx-*/byte_queue_limits/inflight"); do
		((inflight == 0)) || return
	done
}

no_errors() {
	local end
	for end in a b; do
		ip -n "wren-test-$end" -j -s link show "wren-$end" | jq -e '.[0].stats64 |
			[.rx.errors, .rx.dropped, .tx.errors, .tx.dropped] | add == 0' >/dev/null ||
			fail "errors or drops at $end"
		eventually idle "$end"
	done
}

test_ping() {
	make_pair
	at_a ping -q -c 20 -i 0.01 -W 10 192.0.2.2
	at_b ping -q -c 20 -i 0.01 -W 10 192.0.2.1
	at_a ping -q -c 5 -i 0.01 -W 10 2001:db8::2
	no_errors
}

# Packets of every size up to fragments of a large datagram
test_ping_sizes() {
	local size
	make_pair
	for size in 0 1 17 18 19 500 1472 1473 8000 65000; do
		at_a ping -q -c 2 -i 0.01 -W 10 -s "$size" 192.0.2.2
	done
	no_errors
}

test_ping_jumbo() {
	make_pair
	ip -n wren-test-a link set wren-a mtu 9000
	ip -n wren-test-b link set wren-b mtu 9000
	at_a ping -q -c 5 -i 0.01 -W 10 -M 'do' -s 8972 192.0.2.2
	no_errors
}

# What was sent is what was received; a lost packet would be sent again, but here none is.
test_tcp() {
	make_pair
	iperf -n 8M
	check '.end.sum_received.bytes >= 8 * 1024 * 1024'
	no_errors
}

test_tcp_reverse() {
	make_pair
	iperf -n 8M -R
	check '.end.sum_received.bytes > 4 * 1024 * 1024'
	no_errors
}

test_tcp_four_queues() {
	make_pair 4
	iperf -n 2M -P 4
	check '.end.sum_received.bytes >= 4 * 1024 * 1024'
	no_errors
}

# UDP below the speed of the wire loses nothing: back-pressure, not drops.
test_udp_paced() {
	make_pair
	at_a ethtool -s wren-a speed 10 duplex full autoneg off
	iperf -u -b 5M -n 300K -l 1000
	check '.end.sum.lost_packets == 0'
	check '.end.sum.packets >= 300'
	no_errors
}

# A sender without a limit is held back by its send buffer: the device drops nothing.
test_udp_flood() {
	make_pair
	at_a ethtool -s wren-a speed 20 duplex full autoneg off
	iperf -u -b 0 -t 1 -l 1000
	check '.end.sum.packets > 100'
	check '.end.sum.seconds > 0'
	no_errors
}

# Both directions at once, on a wire that is slow in both
test_tcp_both_ways() {
	make_pair
	at_a ethtool -s wren-a speed 50 duplex full autoneg off
	at_b ethtool -s wren-b speed 50 duplex full autoneg off
	iperf -n 1M --bidir
	check '.end.sum_received.bytes >= 1024 * 1024'
	no_errors
}

run_tests "$@"
