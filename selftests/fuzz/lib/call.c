// SPDX-License-Identifier: GPL-2.0
/* Random arguments, see call.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "call.h"

int any_fd(struct caller *caller)
{
	static const int others[] = { -1, 100000 };

	if (rng_one_in(&caller->rng, 64)) {
		caller->refused = true;
		return rng_pick(&caller->rng, others);
	}
	return SLOT + rng_below(&caller->rng, SLOTS);
}

void *any_memory(struct caller *caller, void *memory)
{
	if (!rng_one_in(&caller->rng, 16))
		return memory;
	/* Not mapped; or, seldom, not even an address of a program */
	return (void *)(rng_below(&caller->rng, 8) ? 8 : -4096L);
}

int any_number(struct caller *caller)
{
	static const int bounds[] = {
		0, 1, -1, 2, 255, 256, 4095, 4096, 65535, 65536, INT_MAX, INT_MIN,
	};

	if (rng_below(&caller->rng, 2))
		return rng_pick(&caller->rng, bounds);
	return rng_next(&caller->rng);
}

/* A few ports, so that sockets meet */
static int any_port(struct rng *rng)
{
	static const int bounds[] = { 0, 1, 49152, 65535 };

	return rng_one_in(rng, 4) ? rng_pick(rng, bounds) : rng_between(rng, 1000, 1003);
}

socklen_t any_address(struct caller *caller, void *address)
{
	static const socklen_t lens[] = { 0, 1, 2, 8, 15, 17, 127, 128 };
	struct rng *rng = &caller->rng;
	struct end here = world_end(caller->world, caller->other);
	struct end there = world_end(caller->world, !caller->other);
	socklen_t len = sizeof(struct sockaddr_wren);
	struct sockaddr_wren addr;

	rng_fill(rng, address, 128);
	addr = wren_addr(rng_one_in(rng, 3) ? 0 : here.index, any_port(rng), there.mac);
	switch (rng_below(rng, 12)) {
	case 0:
		addr.swren_ifindex = rng_one_in(rng, 2) ? 1 : any_number(caller);
		break;
	case 1:
	case 2:
	case 3:
		memset(addr.swren_mac, 0, ETH_ALEN);
		break;
	case 4:
		memset(addr.swren_mac, 0xff, ETH_ALEN);
		break;
	case 5:
		rng_fill(rng, addr.swren_mac, ETH_ALEN);
		break;
	case 6:
		memcpy(addr.swren_mac, here.mac, ETH_ALEN);
		break;
	}
	memcpy(address, &addr, sizeof(addr));
	if (rng_one_in(rng, 16)) {
		((struct sockaddr_wren *)address)->swren_zero[rng_below(rng, 2)] = 1;
		caller->refused = true;
	}
	if (rng_one_in(rng, 16)) {
		((struct sockaddr_wren *)address)->swren_family = rng_next(rng) | 0x80;
		caller->refused = true;
	}
	if (rng_one_in(rng, 16))
		len = rng_pick(rng, lens);
	if (len < sizeof(struct sockaddr_wren))
		caller->refused = true;
	return len;
}
