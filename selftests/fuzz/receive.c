// SPDX-License-Identifier: GPL-2.0
/*
 * The way up, fuzzed: frames that are nearly right. What a model says must arrive arrives, byte
 * for byte, nothing else does, and each drop is counted once, for its reason.
 *
 * A seed is a round of FRAMES frames. WREN_SEED is the first seed, WREN_COUNT how many there are,
 * or WREN_SECONDS how long it goes on.
 */
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/uio.h>

#include "../lib/drops.h"
#include "../lib/harness.h"
#include "lib/listen.h"

#define STOCK_ROUNDS	40
#define DEBUG_ROUNDS	4

/* Seeds that find something, and what: faults that were planted to see whether they are found */
static const struct {
	__u64 seed;
	const char *found;
} findings[] = {
	{ 1, "checksum not compared; padding not cut off; reserved bytes not looked at" },
	{ 3, "length beyond the frame; group not joined; datagram of another peer" },
	{ 8, "drop by a filter not counted" },
};

struct fuzz {
	struct link link;
	struct addresses addresses;
	struct listening listening;
	struct drops drops[FATES];
	/* Without and with PACKET_VNET_HDR */
	int plain;
	int offload;
	struct frame frames[FRAMES + 1];
};

/* It is too large for the stack of a test. */
static struct fuzz fuzz;

FIXTURE(receive) {
	int sockets;
};

static int packet_socket(bool offload)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	if (fd >= 0 && offload &&
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		return -errno;
	return fd;
}

FIXTURE_SETUP(receive)
{
	struct end *b = &fuzz.link.b;
	int old, n;

	ASSERT_EQ(0, link_setup(&fuzz.link, LINK_WREN));
	self->sockets = proto_sockets();
	ASSERT_EQ(0, link_set_mtu(fuzz.link.a.name, FUZZ_MTU));
	old = ns_enter(b->ns);
	ASSERT_EQ(0, link_set_mtu(b->name, FUZZ_MTU));
	ns_leave(old);

	memcpy(fuzz.addresses.host, b->mac, ETH_ALEN);
	memcpy(fuzz.addresses.sender, fuzz.link.a.mac, ETH_ALEN);
	memcpy(fuzz.addresses.group, "\x33\x01\x02\x03\x04\x05", ETH_ALEN);
	memcpy(fuzz.addresses.marker, "\x02mark\x02", ETH_ALEN);
	ASSERT_EQ(0, listen_open(&fuzz.listening, b, &fuzz.addresses));
	fuzz.plain = packet_socket(false);
	fuzz.offload = packet_socket(true);
	ASSERT_LE(0, fuzz.plain);
	ASSERT_LE(0, fuzz.offload);
	for (n = 0; n < FATES; n++) {
		if (!fate_names[n])
			continue;
		ASSERT_EQ(0, drops_open(&fuzz.drops[n], fate_names[n]));
	}
}

FIXTURE_TEARDOWN(receive)
{
	link_teardown(&fuzz.link);
}

/* Is it on its way? The kernel refuses some at once. */
static bool inject(const struct frame *frame)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = fuzz.link.a.index,
		.sll_halen = ETH_ALEN,
	};
	struct iovec iov[] = {
		{ (void *)&frame->vnet, sizeof(frame->vnet) },
		{ (void *)frame->bytes, frame->len },
	};
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = frame->offload ? iov : iov + 1, .msg_iovlen = 1 + frame->offload,
	};

	return sendmsg(frame->offload ? fuzz.offload : fuzz.plain, &msg, 0) >= 0;
}

/* The last frame is there, and with it all that were sent before it. */
static bool all_arrived(void)
{
	struct pollfd pfd = { .fd = fuzz.listening.socks[MARK].fd, .events = POLLIN };

	return poll(&pfd, 1, LONG_MS) == 1 && pfd.revents == POLLIN;
}

/* One round: true if all was as the model says. */
static bool run_round(__u64 seed)
{
	long long before[FATES], due[FATES] = {}, counted;
	struct rng rng = rng_of(seed, 0);
	bool loose = rng_one_in(&rng, 4), right;
	struct frame *frame;
	struct verdict v;
	int n, full = 0;

	for (n = 0; n < FATES; n++)
		before[n] = drops_read(&fuzz.drops[n]);
	for (n = 0; n <= FRAMES; n++) {
		frame = &fuzz.frames[n];
		if (n < FRAMES)
			frame_make(frame, &rng, &fuzz.addresses, loose);
		else
			frame_mark(frame, &rng, &fuzz.addresses);
		if (!inject(frame))
			continue;
		v = model(frame, &fuzz.addresses);
		due[v.fate]++;
		listen_expect(&fuzz.listening, frame, &v);
	}
	right = all_arrived() && listen_check(&fuzz.listening, loose, &full);
	due[SOCKET_RCVBUFF] = full;
	for (n = 0; n < FATES && right && !loose; n++) {
		counted = drops_read(&fuzz.drops[n]) - before[n];
		if (!fate_names[n] || counted == due[n])
			continue;
		printf("# %lld dropped for %s, and %lld should be\n", counted, fate_names[n],
		       due[n]);
		right = false;
	}
	if (!right)
		printf("# WREN_SEED=%llu WREN_COUNT=1\n", (unsigned long long)seed);
	return right;
}

/* Nothing is left of a round but what the test itself has open. */
static bool nothing_is_left(int sockets)
{
	listen_close(&fuzz.listening);
	return eventually(!outq(fuzz.plain) && !outq(fuzz.offload)) && only_sockets(0) &&
	       eventually(proto_sockets() == sockets);
}

TEST_F(receive, what_was_found_stays_fixed)
{
	size_t n;

	for (n = 0; n < ARRAY_SIZE(findings); n++) {
		EXPECT_TRUE(run_round(findings[n].seed)) {
			TH_LOG("%s", findings[n].found);
		}
	}
	EXPECT_TRUE(nothing_is_left(self->sockets));
}

/* It takes as long as whoever asks for it says. */
TEST_F_TIMEOUT(receive, what_arrives_is_what_the_model_says, 1 << 24)
{
	int count = env_number("WREN_COUNT", debug_kernel() ? DEBUG_ROUNDS : STOCK_ROUNDS);
	long long end = now_ms() + env_number("WREN_SECONDS", 0) * 1000;
	__u64 first = env_number("WREN_SEED", 1), seed;
	bool right = true;

	for (seed = first; right && (seed < first + count || now_ms() < end); seed++)
		right = run_round(seed);
	ASSERT_TRUE(right);
	TH_LOG("%d rounds, seeds from %d", (int)(seed - first), (int)first);
	EXPECT_TRUE(nothing_is_left(self->sockets));
}

TEST_HARNESS_MAIN
