/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers that look random and are the same each time for the same seed: splitmix64. */
#ifndef WREN_TEST_RNG_H
#define WREN_TEST_RNG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct rng {
	__u64 state;
};

static inline __u64 rng_next(struct rng *rng)
{
	__u64 z = rng->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Each stream of a seed is a sequence of its own: one for each thread. */
static inline struct rng rng_of(__u64 seed, __u64 stream)
{
	struct rng rng = { seed * 0x2545f4914f6cdd1dULL + stream };

	rng.state = rng_next(&rng);
	return rng;
}

/* 0 to n - 1 */
static inline __u64 rng_below(struct rng *rng, __u64 n)
{
	return rng_next(rng) % n;
}

/* first to last */
static inline int rng_between(struct rng *rng, int first, int last)
{
	return first + rng_below(rng, last - first + 1);
}

static inline bool rng_one_in(struct rng *rng, unsigned int n)
{
	return !rng_below(rng, n);
}

#define rng_pick(rng, array) \
	((array)[rng_below(rng, sizeof(array) / sizeof((array)[0]))])

static inline void rng_fill(struct rng *rng, void *data, size_t len)
{
	unsigned char *bytes = data;
	__u64 word = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % sizeof(word) == 0)
			word = rng_next(rng);
		bytes[i] = word;
		word >>= 8;
	}
}

/* A number that whoever starts the program may give */
static inline long env_number(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value ? atol(value) : otherwise;
}

#endif
