// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic between two network namespaces by a single thread. It has both ends
 * of each socket pair, so there is no other process to switch to, and nobody
 * waits: what one end sends has been received by the stack when send() returns.
 * Prints the nanoseconds of a round, which are instructions where those are
 * counted.
 */

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "crowd.h"
#include "pairs.h"

#define MAX_FLOWS	16
#define MAX_SIZE	(1024 * 1024)

/* Rounds of each pair before anything is measured: windows open, routes and caches are filled. */
#define WARM_UP		12

static const struct workload workloads[] = {
	{ "udp", AF_INET, SOCK_DGRAM, false, false },
	{ "udp-rr", AF_INET, SOCK_DGRAM, true, false },
	{ "tcp", AF_INET, SOCK_STREAM, false, false },
	{ "tcp-rr", AF_INET, SOCK_STREAM, true, false },
	{ "wren", AF_WREN, SOCK_DGRAM, false, false },
	{ "wren-rr", AF_WREN, SOCK_DGRAM, true, false },
	{ "wren-nosum", AF_WREN, SOCK_DGRAM, false, true },
	{ "wren-nosum-rr", AF_WREN, SOCK_DGRAM, true, true },
	{ "packet", AF_PACKET, SOCK_DGRAM, false, false },
	{ "packet-rr", AF_PACKET, SOCK_DGRAM, true, false },
	{ "unix", AF_UNIX, SOCK_DGRAM, false, false },
	{ "unix-rr", AF_UNIX, SOCK_DGRAM, true, false },
};

static char buffer[MAX_SIZE];

static void die_of_usage(void)
{
	fputs("usage: flows WORKLOAD NETNS-A NETNS-B PLACE SIZE FLOWS ROUNDS REPETITIONS [CROWD]\n"
	      "WORKLOAD: udp, tcp, wren, wren-nosum, packet, unix: a round sends SIZE bytes from A\n"
	      "	to B; with -rr: and back\n"
	      "PLACE: the address in B, or the device in both for wren and packet; then, perhaps,\n"
	      "	: and the port in B\n"
	      CROWD_USAGE,
	      stderr);
	exit(2);
}

static void transfer(const struct end *from, const struct end *to, size_t size, int flags)
{
	const struct sockaddr *addr = from->to_len ? &from->to.sa : NULL;

	if (sendto(from->fd, buffer, size, 0, addr, from->to_len) != (ssize_t)size)
		err(1, "send");
	if (recv(to->fd, buffer, size, flags) != (ssize_t)size)
		err(1, "recv");
}

static void run(const struct workload *work, const struct flow *flows, unsigned int count,
		size_t size, unsigned int rounds)
{
	/* Packet sockets do not know it. */
	int flags = work->type == SOCK_STREAM ? MSG_WAITALL : 0;

	for (unsigned int i = 0, n = 0; i < rounds; i++, n = n + 1 == count ? 0 : n + 1) {
		transfer(&flows[n].a, &flows[n].b, size, flags);
		if (work->both_ways)
			transfer(&flows[n].b, &flows[n].a, size, flags);
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
static void repeat(const struct workload *work, const struct place *place, size_t size,
		   unsigned int count, unsigned int rounds, struct crowd *crowd)
{
	struct flow flows[MAX_FLOWS];
	long waits_before;
	long long start;

	for (unsigned int i = 0; i < count; i++)
		flows[i] = make_flow(work, place);
	/* Those that came later are found first. */
	open_crowd(crowd, place->netns[1]);

	run(work, flows, count, size, rounds / 4 + count * WARM_UP);

	waits_before = waits();
	start = now();
	run(work, flows, count, size, rounds);
	start = now() - start;
	printf("%.2f %ld\n", (double)start / rounds, waits() - waits_before);

	for (unsigned int i = 0; i < count; i++) {
		close(flows[i].a.fd);
		close(flows[i].b.fd);
	}
	close_crowd(crowd);
}

int main(int argc, char **argv)
{
	const struct workload *work = NULL;
	unsigned int size, count, rounds, repetitions;
	struct crowd crowd;
	struct place place;
	char *port;

	if (argc < 9)
		die_of_usage();
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (!strcmp(argv[1], workloads[i].name))
			work = &workloads[i];
	}
	if (!work)
		die_of_usage();
	port = strchr(argv[4], ':');
	if (port)
		*port++ = 0;
	place = (struct place) {
		.netns = { argv[2], argv[3] },
		.address = argv[4],
		.port = port ? number(port, UINT16_MAX) : 0,
	};
	size = number(argv[5], MAX_SIZE);
	count = number(argv[6], MAX_FLOWS);
	rounds = number(argv[7], 1000000);
	repetitions = number(argv[8], 1000);
	crowd = parse_crowd(argc - 9, argv + 9);

	/* Pages that are only read would all be the same one. */
	memset(buffer, 'w', sizeof(buffer));
	for (unsigned int i = 0; i < repetitions; i++)
		repeat(work, &place, size, count, rounds, &crowd);
	return 0;
}
