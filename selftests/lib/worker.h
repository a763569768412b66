/* SPDX-License-Identifier: GPL-2.0 */
/* A call in a thread of its own, which may sleep in the kernel. */
#ifndef WREN_TEST_WORKER_H
#define WREN_TEST_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* 'S': it is asleep in the kernel, see proc(5); '?': there is none */
char thread_state(pid_t tid);
/* Waits for the thread for LONG_MS: 0 or -errno. */
int thread_join(pthread_t thread);

struct worker {
	int (*call)(void *arg);
	void *arg;
	int cpu;		/* where to run, or -1: anywhere */
	pthread_t thread;
	atomic_int tid;
	atomic_int result;	/* of the call, when it is done */
	atomic_bool done;
};

int worker_start(struct worker *worker, int (*call)(void *), void *arg);
/* Is it asleep, and not for a moment only? */
bool worker_sleeps(struct worker *worker);
/* Waits for its end and tells the result. */
int worker_result(struct worker *worker);

/* CPUs that this process may run on */
int cpu_count(void);
/* The calling thread runs there: 0 or -errno. */
int run_on_cpu(int cpu);

#endif
