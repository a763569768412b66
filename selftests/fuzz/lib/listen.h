/* SPDX-License-Identifier: GPL-2.0 */
/* The sockets that frames are for, and whether what must arrive there does. */
#ifndef WREN_FUZZ_LISTEN_H
#define WREN_FUZZ_LISTEN_H

#include "../../lib/sock.h"
#include "model.h"

/* Frames of one round */
#define FRAMES	64

/* Something that must arrive, or may */
struct delivery {
	const struct frame *frame;
	int offset;
	int len;
	int port;
};

struct listening {
	struct sock {
		int fd;
		unsigned int drops;
		/* By the filter, in this round */
		unsigned int refused;
		int count;
		struct delivery due[FRAMES + 1];
	} socks[LISTENERS];
	int ifindex;
};

/* In the namespace of the end: 0 or -errno. */
int listen_open(struct listening *all, const struct end *end, const struct addresses *addresses);
void listen_close(struct listening *all);

/* What the model says about a frame that was sent is due from now on. */
void listen_expect(struct listening *all, const struct frame *frame, const struct verdict *v);

/*
 * Receives all that is there: is it what was due, byte for byte and in order? Says what is wrong.
 * loose: there were frames that the kernel need not deliver. *full: how many had no room.
 */
bool listen_check(struct listening *all, bool loose, int *full);

#endif
