// SPDX-License-Identifier: GPL-2.0
/* Frames, see frame.h. A kind of mutation is a function and a line in the table below. */
#include <arpa/inet.h>
#include <linux/wren.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <kselftest.h>

#include "frame.h"

#define HEADERS		((int)(ETH_HLEN + sizeof(struct wrenhdr)))
/* Two VLAN tags may come on top. */
#define PAYLOAD_MAX	(FRAME_MAX - HEADERS - 8)

static struct wrenhdr *header(struct frame *frame)
{
	return (void *)frame->bytes + ETH_HLEN;
}

static struct ethhdr *ethernet(struct frame *frame)
{
	return (void *)frame->bytes;
}

__u16 frame_sum(const unsigned char *bytes, int len)
{
	__u32 sum = 0;
	int i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static int payload_len(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return rng_between(rng, 0, 3);
	case 1:
		return rng_between(rng, 1400, 1520);
	case 2:
		return rng_between(rng, 0, PAYLOAD_MAX);
	case 3:
		/* Where a page is full */
		return rng_between(rng, 3600, 4200);
	default:
		return rng_between(rng, 0, 200);
	}
}

static void set_checksum(struct frame *frame)
{
	struct wrenhdr *wren = header(frame);
	int len = sizeof(*wren) + ntohs(wren->len);

	/* No sum is right for a frame that says that it is longer than it is. */
	if (ETH_HLEN + len > frame->len)
		return;
	wren->check = 0;
	wren->check = frame_sum(frame->bytes + ETH_HLEN, len) ?: 0xffff;
}

static void make_good(struct frame *frame, struct rng *rng, const struct addresses *addresses,
		      enum listener to)
{
	struct ethhdr *eth = ethernet(frame);
	struct wrenhdr *wren = header(frame);
	int len = payload_len(rng);

	memset(frame, 0, offsetof(struct frame, bytes));
	memcpy(eth->h_dest, addresses->host, ETH_ALEN);
	memcpy(eth->h_source, addresses->sender, ETH_ALEN);
	eth->h_proto = htons(WREN_ETHERTYPE_DEFAULT);
	*wren = (struct wrenhdr){
		.version = WREN_VERSION,
		.type = WREN_TYPE_DGRAM,
		.sport = htons(SENDER),
		.dport = htons(PORT + to),
		.len = htons(len),
	};
	if (to == MEMBER && rng_below(rng, 4))
		memcpy(eth->h_dest, addresses->group, ETH_ALEN);
	rng_fill(rng, frame->bytes + HEADERS, len);
	frame->len = HEADERS + len;
	if (rng_below(rng, 3))
		set_checksum(frame);
	snprintf(frame->story, sizeof(frame->story), "for %d, %d bytes", to, len);
}

/* What mutations need to know */
struct mutation {
	struct frame *frame;
	struct rng *rng;
	const struct addresses *addresses;
};

static void version(struct mutation *m)
{
	header(m->frame)->version = rng_next(m->rng);
}

static void type(struct mutation *m)
{
	header(m->frame)->type = rng_next(m->rng);
}

static void reserved(struct mutation *m)
{
	header(m->frame)->zero = htons(1 << rng_below(m->rng, 16));
}

/* About as long as it is, or at a boundary */
static void length(struct mutation *m)
{
	static const int bounds[] = { 0, 1, 0x7fff, 0x8000, 0xffff, 0xffff - 11 };
	int now = ntohs(header(m->frame)->len);

	header(m->frame)->len = htons(rng_below(m->rng, 3) ?
				      now + rng_between(m->rng, -2, 2) :
				      rng_pick(m->rng, bounds));
	/* Not refused for its checksum */
	if (rng_below(m->rng, 2))
		header(m->frame)->check = 0;
}

static void checksum(struct mutation *m)
{
	static const __u16 values[] = { 0, 0xffff, 1, 0x0100 };

	header(m->frame)->check = rng_below(m->rng, 2) ? rng_pick(m->rng, values) :
				  header(m->frame)->check ^ (1 << rng_below(m->rng, 16));
}

static void source_port(struct mutation *m)
{
	header(m->frame)->sport = rng_next(m->rng);
	if (header(m->frame)->check)
		set_checksum(m->frame);
}

static void dest_port(struct mutation *m)
{
	header(m->frame)->dport = htons(rng_below(m->rng, 2) ?
					rng_between(m->rng, PORT - 1, PORT + PORTS) :
					rng_between(m->rng, 0, 0xffff));
	if (header(m->frame)->check)
		set_checksum(m->frame);
}

static void flip(struct mutation *m)
{
	int bit = ETH_HLEN * 8 + rng_below(m->rng, (m->frame->len - ETH_HLEN) * 8);

	m->frame->bytes[bit / 8] ^= 1 << bit % 8;
}

static void truncate_frame(struct mutation *m)
{
	m->frame->len = rng_between(m->rng, ETH_HLEN, m->frame->len);
}

static void pad(struct mutation *m)
{
	int more = rng_between(m->rng, 0, FRAME_MAX - 8 - m->frame->len);

	if (rng_below(m->rng, 2) && more > 64)
		more %= 64;
	rng_fill(m->rng, m->frame->bytes + m->frame->len, more);
	m->frame->len += more;
}

static void dest_address(struct mutation *m)
{
	unsigned char *mac = ethernet(m->frame)->h_dest;

	switch (rng_below(m->rng, 5)) {
	case 0:
		memset(mac, 0xff, ETH_ALEN);
		break;
	case 1:
		memcpy(mac, m->addresses->group, ETH_ALEN);
		break;
	case 2:
		mac[rng_below(m->rng, ETH_ALEN)] ^= 1 << rng_below(m->rng, 8);
		break;
	case 3:
		memset(mac, 0, ETH_ALEN);
		break;
	default:
		rng_fill(m->rng, mac, ETH_ALEN);
	}
}

