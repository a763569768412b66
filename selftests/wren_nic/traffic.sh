#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What one does with a pair of devices: ping, TCP and UDP between two namespaces.

# shellcheck source=/dev/null
source "$(dirname "$(readlink -f "$0")")/../lib/test.sh"

# listens PORT: somebody does at b
listens() {
	at_b ss -Hltn "sport = :$1" | grep -q .
}

# arrived COUNT: b has got so many packets
arrived() {
	(($(at_b cat /sys/class/net/wren-b/statistics/rx_packets) >= $1))
}

# iperf ARGUMENT...: from a to b; the JSON of the client is left in the variable "result"
iperf() {
	at_b iperf3 -s -1 >/dev/null 2>&1 &
	eventually listens 5201
	result=$(at_a timeout 60 iperf3 -c 192.0.2.2 -J "$@") ||
		fail "iperf3: $(jq -r .error <<<"$result")"
	wait
}

# check JQ-EXPRESSION: must be true of the result
check() {
	jq -e "$1" <<<"$result" >/dev/null ||
		fail "not true: $1" "$(jq -c '.end | del(.streams)' <<<"$result")"
}

# Nothing may be in flight on any queue of a device that has nothing to do.
idle() {
	local inflight limits="byte_queue_limits/inflight"
	for inflight in $("at_$1" sh -c "cat /sys/class/net/wren-$1/queues/tx-*/$limits"); do
		((inflight == 0)) || return
	done
}

# troubles END: errors and drops that its device has counted
troubles() {
	ip -n "wren-test-$1" -j -s link show "wren-$1" |
		jq '.[0].stats64 | [.rx.errors, .rx.dropped, .tx.errors, .tx.dropped] | add'
}

# What IPv6 wanted to send before there was carrier has been dropped, rightly.
start_pair() {
	make_pair "$@"
	troubles_a=$(troubles a)
	troubles_b=$(troubles b)
}

no_errors() {
	[[ $(troubles a) = "$troubles_a" ]] || fail "errors or drops at a"
	[[ $(troubles b) = "$troubles_b" ]] || fail "errors or drops at b"
	eventually idle a
	eventually idle b
}

test_ping() {
	start_pair
	at_a ping -q -c 20 -i 0.01 -W 10 192.0.2.2
	at_b ping -q -c 20 -i 0.01 -W 10 192.0.2.1
	at_a ping -q -c 5 -i 0.01 -W 10 2001:db8::2
	no_errors
}

# Packets of every size up to fragments of a large datagram
test_ping_sizes() {
	local size
	start_pair
	for size in 0 1 17 18 19 500 1472 1473 8000 65000; do
		at_a ping -q -c 2 -i 0.01 -W 10 -s "$size" 192.0.2.2
	done
	no_errors
}

test_ping_jumbo() {
	start_pair
	ip -n wren-test-a link set wren-a mtu 9000
	ip -n wren-test-b link set wren-b mtu 9000
	at_a ping -q -c 5 -i 0.01 -W 10 -M 'do' -s 8972 192.0.2.2
	no_errors
}

# What was sent is what was received; a lost packet would be sent again, but here none is.
test_tcp() {
	start_pair
	iperf -n 4M
	check '.end.sum_received.bytes >= 4 * 1024 * 1024'
	no_errors
}

test_tcp_reverse() {
	start_pair
	iperf -n 4M -R
	check '.end.sum_received.bytes > 2 * 1024 * 1024'
	no_errors
}

test_tcp_four_queues() {
	start_pair 4
	iperf -n 4M -P 4
	check '.end.sum_received.bytes >= 4 * 1024 * 1024'
	no_errors
}

# UDP below the speed of the wire loses nothing: back-pressure, not drops.
test_udp_paced() {
	start_pair
	at_a ethtool -s wren-a speed 10 duplex full autoneg off
	iperf -u -b 5M -n 300K -l 1000
	check '.end.sum.lost_packets == 0'
	check '.end.sum.packets >= 300'
	no_errors
}

# A sender without a limit is held back by its send buffer: the device drops nothing.
test_udp_flood() {
	start_pair
	at_a ethtool -s wren-a speed 20 duplex full autoneg off
	iperf -u -b 0 -t 1 -l 1000
	check '.end.sum.packets > 100'
	check '.end.sum.seconds > 0'
	no_errors
}

# Both directions at once, on a wire that is slow in both
test_tcp_both_ways() {
	start_pair
	at_a ethtool -s wren-a speed 50 duplex full autoneg off
	at_b ethtool -s wren-b speed 50 duplex full autoneg off
	iperf -n 1M --bidir
	check '.end.sum_received.bytes >= 1024 * 1024'
	no_errors
}

# What TCP sends is a clone of what it keeps to send again, and the peer merges what it receives. A
# merge that touched the data of the original would show in what is sent again.
test_tcp_with_loss() {
	local dir lost listener
	modprobe -q sch_netem || skip "no netem"
	start_pair
	at_a tc qdisc replace dev wren-a root netem limit 10000 loss 3%
	dir=$(mktemp -d)
	head -c 1M /dev/urandom >"$dir/sent"
	at_b timeout 100 socat -u TCP4-LISTEN:5202 "CREATE:$dir/received" &
	listener=$!
	eventually listens 5202
	at_a timeout 100 socat -u "OPEN:$dir/sent" TCP4:192.0.2.2:5202
	wait "$listener"
	cmp "$dir/sent" "$dir/received" || fail "what arrived is not what was sent"
	lost=$(at_a tc -j -s qdisc show dev wren-a | jq '.[0].drops')
	((lost > 0)) || fail "nothing was lost"
	rm -r "$dir"
	no_errors
}

# pktgen keeps a reference to each packet unless it is told not to: the device gets clones.
test_pktgen_shares_packets() {
	local count=2000 mac before
	modprobe -q pktgen || skip "no pktgen"
	start_pair
	mac=$(at_b cat /sys/class/net/wren-b/address)
	before=$(at_b cat /sys/class/net/wren-b/statistics/rx_packets)
	at_a sh -c "
		echo 'add_device wren-a' >/proc/net/pktgen/kpktgend_0
		echo 'count $count' >/proc/net/pktgen/wren-a
		echo 'pkt_size 60' >/proc/net/pktgen/wren-a
		echo 'dst_mac $mac' >/proc/net/pktgen/wren-a
		echo 'dst 192.0.2.2' >/proc/net/pktgen/wren-a
		echo start >/proc/net/pktgen/pgctrl
		grep -q 'Result: OK' /proc/net/pktgen/wren-a"
	eventually arrived $((before + count))
	no_errors
}

run_tests "$@"
