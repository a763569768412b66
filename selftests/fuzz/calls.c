// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of a program, fuzzed: several threads use the same few sockets in all ways that there
 * are, right and wrong, while the devices go down, away and come again. No call hangs, none gives
 * an error that it should not, none with wrong arguments succeeds, and nothing is left.
 *
 * A seed is a run of CALLS calls of each thread. WREN_SEED is the first seed, WREN_COUNT how many
 * there are, or WREN_SECONDS how long it goes on. What a thread does is the same for the same
 * seed; what the threads do to each other is not, so a seed may have to be tried several times.
 */
#include <fcntl.h>
#include <sys/epoll.h>

#include "../lib/harness.h"
#include "lib/call.h"

#define CALLERS		6
#define CALLS		100
#define STOCK_RUNS	10
#define DEBUG_RUNS	1

/* A thread that has been in one call for so long is sent a signal. */
#define PATIENCE_MS	3

static const struct call * const tables[] = { socket_calls, message_calls, option_calls };

static struct world world;

FIXTURE(calls) {
	int sockets;
};

static void nothing(int number)
{
	(void)number;
}

FIXTURE_SETUP(calls)
{
	struct sigaction action = { .sa_handler = nothing };

	/* Of the threads, and of O_ASYNC. SIGPIPE kills: there is none. */
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, sigaction(SIGIO, &action, NULL));
	ASSERT_EQ(0, world_setup(&world));
	self->sockets = proto_sockets();
}

FIXTURE_TEARDOWN(calls)
{
	link_teardown(&world.link);
}

static const struct call *any_call(struct rng *rng)
{
	const struct call *table = rng_pick(rng, tables);
	int count = 0;

	while (table[count].name)
		count++;
	return &table[rng_below(rng, count)];
}

static bool expected(const struct call *call, long result)
{
	const int *error;

	for (error = call->errors; *error; error++) {
		if (result == -*error)
			return true;
	}
	return false;
}

static void *caller_run(void *arg)
{
	struct caller *caller = arg;
	const struct call *call;
	long result;

	caller->tid = gettid();
	if (caller->other)
		close(ns_enter(world.link.b.ns));
	while (caller->done < caller->count && !caller->failed) {
		call = any_call(&caller->rng);
		__atomic_store_n(&caller->call, call, __ATOMIC_RELAXED);
		caller->refused = false;
		result = call->run(caller);
		if (result < 0 && !expected(call, result)) {
			printf("# %s: %s\n", call->name, strerrorname_np(-result));
			caller->failed = true;
		} else if (result >= 0 && caller->refused) {
			printf("# %s: %ld, although its arguments are wrong\n", call->name, result);
			caller->failed = true;
		}
		caller->done++;
	}
	caller->ended = true;
	return NULL;
}

/* Where a thread is in the kernel */
static void print_stack(const struct caller *caller)
{
	char path[64], line[256];
	FILE *file;

	printf("# %s does not return, thread %d:\n",
	       __atomic_load_n(&caller->call, __ATOMIC_RELAXED)->name, caller->tid);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", caller->tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		printf("#   %s", line);
	if (file)
		fclose(file);
}

/*
 * Waits for the threads, and disturbs those that sleep. Which call sleeps may depend on what
 * others do, so each of them must be able to be disturbed.
 */
static bool wait_for(struct caller *callers)
{
	int seen[CALLERS] = {}, n, ended = 0;
	long long since = now_ms();

	while (ended < CALLERS) {
		usleep(PATIENCE_MS * 1000);
		for (n = 0, ended = 0; n < CALLERS; n++) {
			if (callers[n].ended) {
				ended++;
			} else if (callers[n].done != seen[n]) {
				seen[n] = callers[n].done;
				since = now_ms();
			} else {
				pthread_kill(callers[n].thread, SIGUSR1);
			}
		}
		if (now_ms() - since < LONG_MS)
			continue;
		for (n = 0; n < CALLERS; n++) {
			if (!callers[n].ended)
				print_stack(&callers[n]);
		}
		return false;
	}
	return true;
}

/* What happens to the devices meanwhile */
struct changes {
	pthread_t thread;
	struct rng rng;
	atomic_bool stop;
	int error;
};

static void *changes_run(void *arg)
{
	struct changes *changes = arg;

	while (!changes->stop && !changes->error) {
		changes->error = world_change(&world, &changes->rng);
		usleep(rng_below(&changes->rng, 10000));
	}
	return NULL;
}

static void open_epolls(void)
{
	int n, fd;

	for (n = 0; n < EPOLLS; n++) {
		fd = epoll_create1(EPOLL_CLOEXEC);
		dup3(fd, EPOLL + n, O_CLOEXEC);
		close(fd);
	}
}

static void close_all(void)
{
	int n;

	for (n = 0; n < SLOTS; n++)
		close(SLOT + n);
	for (n = 0; n < EPOLLS; n++)
		close(EPOLL + n);
}

/* One run: true if nothing went wrong, and nothing is left of it. */
static bool run(__u64 seed, int sockets)
{
	struct changes changes = { .rng = rng_of(seed, CALLERS) };
	struct caller callers[CALLERS] = {};
	bool right = true;
	int n, error;

	open_epolls();
	for (n = 0; n < CALLERS; n++) {
		callers[n].world = &world;
		callers[n].rng = rng_of(seed, n);
		callers[n].other = n % 2;
		callers[n].count = CALLS;
		if (pthread_create(&callers[n].thread, NULL, caller_run, &callers[n]))
			abort();
	}
	if (pthread_create(&changes.thread, NULL, changes_run, &changes))
		abort();
	if (!wait_for(callers)) {
		/* The threads are not to be waited for, so this process is of no more use. */
		printf("# WREN_SEED=%llu WREN_COUNT=1\n", (unsigned long long)seed);
		fflush(stdout);
		_exit(KSFT_FAIL);
	}
	changes.stop = true;
	pthread_join(changes.thread, NULL);
	for (n = 0; n < CALLERS; n++) {
		pthread_join(callers[n].thread, NULL);
		right = right && !callers[n].failed;
	}

	error = changes.error ?: world_settle(&world);
	if (error) {
		printf("# the devices: %s\n", strerrorname_np(-error));
		right = false;
	}
	close_all();
	if (!only_sockets(0) || !eventually(proto_sockets() == sockets)) {
		printf("# %d sockets are left\n", module_refs("af_wren"));
		right = false;
	}
	if (!right)
		printf("# WREN_SEED=%llu WREN_COUNT=1\n", (unsigned long long)seed);
	return right;
}

/* It takes as long as whoever asks for it says. */
TEST_F_TIMEOUT(calls, none_hangs_or_surprises, 1 << 24)
{
	int count = env_number("WREN_COUNT", debug_kernel() ? DEBUG_RUNS : STOCK_RUNS);
	long long end = now_ms() + env_number("WREN_SECONDS", 0) * 1000;
	__u64 first = env_number("WREN_SEED", 1), seed;
	bool right = true;

	for (seed = first; right && (seed < first + count || now_ms() < end); seed++)
		right = run(seed, self->sockets);
	ASSERT_TRUE(right);
	TH_LOG("%d runs, seeds from %d", (int)(seed - first), (int)first);
}

TEST_HARNESS_MAIN