static void source_address(struct mutation *m)
{
	unsigned char *mac = ethernet(m->frame)->h_source;

	switch (rng_below(m->rng, 4)) {
	case 0:
		memset(mac, 0xff, ETH_ALEN);
		break;
	case 1:
		memcpy(mac, m->addresses->host, ETH_ALEN);
		break;
	default:
		rng_fill(m->rng, mac, ETH_ALEN);
	}
}

static void ethertype(struct mutation *m)
{
	static const __u16 types[] = {
		0, 60, 0x5ff, 0x600, ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_LOOPBACK,
		WREN_ETHERTYPE_DEFAULT + 1, 0xffff,
	};

	ethernet(m->frame)->h_proto = htons(rng_pick(m->rng, types));
}

/* Tags that mean nothing (0), or another network, or are not there as a whole */
static void vlan(struct mutation *m)
{
	static const __u16 protos[] = { ETH_P_8021Q, ETH_P_8021Q, ETH_P_8021AD };
	static const __u16 tcis[] = { 0, 0, 0xe000, 0x1000, 1, 0xfff, 4095 };
	unsigned char *at = m->frame->bytes + 2 * ETH_ALEN;
	int left = 1 + rng_below(m->rng, 2);
	__u16 tag[2];

	while (left-- && m->frame->len + 4 <= FRAME_MAX) {
		tag[0] = htons(rng_pick(m->rng, protos));
		tag[1] = htons(rng_pick(m->rng, tcis));
		memmove(at + 4, at, m->frame->len - 2 * ETH_ALEN);
		memcpy(at, tag, sizeof(tag));
		m->frame->len += 4;
	}
	if (rng_one_in(m->rng, 8))
		m->frame->len = rng_between(m->rng, ETH_HLEN, m->frame->len);
}

/* A checksum that somebody else is to fill in, here or there, or a header in pages */
static void offload(struct mutation *m)
{
	static const __u16 starts[] = { 0, 13, ETH_HLEN, 20, 26, 0xffff };
	static const __u16 offsets[] = {
		offsetof(struct wrenhdr, check), 0, 1, 6, 16, 0x7fff, 0xffff,
	};
	struct virtio_net_hdr *vnet = &m->frame->vnet;

	m->frame->offload = true;
	vnet->hdr_len = rng_below(m->rng, 2) ? 0 : rng_below(m->rng, m->frame->len + 1);
	if (rng_one_in(m->rng, 3))
		return;
	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->csum_start = rng_below(m->rng, 2) ? rng_pick(m->rng, starts) :
			   rng_below(m->rng, m->frame->len + 1);
	vnet->csum_offset = rng_below(m->rng, 2) ? rng_pick(m->rng, offsets) :
			    rng_below(m->rng, 64);
}

static void noise(struct mutation *m)
{
	rng_fill(m->rng, header(m->frame), rng_below(m->rng, m->frame->len - ETH_HLEN + 1));
}

static const struct {
	const char *name;
	void (*apply)(struct mutation *m);
} mutations[] = {
	{ "version", version },
	{ "type", type },
	{ "reserved", reserved },
	{ "length", length },
	{ "length", length },
	{ "checksum", checksum },
	{ "source port", source_port },
	{ "dest port", dest_port },
	{ "flip", flip },
	{ "truncate", truncate_frame },
	{ "pad", pad },
	{ "dest address", dest_address },
	{ "source address", source_address },
	{ "ethertype", ethertype },
	{ "noise", noise },
};

static void tell(struct frame *frame, const char *what)
{
	size_t used = strlen(frame->story);

	snprintf(frame->story + used, sizeof(frame->story) - used, ", %s", what);
}

/* A packet that says that it stands for several of another protocol */
static void segmented(struct mutation *m)
{
	static const __u8 types[] = {
		VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_TCPV6,
		VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 0x7e,
	};
	static const __u16 sizes[] = { 0, 1, 100, 1000, 0xffff };

	offload(m);
	m->frame->loose = true;
	m->frame->vnet.gso_type = rng_pick(m->rng, types);
	m->frame->vnet.gso_size = rng_pick(m->rng, sizes);
}

void frame_make(struct frame *frame, struct rng *rng, const struct addresses *addresses, bool loose)
{
	struct mutation m = { frame, rng, addresses };
	int count, which;

	make_good(frame, rng, addresses, rng_below(rng, MARK));
	if (rng_one_in(rng, 4))
		return;
	for (count = rng_between(rng, 1, 2); count; count--) {
		/* All of them need a whole header. */
		if (frame->len < HEADERS)
			break;
		which = rng_below(rng, ARRAY_SIZE(mutations));
		mutations[which].apply(&m);
		tell(frame, mutations[which].name);
	}
	/* One of these: where both are, the device fills in what is asked for. */
	if (loose && rng_one_in(rng, 3)) {
		segmented(&m);
		tell(frame, "segmented");
	} else if (rng_one_in(rng, 4)) {
		offload(&m);
		tell(frame, "offload");
	} else if (rng_one_in(rng, 6)) {
		vlan(&m);
		tell(frame, "vlan");
	}
}

void frame_mark(struct frame *frame, struct rng *rng, const struct addresses *addresses)
{
	make_good(frame, rng, addresses, MARK);
	memcpy(ethernet(frame)->h_source, addresses->marker, ETH_ALEN);
}
