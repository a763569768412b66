/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Very many sockets that nobody uses: what lookups meet, and what memory is
 * taken for.
 */
#ifndef _BENCH_CROWD_H
#define _BENCH_CROWD_H

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pairs.h"

#define CROWD_USAGE \
	"CROWD: KIND COUNT PORTS PLACE...: sockets that nobody uses. KIND: wren, raw, packet,\n" \
	"	each PLACE is a device; udp: an address; unix: anything. Each place gets the\n" \
	"	ports 1 to PORTS, until there are COUNT sockets\n"

#define MAX_CROWD	1000000

struct crowd {
	const char *kind;
	unsigned int count;
	unsigned int ports;
	char **places;
	int *fds;
};

static inline unsigned int number(const char *word, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*end || !value || value > max)
		errx(2, "%s: has to be from 1 to %u", word, max);
	return value;
}

/* Reads what follows other arguments, which may be nothing. */
static inline struct crowd parse_crowd(int argc, char **argv)
{
	struct crowd crowd = { 0 };

	if (!argc)
		return crowd;
	if (argc < 4)
		errx(2, "no crowd without places");
	crowd.kind = argv[0];
	crowd.count = number(argv[1], MAX_CROWD);
	crowd.ports = number(argv[2], UINT16_MAX);
	crowd.places = argv + 3;
	if (crowd.count > crowd.ports * (argc - 3))
		errx(2, "not enough places for %u sockets", crowd.count);
	return crowd;
}

/* A socket that is bound. */
static inline int open_one(const char *kind, const char *place, unsigned int port)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_ll ll;
		struct sockaddr_un un;
		struct sockaddr_wren wren;
	} name = { 0 };
	socklen_t len = sizeof(name.wren);
	int fd, type = SOCK_DGRAM;

	if (!strcmp(kind, "wren") || !strcmp(kind, "raw")) {
		name.wren.swren_family = AF_WREN;
		name.wren.swren_ifindex = if_nametoindex(place);
		if (*kind == 'w')
			name.wren.swren_port = htons(port);
		else
			type = SOCK_RAW;
	} else if (!strcmp(kind, "packet")) {
		name.ll.sll_family = AF_PACKET;
		name.ll.sll_protocol = htons(PACKET_ETHERTYPE);
		name.ll.sll_ifindex = if_nametoindex(place);
		len = sizeof(name.ll);
	} else if (!strcmp(kind, "udp")) {
		len = sizeof(name.in);
		name.in.sin_family = AF_INET;
		name.in.sin_port = htons(port);
		if (!inet_aton(place, &name.in.sin_addr))
			errx(2, "%s: not an address", place);
	} else if (!strcmp(kind, "unix")) {
		/* The kernel gives it a name. */
		name.un.sun_family = AF_UNIX;
		len = sizeof(name.un.sun_family);
	} else {
		errx(2, "%s: no such kind", kind);
	}
	fd = must(socket(name.sa.sa_family, type, 0), "socket");
	must(bind(fd, &name.sa, len), "bind");
	return fd;
}

/* Opens them in a namespace. They are bound, and stay open in what is executed. */
static inline void open_crowd(struct crowd *crowd, const char *netns)
{
	struct rlimit limit = { crowd->count + 1024, crowd->count + 1024 };

	if (!crowd->count)
		return;
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	enter_netns(netns);
	crowd->fds = calloc(crowd->count, sizeof(*crowd->fds));
	if (!crowd->fds)
		err(1, "calloc");
	for (unsigned int i = 0; i < crowd->count; i++)
		crowd->fds[i] = open_one(crowd->kind, crowd->places[i / crowd->ports],
					 1 + i % crowd->ports);
}

static inline void close_crowd(struct crowd *crowd)
{
	for (unsigned int i = 0; i < crowd->count; i++)
		close(crowd->fds[i]);
	free(crowd->fds);
}

#endif /* _BENCH_CROWD_H */
