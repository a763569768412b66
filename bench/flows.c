// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic between two network namespaces by a single thread. It has both ends
 * of each socket pair, so there is no other process to switch to, and nobody
 * waits: what one end sends has been received by the stack when send() returns.
 * Prints the nanoseconds of a round, which are instructions where those are
 * counted.
 */

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FLOWS	16
#define MAX_SIZE	(1024 * 1024)

/*
 * No writer waits for room and no window is ever closed: a message is received
 * before the next one is sent.
 */
#define BUFFER_BYTES	(4 * MAX_SIZE)

/* Rounds of each pair before anything is measured: windows open, routes and caches are filled. */
#define WARM_UP		12

struct flow {
	int a;
	int b;
};

struct workload {
	const char *name;
	int type;
	bool both_ways;
};

static const struct workload workloads[] = {
	{ "udp", SOCK_DGRAM, false },
	{ "udp-rr", SOCK_DGRAM, true },
	{ "tcp", SOCK_STREAM, false },
	{ "tcp-rr", SOCK_STREAM, true },
};

static char buffer[MAX_SIZE];

static void die_of_usage(void)
{
	fputs("usage: flows WORKLOAD NETNS-A NETNS-B ADDRESS-B SIZE FLOWS ROUNDS REPETITIONS\n"
	      "WORKLOAD: udp, tcp: a round sends SIZE bytes from A to B; udp-rr, tcp-rr: and back\n",
	      stderr);
	exit(2);
}

static unsigned int number(const char *word, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*end || !value || value > max)
		die_of_usage();
	return value;
}

static void enter_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

/* A socket belongs to the namespace in which it was made, wherever its process goes. */
static int make_socket(const char *netns, int type)
{
	static const int size = BUFFER_BYTES, one = 1;
	int fd;

	enter_netns(netns);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    (type == SOCK_STREAM &&
	     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))))
		err(1, "socket");
	return fd;
}

static void connect_socket(int fd, const struct sockaddr_in *addr)
{
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		err(1, "connect");
}

static void socket_name(int fd, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);

	if (getsockname(fd, (struct sockaddr *)addr, &len))
		err(1, "getsockname");
}

/* Two sockets that are connected to each other. */
static struct flow make_flow(const struct workload *work, char **netns, struct in_addr b)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = b };
	struct flow flow = {
		.a = make_socket(netns[0], work->type),
		.b = make_socket(netns[1], work->type),
	};
	int listener = flow.b;

	if (bind(flow.b, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "bind");
	socket_name(flow.b, &addr);
	if (work->type == SOCK_DGRAM) {
		connect_socket(flow.a, &addr);
		socket_name(flow.a, &addr);
		connect_socket(flow.b, &addr);
		return flow;
	}
	if (listen(listener, 1))
		err(1, "listen");
	connect_socket(flow.a, &addr);
	flow.b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (flow.b < 0)
		err(1, "accept");
	close(listener);
	return flow;
}

static void transfer(int from, int to, size_t size)
{
	if (send(from, buffer, size, 0) != (ssize_t)size)
		err(1, "send");
	if (recv(to, buffer, size, MSG_WAITALL) != (ssize_t)size)
		err(1, "recv");
}

static void run(const struct workload *work, const struct flow *flows, unsigned int count,
		size_t size, unsigned int rounds)
{
	for (unsigned int i = 0, n = 0; i < rounds; i++, n = n + 1 == count ? 0 : n + 1) {
		transfer(flows[n].a, flows[n].b, size);
		if (work->both_ways)
			transfer(flows[n].b, flows[n].a, size);
	}
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* How often this thread has slept. */
static long waits(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

/*
 * With sockets of its own: where they are in hash tables, and which other ones
 * are there with them, is a matter of luck.
 */
static void repeat(const struct workload *work, char **netns, struct in_addr b, size_t size,
		   unsigned int count, unsigned int rounds)
{
	struct flow flows[MAX_FLOWS];
	long waits_before;
	long long start;

	for (unsigned int i = 0; i < count; i++)
		flows[i] = make_flow(work, netns, b);

	run(work, flows, count, size, rounds / 4 + count * WARM_UP);

	waits_before = waits();
	start = now();
	run(work, flows, count, size, rounds);
	start = now() - start;
	printf("%.2f %ld\n", (double)start / rounds, waits() - waits_before);

	for (unsigned int i = 0; i < count; i++) {
		close(flows[i].a);
		close(flows[i].b);
	}
}

int main(int argc, char **argv)
{
	const struct workload *work = NULL;
	unsigned int size, count, rounds, repetitions;
	struct in_addr b;

	if (argc != 9)
		die_of_usage();
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (!strcmp(argv[1], workloads[i].name))
			work = &workloads[i];
	}
	if (!work || !inet_aton(argv[4], &b))
		die_of_usage();
	size = number(argv[5], MAX_SIZE);
	count = number(argv[6], MAX_FLOWS);
	rounds = number(argv[7], 1000000);
	repetitions = number(argv[8], 1000);

	/* Pages that are only read would all be the same one. */
	memset(buffer, 'w', sizeof(buffer));
	for (unsigned int i = 0; i < repetitions; i++)
		repeat(work, argv + 2, b, size, count, rounds);
	return 0;
}
