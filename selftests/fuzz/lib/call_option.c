// SPDX-License-Identifier: GPL-2.0
/* Options of sockets, ours and those of the core. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <stdio.h>
#include <string.h>

#include <kselftest.h>

#include "call.h"

/* The last option of the core, and a few that there are not */
#define OPTIONS	90

static long set(struct caller *caller, int level, int name, const void *value, socklen_t len)
{
	int fd = any_fd(caller);

	return result(setsockopt(fd, level, name, any_memory(caller, (void *)value), len));
}

static socklen_t any_size(struct caller *caller, socklen_t right)
{
	static const socklen_t sizes[] = { 0, 1, 3, 4, 8, 12, 16, 64, -1 };

	return rng_one_in(&caller->rng, 6) ? rng_pick(&caller->rng, sizes) : right;
}

static long do_membership(struct caller *caller)
{
	int name = rng_below(&caller->rng, 3) ? WREN_ADD_MEMBERSHIP : WREN_DROP_MEMBERSHIP;
	struct end here = world_end(caller->world, caller->other);
	struct wren_mreq mreq = {
		.wrenm_mac = { 0x33, 0, 0, 0, 0, rng_below(&caller->rng, 40) },
	};
	socklen_t len = any_size(caller, sizeof(mreq));

	if (rng_below(&caller->rng, 3))
		mreq.wrenm_ifindex = rng_one_in(&caller->rng, 8) ? any_number(caller) : here.index;
	if (rng_one_in(&caller->rng, 16)) {
		mreq.wrenm_zero[rng_below(&caller->rng, 2)] = 1;
		caller->refused = true;
	}
	if (rng_one_in(&caller->rng, 16)) {
		mreq.wrenm_mac[0] = 2;
		caller->refused = true;
	}
	caller->refused |= len < sizeof(mreq);
	return set(caller, SOL_WREN, name, &mreq, len);
}

static long do_checksum(struct caller *caller)
{
	int value = rng_one_in(&caller->rng, 8) ? any_number(caller) :
		    rng_between(&caller->rng, 0, 1);
	socklen_t len = any_size(caller, sizeof(value));

	caller->refused = (value & ~1) || len < sizeof(value);
	return set(caller, SOL_WREN, WREN_CHECKSUM, &value, len);
}

static long do_unknown(struct caller *caller)
{
	static const int levels[] = { SOL_WREN, SOL_WREN, 0, 6, 17, 263, -1 };
	int level = rng_pick(&caller->rng, levels), name = any_number(caller);
	int value[4] = { any_number(caller) };

	if (level == SOL_WREN && name >= 0 && name <= WREN_RECVERR)
		name += 100;
	caller->refused = true;
	return set(caller, level, name, value, any_size(caller, sizeof(value)));
}

static long do_get(struct caller *caller)
{
	struct { char bytes[64]; } value;
	socklen_t len = any_size(caller, rng_below(&caller->rng, sizeof(value) + 1));
	int name = rng_below(&caller->rng, WREN_RECVERR + 2);

	if ((int)len > (int)sizeof(value))
		len = sizeof(value);
	caller->refused = (name != WREN_CHECKSUM && name != WREN_INFO) || (int)len < 0;
	return result(getsockopt(any_fd(caller), SOL_WREN, name, any_memory(caller, &value), &len));
}

static long do_get_core(struct caller *caller)
{
	char value[256];
	socklen_t len = rng_below(&caller->rng, sizeof(value) + 1);

	return result(getsockopt(any_fd(caller), SOL_SOCKET, rng_below(&caller->rng, OPTIONS),
				 any_memory(caller, value), &len));
}

static long do_set_core(struct caller *caller)
{
	int value[4] = { any_number(caller), any_number(caller) & 0xfffff };

	return set(caller, SOL_SOCKET, rng_below(&caller->rng, OPTIONS), value,
		   any_size(caller, rng_below(&caller->rng, 2) ? 4 : 16));
}

