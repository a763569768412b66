/* SPDX-License-Identifier: GPL-2.0 */
/* A frame as it is injected: a good one, or what mutations have made of it. */
#ifndef WREN_FUZZ_FRAME_H
#define WREN_FUZZ_FRAME_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <linux/virtio_net.h>
#include <stdbool.h>

#include "../../lib/rng.h"

/* Long enough for packets with pages */
#define FUZZ_MTU	9000
#define FRAME_MAX	(ETH_HLEN + FUZZ_MTU)

/* Whom frames are for, see listen.c: port PORT + n is that of listener n. */
#define PORT		1000
#define SENDER		2000

enum listener {
	PLAIN,		/* bound to the interface */
	ANYWHERE,	/* bound to none */
	CONNECTED,	/* to the port SENDER at the other end */
	MEMBER,		/* has joined a multicast address */
	SMALL,		/* has room for a few packets only */
	FILTERED,	/* the first byte of the payload says how much of it is wanted */
	MARK,		/* gets the last frame of a round, and nothing else */
	PORTS,
	RAW = PORTS,	/* sees all */
	LISTENERS,
};

/* Addresses that mean something */
struct addresses {
	unsigned char host[ETH_ALEN];
	unsigned char sender[ETH_ALEN];
	unsigned char group[ETH_ALEN];
	unsigned char marker[ETH_ALEN];
};

struct frame {
	/* Handed to PACKET_VNET_HDR */
	bool offload;
	struct virtio_net_hdr vnet;
	/* A packet that stands for several: it may arrive, or be dropped before. */
	bool loose;
	int len;
	unsigned char bytes[FRAME_MAX];
	/* What was done to it, for a person */
	char story[128];
};

/* A frame that is good for a random listener; then mutated, mostly. */
void frame_make(struct frame *frame, struct rng *rng, const struct addresses *addresses,
		bool loose);
/* The last one of a round */
void frame_mark(struct frame *frame, struct rng *rng, const struct addresses *addresses);

/* Internet checksum, 0 over what includes a right one */
__u16 frame_sum(const unsigned char *bytes, int len);

#endif
