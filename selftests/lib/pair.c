// SPDX-License-Identifier: GPL-2.0
/* Two sockets over a link, see pair.h. */
#include <errno.h>

#include "pair.h"

#define MANY	100000

int pair_open(struct pair *pair, enum link_kind kind)
{
	int ret;

	ret = link_setup(&pair->link, kind);
	if (ret)
		return ret;
	pair->rx = wren_bound(&pair->link.b, PORT);
	if (pair->rx < 0)
		return pair->rx;
	pair->tx = wren_bound(&pair->link.a, 0);
	if (pair->tx < 0)
		return pair->tx;
	pair->to = wren_addr(pair->link.a.index, PORT, pair->link.b.mac);
	return set_timeout(pair->rx, SO_RCVTIMEO, LONG_MS);
}

int pair_send(const struct pair *pair, int flags)
{
	static const char data[LEN];

	return wren_sendto(pair->tx, data, sizeof(data), flags, &pair->to);
}

int pair_fill(const struct pair *pair)
{
	int count, ret;

	for (count = 0; count < MANY; count++) {
		ret = pair_send(pair, MSG_DONTWAIT);
		if (ret == -EAGAIN)
			return count;
		if (ret != LEN)
			return ret;
	}
	return -ERANGE;
}

int pair_jam(struct pair *pair)
{
	return set_sockopt(pair->tx, SO_SNDBUF, 0) ?: wire_stop(&pair->link) ?:
	       pair_fill(pair);
}

struct writer pair_writer(const struct pair *pair)
{
	return (struct writer){ .fd = pair->tx, .to = pair->to, .len = LEN };
}
