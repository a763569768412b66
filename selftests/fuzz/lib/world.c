// SPDX-License-Identifier: GPL-2.0
/* Devices that go down, away and come again, see world.h. */
#include <errno.h>
#include <unistd.h>

#include "../../lib/wait.h"
#include "world.h"

int world_setup(struct world *world)
{
	pthread_mutex_init(&world->lock, NULL);
	return link_setup(&world->link, LINK_WREN);
}

struct end world_end(struct world *world, bool other)
{
	struct end end;

	pthread_mutex_lock(&world->lock);
	end = other ? world->link.b : world->link.a;
	pthread_mutex_unlock(&world->lock);
	return end;
}

/* Up or down, and what it is called and numbered now */
static int set_up(struct world *world, struct end *end, bool up)
{
	unsigned char mac[ETH_ALEN];
	int old = ns_enter(end->ns), index, ret;

	index = if_nametoindex(end->name);
	ret = index ? link_up(end->name, up) : -ENODEV;
	ret = ret ?: link_mac(end->name, mac);
	ns_leave(old);
	if (ret)
		return ret;
	pthread_mutex_lock(&world->lock);
	end->index = index;
	for (index = 0; index < ETH_ALEN; index++)
		end->mac[index] = mac[index];
	pthread_mutex_unlock(&world->lock);
	return 0;
}

static int set_mtu(struct end *end, int mtu)
{
	int old = ns_enter(end->ns), ret;

	ret = link_set_mtu(end->name, mtu);
	ns_leave(old);
	return ret;
}

static int replace(struct world *world)
{
	struct link *link = &world->link;

	return link_del(link->a.name) ?:
	       link_add_pair(link->a.name, link->b.name, link->b.ns, 1) ?:
	       qdisc_pfifo(link->a.name, 1000);
}

int world_change(struct world *world, struct rng *rng)
{
	static const int mtus[] = { 68, 100, 1500, 4000, 9000 };
	struct link *link = &world->link;
	struct end *end = rng_below(rng, 2) ? &link->a : &link->b;

	switch (rng_below(rng, 12)) {
	case 0:
		return set_mtu(end, rng_pick(rng, mtus));
	case 1:
		return wire_stop(link);
	case 2:
		return wire_run(link);
	case 3:
		return replace(world);
	case 4:
		return replace(world) ?: world_settle(world);
	case 5:
	case 6:
	case 7:
		return world_settle(world);
	default:
		return set_up(world, end, rng_below(rng, 3));
	}
}

int world_settle(struct world *world)
{
	struct link *link = &world->link;
	int ret;

	ret = set_up(world, &link->a, true) ?: set_up(world, &link->b, true) ?: wire_run(link);
	if (!ret && !eventually(link_running(link->a.name)))
		ret = -ENETDOWN;
	return ret;
}
