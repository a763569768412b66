// SPDX-License-Identifier: GPL-2.0
/* Calls that make, name and end sockets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

/* A socket takes the place of another one, which is closed by that. */
static long put(struct caller *caller, int fd)
{
	int slot = SLOT + rng_below(&caller->rng, SLOTS);

	/* Two threads may do that to one slot at the same time. */
	while (dup3(fd, slot, O_CLOEXEC) < 0 && errno == EBUSY)
		;
	close(fd);
	return 0;
}

static long do_socket(struct caller *caller)
{
	static const int types[] = {
		SOCK_DGRAM, SOCK_DGRAM, SOCK_DGRAM, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
		SOCK_SEQPACKET, SOCK_RDM,
	};
	static const int protocols[] = { 1, -1, 255 };
	int type = rng_pick(&caller->rng, types);
	int protocol = rng_one_in(&caller->rng, 8) ? rng_pick(&caller->rng, protocols) : 0;
	int flags = SOCK_CLOEXEC | (rng_one_in(&caller->rng, 4) ? SOCK_NONBLOCK : 0);
	int fd = socket(wren_family(), type | flags, protocol);

	caller->refused = (type != SOCK_DGRAM && type != SOCK_RAW) || protocol;
	return fd < 0 ? -errno : put(caller, fd);
}

/* One that is ready to send to a port where somebody may be */
static long do_connected(struct caller *caller)
{
	struct end here = world_end(caller->world, caller->other);
	struct end there = world_end(caller->world, !caller->other);
	int port = rng_between(&caller->rng, 1000, 1003), fd = wren_socket(0), ret;
	struct sockaddr_wren peer = wren_addr(0, 2003 - port, there.mac);

	if (fd < 0)
		return fd;
	ret = wren_bind(fd, here.index, port) ?: wren_connect(fd, &peer);
	if (!ret)
		return put(caller, fd);
	close(fd);
	return ret;
}

/* Half of the slots are never empty for long, or most calls would find nothing there. */
static long do_close(struct caller *caller)
{
	return result(close(SLOT + rng_below(&caller->rng, SLOTS / 2)));
}

static long do_dup(struct caller *caller)
{
	int from = any_fd(caller), to = SLOT + rng_below(&caller->rng, SLOTS);

	return result(dup2(from, to));
}

static long do_bind(struct caller *caller)
{
	char addr[128];
	socklen_t len = any_address(caller, addr);

	/* Mostly without an Ethernet address, or that of the other end */
	if (rng_below(&caller->rng, 4))
		memset(((struct sockaddr_wren *)addr)->swren_mac, 0, ETH_ALEN);
	return result(bind(any_fd(caller), any_memory(caller, addr), len));
}

/* To nobody: the family says it, and nothing else counts. */
static long do_disconnect(struct caller *caller)
{
	char addr[128] = {};

	return result(connect(any_fd(caller), (void *)addr, rng_between(&caller->rng, 2, 128)));
}

static long do_connect(struct caller *caller)
{
	char addr[128];
	socklen_t len = any_address(caller, addr);
	const struct sockaddr_wren *peer = (void *)addr;

	/* Nobody has that address, or that port. */
	caller->refused |= !peer->swren_port || !memcmp(peer->swren_mac, "\0\0\0\0\0", ETH_ALEN);
	return result(connect(any_fd(caller), any_memory(caller, addr), len));
}

static long do_shutdown(struct caller *caller)
{
	static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1 };
	int how = rng_pick(&caller->rng, hows);

	caller->refused = how < SHUT_RD || how > SHUT_RDWR;
	return result(shutdown(any_fd(caller), how));
}

static long do_getname(struct caller *caller)
{
	static const socklen_t lens[] = { 16, 16, 16, 0, 1, 128, -1 };
	socklen_t len = rng_pick(&caller->rng, lens);
	char addr[128];
	int fd = any_fd(caller);

	caller->refused |= (int)len < 0;
	if (rng_below(&caller->rng, 2))
		return result(getsockname(fd, any_memory(caller, addr), &len));
	return result(getpeername(fd, any_memory(caller, addr), &len));
}

static long do_never(struct caller *caller)
{
	int fd = any_fd(caller), pair[2];

	caller->refused = true;
	switch (rng_below(&caller->rng, 3)) {
	case 0:
		return result(listen(fd, any_number(caller)));
	case 1:
		return result(accept(fd, NULL, NULL));
	default:
		return result(socketpair(wren_family(), SOCK_DGRAM, 0, pair));
	}
}

static long do_fcntl(struct caller *caller)
{
	int fd = any_fd(caller);

	switch (rng_below(&caller->rng, 3)) {
	case 0:
		return result(fcntl(fd, F_GETFL));
	case 1:
		return result(fcntl(fd, F_SETOWN, rng_below(&caller->rng, 2) ? getpid() : 0));
	default:
		return result(fcntl(fd, F_SETFL, rng_next(&caller->rng) &
				    (O_NONBLOCK | O_ASYNC | O_APPEND)));
	}
}

/* Who looks at all the sockets while they come and go */
static long do_proc(struct caller *caller)
{
	static const char * const paths[] = {
		"/proc/thread-self/net/wren", "/proc/thread-self/net/protocols",
		"/proc/thread-self/net/dev_mcast",
	};
	FILE *file = fopen(rng_pick(&caller->rng, paths), "re");
	char line[256];
	long lines = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		lines++;
	fclose(file);
	return lines;
}

const struct call socket_calls[] = {
	{ "socket", do_socket,
	  ERRORS(ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENOBUFS, ENOMEM) },
	{ "socket", do_socket,
	  ERRORS(ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENOBUFS, ENOMEM) },
	{ "a connected socket", do_connected,
	  ERRORS(ENOBUFS, ENOMEM, ENODEV, EADDRINUSE) },
	{ "a connected socket", do_connected,
	  ERRORS(ENOBUFS, ENOMEM, ENODEV, EADDRINUSE) },
	{ "close", do_close, ERRORS(EBADF) },
	{ "dup", do_dup, ERRORS(EBADF, EBUSY) },
	{ "bind", do_bind,
	  ERRORS(EBADF, EFAULT, EINVAL, EAFNOSUPPORT, ENODEV, EADDRNOTAVAIL, EADDRINUSE) },
	{ "connect", do_connect,
	  ERRORS(EBADF, EFAULT, EINVAL, EAFNOSUPPORT, EDESTADDRREQ, EACCES, ENODEV, EADDRINUSE,
		 EOPNOTSUPP) },
	{ "connect to nobody", do_disconnect, ERRORS(EBADF, EOPNOTSUPP) },
	{ "shutdown", do_shutdown, ERRORS(EBADF, EINVAL, ENOTCONN) },
	{ "getsockname or getpeername", do_getname, ERRORS(EBADF, EFAULT, EINVAL, ENOTCONN) },
	{ "listen, accept or socketpair", do_never, ERRORS(EBADF, EOPNOTSUPP) },
	{ "fcntl", do_fcntl, ERRORS(EBADF) },
	{ "a file in /proc/net", do_proc, ERRORS(ENOMEM) },
	{ }
};
