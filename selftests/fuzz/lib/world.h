/* SPDX-License-Identifier: GPL-2.0 */
/* A wren pair that is not what it was a moment ago. */
#ifndef WREN_FUZZ_WORLD_H
#define WREN_FUZZ_WORLD_H

#include <pthread.h>

#include "../../lib/link.h"
#include "../../lib/rng.h"

struct world {
	pthread_mutex_t lock;
	struct link link;
};

/* 0 or -errno */
int world_setup(struct world *world);
/* One end as it is now; it may be gone when the caller uses it. */
struct end world_end(struct world *world, bool other);
/* Something happens to the devices. Context: one thread, in the namespace of end a. */
int world_change(struct world *world, struct rng *rng);
/* Both ends are there and up, and the wire runs: 0 or -errno. */
int world_settle(struct world *world);

#endif
