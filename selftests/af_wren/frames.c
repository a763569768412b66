// SPDX-License-Identifier: GPL-2.0
/*
 * What comes from the wire is not to be trusted: frames made by hand. A bad
 * one is followed by a good one, which is the only one that may arrive.
 */
#include <linux/if_packet.h>
#include <sys/uio.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

#define SENDER		2000

struct frame {
	struct ethhdr eth;
	struct wrenhdr wren;
	char payload[ETH_DATA_LEN - sizeof(struct wrenhdr)];
};

/* Who sends frames, and who listens */
struct ends {
	int raw;
	int ifindex;
	int rx;
};

FIXTURE(frames) {
	PAIR_FIXTURE;
	struct frame frame;
	struct ends ends;
};

OVER_EACH_LINK(frames);

static void set_payload(struct frame *frame, const char *text)
{
	snprintf(frame->payload, sizeof(frame->payload), "%s", text);
	frame->wren.len = htons(strlen(text));
}

FIXTURE_SETUP(frames)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	self->ends.rx = self->rx;
	self->ends.raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, self->ends.raw);
	self->ends.ifindex = self->link.a.index;

	memcpy(self->frame.eth.h_dest, self->link.b.mac, ETH_ALEN);
	memcpy(self->frame.eth.h_source, self->link.a.mac, ETH_ALEN);
	self->frame.eth.h_proto = htons(WREN_ETHERTYPE_DEFAULT);
	self->frame.wren.version = WREN_VERSION;
	self->frame.wren.type = WREN_TYPE_DGRAM;
	self->frame.wren.sport = htons(SENDER);
	self->frame.wren.dport = htons(PORT);
	set_payload(&self->frame, "bad");
}

FIXTURE_TEARDOWN(frames)
{
	link_teardown(&self->link);
}

/* Sends so many bytes of the frame, counted from its Ethernet header. */
static int inject(const struct ends *ends, const struct frame *frame, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ends->ifindex,
		.sll_halen = ETH_ALEN,
	};
	struct iovec iov[] = {
		{ (void *)&frame->eth, sizeof(frame->eth) },
		{ (void *)&frame->wren, sizeof(frame->wren) },
		{ (void *)frame->payload, sizeof(frame->payload) },
	};
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov),
	};
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		iov[i].iov_len = iov[i].iov_len < len ? iov[i].iov_len : len;
		len -= iov[i].iov_len;
	}
	ret = sendmsg(ends->raw, &msg, 0);
	return ret < 0 ? -errno : ret;
}

/* After what was injected before: does a good frame, and only it, arrive? */
static bool only_good_arrives(const struct ends *ends, struct frame good,
			      const struct link *link)
{
	char got[100] = {};
	int ret;

	memcpy(good.eth.h_dest, link->b.mac, ETH_ALEN);
	good.eth.h_proto = htons(WREN_ETHERTYPE_DEFAULT);
	good.wren = (struct wrenhdr){
		.version = WREN_VERSION,
		.type = WREN_TYPE_DGRAM,
		.sport = htons(SENDER),
		.dport = htons(PORT),
	};
	set_payload(&good, "good");
	ret = inject(ends, &good, ETH_ZLEN);
	if (ret == ETH_ZLEN)
		ret = wren_recv(ends->rx, got, sizeof(got), 0);
	if (ret != 4 || strcmp(got, "good")) {
		printf("# instead of the good frame: %d, \"%s\"\n", ret, got);
		return false;
	}
	return wren_recv(ends->rx, got, sizeof(got), MSG_DONTWAIT) == -EAGAIN;
}

TEST_F(frames, good_frame_arrives)
{
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);
	char got[100];

	ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	ASSERT_EQ(3, recvfrom(self->ends.rx, got, sizeof(got), 0, (void *)&from, &len));
	EXPECT_EQ(SENDER, ntohs(from.swren_port));
	EXPECT_EQ(0, memcmp(self->link.a.mac, from.swren_mac, ETH_ALEN));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

