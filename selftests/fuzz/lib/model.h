/* SPDX-License-Identifier: GPL-2.0 */
/* What has to become of a frame, from its bytes alone: what Documentation/af_wren.rst says. */
#ifndef WREN_FUZZ_MODEL_H
#define WREN_FUZZ_MODEL_H

#include "frame.h"

/* Why a frame is dropped. The first one is for those that are none of ours. */
enum fate {
	NOT_OURS,
	DELIVERED,
	OTHERHOST,
	PKT_TOO_SMALL,
	UNHANDLED_PROTO,
	SKB_CSUM,
	NO_SOCKET,
	SOCKET_FILTER,
	SOCKET_RCVBUFF,		/* only the kernel knows when */
	FATES,
};

/* The names of the kernel for them; NULL for the two that are no drops */
extern const char * const fate_names[FATES];

struct verdict {
	enum fate fate;
	/* The raw socket gets the bytes from here on. */
	bool raw;
	int network;
	/* If it is delivered, or dropped at the socket */
	enum listener to;
	int payload;
	int len;
	int port;
};

struct verdict model(const struct frame *frame, const struct addresses *addresses);

#endif
