/* SPDX-License-Identifier: GPL-2.0 */
/* System calls with random arguments, and the errors that each of them may give. */
#ifndef WREN_FUZZ_CALL_H
#define WREN_FUZZ_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../../lib/sock.h"
#include "world.h"

/*
 * Sockets have these numbers, which all threads share: who opens one replaces what another one may
 * be sleeping in. Nothing else gets them, so no call meets another kind of file.
 */
#define SLOT		200
#define SLOTS		10
/* epoll instances */
#define EPOLL		300
#define EPOLLS		3

/* A thread that makes calls */
struct caller {
	struct world *world;
	struct rng rng;
	pthread_t thread;
	pid_t tid;
	/* In the namespace of end b */
	bool other;
	int count;
	/* The arguments of the call under way are wrong: it must not succeed. */
	bool refused;
	const struct call *call;
	atomic_int done;
	atomic_bool ended;
	/* What went wrong */
	bool failed;
};

struct call {
	const char *name;
	/* What the call returns, or -errno */
	long (*run)(struct caller *caller);
	/* What it may give, ended by 0 */
	const int *errors;
};

#define ERRORS(...)	((const int[]){ __VA_ARGS__, 0 })

/* Ended by one without a name */
extern const struct call socket_calls[];
extern const struct call message_calls[];
extern const struct call option_calls[];

static inline long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* A socket, mostly */
int any_fd(struct caller *caller);
/* An address in 128 bytes; returns its length. Sets refused if it is none. */
socklen_t any_address(struct caller *caller, void *address);
/* Memory of the program that is not there, sometimes */
void *any_memory(struct caller *caller, void *memory);
int any_number(struct caller *caller);

#endif