static long do_buffer(struct caller *caller)
{
	static const int names[] = { SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE };
	static const int values[] = { 0, 1, 2000, 10000, 100000, 1 << 20 };
	int name = rng_pick(&caller->rng, names), value = rng_pick(&caller->rng, values);

	return set(caller, SOL_SOCKET, name, &value, sizeof(value));
}

static long do_broadcast(struct caller *caller)
{
	int value = rng_below(&caller->rng, 4) != 0;

	return set(caller, SOL_SOCKET, SO_BROADCAST, &value, sizeof(value));
}

static long do_timeout(struct caller *caller)
{
	struct timeval tv = { 0, rng_below(&caller->rng, 3000) };

	return set(caller, SOL_SOCKET, rng_below(&caller->rng, 2) ? SO_RCVTIMEO : SO_SNDTIMEO, &tv,
		   sizeof(tv));
}

static long do_filter(struct caller *caller)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, rng_below(&caller->rng, 40)),
		BPF_STMT(BPF_RET | rng_below(&caller->rng, 2) * BPF_A,
			 rng_below(&caller->rng, 2000)),
	};
	struct sock_fprog prog = { rng_below(&caller->rng, ARRAY_SIZE(code) + 1), code };

	if (rng_below(&caller->rng, 2))
		return set(caller, SOL_SOCKET, SO_DETACH_FILTER, code, sizeof(int));
	return set(caller, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static long do_device(struct caller *caller)
{
	static const char * const names[] = { "", "lo", "wren-a", "wren-b", "none" };
	const char *name = rng_pick(&caller->rng, names);

	return set(caller, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name));
}

static long do_timestamping(struct caller *caller)
{
	int value = rng_below(&caller->rng, 1 << 17);

	return set(caller, SOL_SOCKET, SO_TIMESTAMPING, &value, sizeof(value));
}

/* Of the core, which has more reasons than there is room for on our page */
#define CORE_ERRORS \
	ERRORS(EBADF, EFAULT, EINVAL, EPERM, ENOPROTOOPT, EDOM, ENOMEM, ENODEV, EOPNOTSUPP, \
	       ENOENT, ENOTCONN, ENODATA, ERANGE, EBUSY)

const struct call option_calls[] = {
	{ "setsockopt of a membership", do_membership,
	  ERRORS(EBADF, EFAULT, EINVAL, ENODEV, EADDRINUSE, ENOBUFS, EADDRNOTAVAIL) },
	{ "setsockopt of WREN_CHECKSUM", do_checksum, ERRORS(EBADF, EFAULT, EINVAL) },
	{ "setsockopt of another level", do_unknown, ERRORS(EBADF, EFAULT, EINVAL, ENOPROTOOPT) },
	{ "getsockopt of SOL_WREN", do_get, ERRORS(EBADF, EFAULT, EINVAL, ENOPROTOOPT) },
	{ "getsockopt of SOL_SOCKET", do_get_core, CORE_ERRORS },
	{ "setsockopt of SOL_SOCKET", do_set_core, CORE_ERRORS },
	{ "setsockopt of a buffer", do_buffer, ERRORS(EBADF, EFAULT) },
	{ "setsockopt of SO_BROADCAST", do_broadcast, ERRORS(EBADF, EFAULT) },
	{ "setsockopt of a timeout", do_timeout, ERRORS(EBADF, EFAULT) },
	{ "setsockopt of a filter", do_filter,
	  ERRORS(EBADF, EFAULT, EINVAL, ENOENT, EPERM, ENOMEM) },
	{ "setsockopt of SO_BINDTODEVICE", do_device, ERRORS(EBADF, EFAULT, ENODEV) },
	{ "setsockopt of SO_TIMESTAMPING", do_timestamping,
	  ERRORS(EBADF, EFAULT, EINVAL, EOPNOTSUPP) },
	{ }
};
