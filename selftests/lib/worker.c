// SPDX-License-Identifier: GPL-2.0
/* A call in a thread of its own, see worker.h. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wait.h"
#include "worker.h"

char thread_state(pid_t tid)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return state;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(file);
	return state;
}

int thread_join(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LONG_MS / 1000;
	return -pthread_timedjoin_np(thread, NULL, &until);
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;

	if (worker->cpu >= 0)
		run_on_cpu(worker->cpu);
	worker->tid = syscall(SYS_gettid);
	worker->result = worker->call(worker->arg);
	worker->done = true;
	return NULL;
}

int worker_start(struct worker *worker, int (*call)(void *), void *arg)
{
	worker->call = call;
	worker->arg = arg;
	worker->tid = 0;
	worker->done = false;
	return -pthread_create(&worker->thread, NULL, worker_run, worker);
}

bool worker_sleeps(struct worker *worker)
{
	return eventually(worker->done ||
			  (worker->tid &&
			   stays(!worker->done && thread_state(worker->tid) == 'S', 50))) &&
	       !worker->done;
}

int worker_result(struct worker *worker)
{
	int ret = thread_join(worker->thread);

	return ret ?: worker->result;
}

int cpu_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? -errno : CPU_COUNT(&set);
}

int run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}
