/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pairs of sockets, one in each of two network namespaces, each of which sends
 * to the other.
 */
#ifndef _BENCH_PAIRS_H
#define _BENCH_PAIRS_H

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/wren.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AF_WREN		AF_WREN_DEFAULT

/* Of what is sent by packet sockets: IEEE Std 802 - Local Experimental Ethertype 2 */
#define PACKET_ETHERTYPE 0x88B6

/* Room for all that is sent at a time: the callers receive a message before they send the next. */
#define BUFFER_BYTES	(4 * 1024 * 1024)

struct end {
	int fd;
	/* Where to send to; of no length if the socket is connected. */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_ll ll;
		struct sockaddr_wren wren;
	} to;
	socklen_t to_len;
};

struct flow {
	struct end a;
	struct end b;
};

/* Where flows go: an IPv4 address, or the name of the device in both namespaces. */
struct place {
	const char *netns[2];
	const char *address;
	/* Of the second socket, in host byte order; 0: any. */
	unsigned short port;
};

struct workload {
	const char *name;
	int family;
	int type;
	bool both_ways;
	bool no_checksum;
};

static inline void enter_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static inline int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

/* A socket belongs to the namespace in which it was made, wherever its process goes. */
static inline int make_socket(const char *netns, const struct workload *work, int protocol)
{
	static const int size = BUFFER_BYTES, one = 1;
	int fd;

	enter_netns(netns);
	fd = must(socket(work->family, work->type | SOCK_CLOEXEC, protocol), "socket");
	must(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), "SO_SNDBUFFORCE");
	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), "SO_RCVBUFFORCE");
	if (work->type == SOCK_STREAM)
		must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
	return fd;
}

static inline void socket_name(int fd, void *addr, socklen_t len)
{
	must(getsockname(fd, addr, &len), "getsockname");
}

static inline void make_inet(struct flow *flow, const struct workload *work,
			     const struct place *place)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(place->port) };
	int listener;

	if (!inet_aton(place->address, &addr.sin_addr))
		errx(2, "%s: not an address", place->address);
	flow->a.fd = make_socket(place->netns[0], work, 0);
	flow->b.fd = make_socket(place->netns[1], work, 0);
	must(bind(flow->b.fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	socket_name(flow->b.fd, &addr, sizeof(addr));
	if (work->type == SOCK_STREAM)
		must(listen(flow->b.fd, 1), "listen");
	must(connect(flow->a.fd, (struct sockaddr *)&addr, sizeof(addr)), "connect");
	if (work->type == SOCK_STREAM) {
		listener = flow->b.fd;
		flow->b.fd = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		close(listener);
		return;
	}
	socket_name(flow->a.fd, &addr, sizeof(addr));
	must(connect(flow->b.fd, (struct sockaddr *)&addr, sizeof(addr)), "connect");
}

static inline void make_wren(struct flow *flow, const struct workload *work,
			     const struct place *place)
{
	struct sockaddr_wren name[2] = { 0 };
	struct end *ends[2] = { &flow->a, &flow->b };
	int index;

	for (int i = 0; i < 2; i++) {
		ends[i]->fd = make_socket(place->netns[i], work, 0);
		name[i].swren_family = AF_WREN;
		name[i].swren_ifindex = if_nametoindex(place->address);
		name[i].swren_port = htons(i ? place->port : 0);
		if (work->no_checksum)
			must(setsockopt(ends[i]->fd, SOL_WREN, WREN_CHECKSUM, &(int){ 0 },
					sizeof(int)), "WREN_CHECKSUM");
		must(bind(ends[i]->fd, (struct sockaddr *)&name[i], sizeof(name[i])), "bind");
		socket_name(ends[i]->fd, &name[i], sizeof(name[i]));
	}
	/* The peer's name, seen from here. */
	index = name[0].swren_ifindex;
	name[0].swren_ifindex = name[1].swren_ifindex;
	name[1].swren_ifindex = index;
	for (int i = 0; i < 2; i++)
		must(connect(ends[i]->fd, (struct sockaddr *)&name[!i], sizeof(name[!i])),
		     "connect");
}

/* A packet socket is not connected: it says each time where to send to. */
static inline void make_packet(struct flow *flow, const struct workload *work,
			       const struct place *place)
{
	struct end *ends[2] = { &flow->a, &flow->b };
	struct sockaddr_ll name[2] = { 0 };
	socklen_t len;

	for (int i = 0; i < 2; i++) {
		ends[i]->fd = make_socket(place->netns[i], work, 0);
		name[i].sll_family = AF_PACKET;
		name[i].sll_protocol = htons(PACKET_ETHERTYPE);
		name[i].sll_ifindex = if_nametoindex(place->address);
		must(bind(ends[i]->fd, (struct sockaddr *)&name[i], sizeof(name[i])), "bind");
		len = sizeof(name[i]);
		must(getsockname(ends[i]->fd, (struct sockaddr *)&name[i], &len), "getsockname");
	}
	for (int i = 0; i < 2; i++) {
		ends[i]->to.ll = name[!i];
		ends[i]->to.ll.sll_ifindex = name[i].sll_ifindex;
		ends[i]->to_len = sizeof(name[i]);
	}
}

/* Without a network in between. */
static inline void make_unix(struct flow *flow, const struct workload *work)
{
	int fds[2];

	must(socketpair(AF_UNIX, work->type | SOCK_CLOEXEC, 0, fds), "socketpair");
	flow->a.fd = fds[0];
	flow->b.fd = fds[1];
}

static inline struct flow make_flow(const struct workload *work, const struct place *place)
{
	struct flow flow = { 0 };

	switch (work->family) {
	case AF_INET:
		make_inet(&flow, work, place);
		break;
	case AF_WREN:
		make_wren(&flow, work, place);
		break;
	case AF_PACKET:
		make_packet(&flow, work, place);
		break;
	case AF_UNIX:
		make_unix(&flow, work);
		break;
	}
	return flow;
}

#endif /* _BENCH_PAIRS_H */
