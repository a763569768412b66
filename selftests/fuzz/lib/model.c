// SPDX-License-Identifier: GPL-2.0
/* The model, see model.h. It is written from the documentation, not from the module. */
#include <arpa/inet.h>
#include <linux/wren.h>
#include <string.h>

#include "model.h"

#define VLAN_HLEN	4
#define VLAN_VID_MASK	0xfff

const char * const fate_names[FATES] = {
	[OTHERHOST] = "OTHERHOST",
	[PKT_TOO_SMALL] = "PKT_TOO_SMALL",
	[UNHANDLED_PROTO] = "UNHANDLED_PROTO",
	[SKB_CSUM] = "SKB_CSUM",
	[NO_SOCKET] = "NO_SOCKET",
	[SOCKET_FILTER] = "SOCKET_FILTER",
	[SOCKET_RCVBUFF] = "SOCKET_RCVBUFF",
};

static int word(const struct frame *frame, int at)
{
	return frame->bytes[at] << 8 | frame->bytes[at + 1];
}

static bool same(const unsigned char *mac, const unsigned char *other)
{
	return !memcmp(mac, other, ETH_ALEN);
}

/*
 * Takes off tags of network 0, which is none. Returns where the packet begins, or 0 if nobody gets
 * to see it; *foreign: it belongs to another network.
 */
static int untag(const struct frame *frame, bool *foreign)
{
	int at = ETH_HLEN, type = word(frame, ETH_HLEN - 2);

	while (!*foreign && (type == ETH_P_8021Q || type == ETH_P_8021AD)) {
		if (frame->len < at + VLAN_HLEN + 2)
			return 0;
		*foreign = word(frame, at) & VLAN_VID_MASK;
		type = word(frame, at + 2);
		at += VLAN_HLEN;
	}
	return type == WREN_ETHERTYPE_DEFAULT ? at : 0;
}

/* Is the checksum right, or somebody else's business? at: where the header is */
static bool checksum_holds(const struct frame *frame, int at, int len)
{
	bool partial = frame->offload && frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	int field = frame->vnet.csum_start + frame->vnet.csum_offset;
	bool cut = frame->len > at + len;

	/* The field would be cut off with the padding. */
	if (partial && cut && field + 2 > at + len)
		return false;
	if (!word(frame, at + offsetof(struct wrenhdr, check)))
		return true;
	if (partial && frame->vnet.csum_start >= at)
		return true;
	return !frame_sum(frame->bytes + at, len);
}

/* Which socket has the port, and wants it from there? */
static bool find(const struct frame *frame, const struct addresses *addresses, struct verdict *v,
		 int dport)
{
	const unsigned char *dest = frame->bytes, *source = frame->bytes + ETH_ALEN;
	bool multicast = dest[0] & 1 && memcmp(dest, "\xff\xff\xff\xff\xff\xff", ETH_ALEN);

	if (dport < PORT || dport >= PORT + PORTS)
		return false;
	v->to = dport - PORT;
	if (v->to == CONNECTED && !(v->port == SENDER && same(source, addresses->sender)))
		return false;
	if (v->to == MARK && !(v->port == SENDER && same(source, addresses->marker)))
		return false;
	return !multicast || (v->to == MEMBER && same(dest, addresses->group));
}

struct verdict model(const struct frame *frame, const struct addresses *addresses)
{
	const unsigned char *dest = frame->bytes;
	struct verdict v = { .fate = NOT_OURS };
	const struct wrenhdr *wren;
	bool foreign = false;
	int at = untag(frame, &foreign), len;

	if (!at)
		return v;
	v.network = at;
	v.fate = OTHERHOST;
	if (foreign || (!(dest[0] & 1) && !same(dest, addresses->host)))
		return v;

	v.raw = true;
	wren = (void *)frame->bytes + at;
	v.fate = PKT_TOO_SMALL;
	if (frame->len < at + (int)sizeof(*wren))
		return v;
	v.fate = UNHANDLED_PROTO;
	if (wren->version != WREN_VERSION || wren->type != WREN_TYPE_DGRAM || wren->zero)
		return v;
	v.fate = PKT_TOO_SMALL;
	len = sizeof(*wren) + ntohs(wren->len);
	if (frame->len < at + len)
		return v;
	v.fate = SKB_CSUM;
	if (!checksum_holds(frame, at, len))
		return v;
	v.fate = NO_SOCKET;
	v.port = ntohs(wren->sport);
	if (!find(frame, addresses, &v, ntohs(wren->dport)))
		return v;

	v.payload = at + sizeof(*wren);
	v.len = ntohs(wren->len);
	v.fate = DELIVERED;
	if (v.to == FILTERED) {
		/* As many bytes as the first one says, header included, which is never cut. */
		int wanted = v.len ? frame->bytes[v.payload] : 0;

		if (!wanted)
			v.fate = SOCKET_FILTER;
		wanted = wanted > (int)sizeof(*wren) ? wanted - (int)sizeof(*wren) : 0;
		v.len = wanted < v.len ? wanted : v.len;
	}
	return v;
}
