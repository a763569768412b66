/* SPDX-License-Identifier: GPL-2.0 */
/* How many frames of ours the kernel drops, and why: the tracepoint skb:kfree_skb. */
#ifndef WREN_TEST_DROPS_H
#define WREN_TEST_DROPS_H

/* A counter of the drops for one reason, on all CPUs */
struct drops {
	int count;
	int fds[64];
};

/* reason: like "NO_SOCKET", or NULL for all. 0 or -errno. */
int drops_open(struct drops *drops, const char *reason);
/* Since it was opened */
long long drops_read(const struct drops *drops);
void drops_close(struct drops *drops);

#endif