/* What follows the payload is padding, as much as there may be. */
TEST_F(frames, padding_is_cut)
{
	char got[ETH_DATA_LEN];

	memset(self->frame.payload + 3, 'p', 1000);
	ASSERT_EQ(1000, inject(&self->ends, &self->frame, 1000));
	EXPECT_EQ(3, wren_recv(self->ends.rx, got, sizeof(got), 0));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, truncated_header_is_dropped)
{
	int len, whole = sizeof(struct ethhdr) + sizeof(struct wrenhdr);

	for (len = sizeof(struct ethhdr); len < whole; len++)
		ASSERT_EQ(len, inject(&self->ends, &self->frame, len));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, wrong_version_is_dropped)
{
	int version;

	for (version = 0; version < 256; version++) {
		if (version == WREN_VERSION)
			continue;
		self->frame.wren.version = version;
		ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	}
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, unknown_type_is_dropped)
{
	int type;

	for (type = 0; type < 256; type++) {
		if (type == WREN_TYPE_DGRAM)
			continue;
		self->frame.wren.type = type;
		ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	}
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, length_beyond_frame_is_dropped)
{
	int room = ETH_ZLEN - sizeof(struct ethhdr) - sizeof(struct wrenhdr);
	int lens[] = { room + 1, room + 2, 1000, 0x7fff, 0x8000, 0xffff };
	char got[100];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		self->frame.wren.len = htons(lens[i]);
		ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	}
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));

	/* One byte less is all that the frame has. */
	self->frame.wren.len = htons(room);
	ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	EXPECT_EQ(room, wren_recv(self->ends.rx, got, sizeof(got), 0));
}

TEST_F(frames, nonzero_reserved_is_dropped)
{
	int bit;

	for (bit = 0; bit < 16; bit++) {
		self->frame.wren.zero = htons(1U << bit);
		ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	}
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, port_without_socket_is_dropped)
{
	int ports[] = { 0, PORT - 1, PORT + 1, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		self->frame.wren.dport = htons(ports[i]);
		ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	}
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_F(frames, other_protocol_is_ignored)
{
	self->frame.eth.h_proto = htons(WREN_ETHERTYPE_DEFAULT + 1);
	ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

/* For somebody else, even if the device is promiscuous. */
TEST_F(frames, foreign_destination_is_dropped)
{
	struct packet_mreq promisc = {
		.mr_ifindex = self->link.b.index,
		.mr_type = PACKET_MR_PROMISC,
	};
	int old = ns_enter(self->link.b.ns);
	int sniffer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	ASSERT_EQ(0, setsockopt(sniffer, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
				&promisc, sizeof(promisc)));
	ns_leave(old);
	self->frame.eth.h_dest[5] ^= 1;
	self->frame.eth.h_dest[0] = 2;
	ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

/* Noise: any bytes behind the Ethernet header, of any length. */
TEST_F(frames, noise_is_harmless)
{
	int i, len, rounds = debug_kernel() ? 300 : 2000;
	struct frame frame;
	char got[ETH_DATA_LEN];
	size_t byte;

	srandom(4711);
	for (i = 0; i < rounds; i++) {
		frame = self->frame;
		for (byte = 0; byte < sizeof(frame.wren); byte++) {
			/* Half of the header stays right, so checks are passed. */
			if (random() & 1)
				((unsigned char *)&frame.wren)[byte] = random();
		}
		len = sizeof(struct ethhdr) + random() % 200;
		ASSERT_EQ(len, inject(&self->ends, &frame, len));
	}
	/* By chance some may have been good; behind all of them comes this one. */
	set_payload(&self->frame, "end of noise");
	ASSERT_EQ(ETH_ZLEN, inject(&self->ends, &self->frame, ETH_ZLEN));
	do {
		memset(got, 0, sizeof(got));
		ASSERT_LE(0, wren_recv(self->ends.rx, got, sizeof(got), 0));
	} while (strcmp(got, "end of noise"));
	EXPECT_TRUE(only_good_arrives(&self->ends, self->frame,
				      &self->link));
}

TEST_HARNESS_MAIN
