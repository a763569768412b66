// SPDX-License-Identifier: GPL-2.0
/* Calls that send and receive, and that wait for it. */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kselftest.h>

#include "call.h"

#define BYTES	131072

/* What is sent is read from here, what is received goes there; nobody looks at it. */
static char outgoing[BYTES], incoming[BYTES];

/* Most calls do not sleep, or little would happen. */
static int any_flags(struct caller *caller, const int *flags, int count)
{
	int chosen = rng_one_in(&caller->rng, 4) ? 0 : MSG_DONTWAIT;

	while (rng_one_in(&caller->rng, 3))
		chosen |= flags[rng_below(&caller->rng, count)];
	caller->refused |= (chosen & MSG_OOB) != 0;
	return chosen;
}

static int any_send_flags(struct caller *caller)
{
	static const int flags[] = {
		MSG_MORE, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL, MSG_EOR, MSG_ZEROCOPY,
		MSG_OOB,
	};

	return any_flags(caller, flags, ARRAY_SIZE(flags));
}

static int any_receive_flags(struct caller *caller)
{
	static const int flags[] = {
		MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC, MSG_OOB,
	};

	return any_flags(caller, flags, ARRAY_SIZE(flags));
}

static size_t any_length(struct caller *caller)
{
	static const size_t lengths[] = {
		0, 1, 11, 12, 13, 56, 57, 1488, 1489, 3072, 3073, 8988, 8989, 65535, 65536, BYTES,
	};

	if (rng_below(&caller->rng, 2))
		return rng_pick(&caller->rng, lengths);
	return rng_below(&caller->rng, 1500);
}

static long do_send(struct caller *caller)
{
	int fd = any_fd(caller), flags = any_send_flags(caller);
	size_t len = any_length(caller);

	return result(send(fd, any_memory(caller, outgoing), len, flags));
}

static long do_sendto(struct caller *caller)
{
	int fd = any_fd(caller), flags = any_send_flags(caller);
	size_t len = any_length(caller);
	char addr[128];
	socklen_t size = any_address(caller, addr);

	return result(sendto(fd, any_memory(caller, outgoing), len, flags,
			     any_memory(caller, addr), size));
}

/* A control message, right or wrong */
static size_t any_control(struct caller *caller, struct cmsghdr *cmsg)
{
	static const int types[] = { SO_MARK, SO_PRIORITY, SCM_TXTIME, SO_TIMESTAMPING, SCM_RIGHTS,
				     SCM_CREDENTIALS };
	static const size_t lens[] = { 0, 4, 4, 4, 8, 8, 12 };
	size_t len = rng_pick(&caller->rng, lens);
	__u64 value = rng_below(&caller->rng, 1 << 16);

	cmsg->cmsg_level = rng_one_in(&caller->rng, 8) ? any_number(caller) : SOL_SOCKET;
	cmsg->cmsg_type = rng_one_in(&caller->rng, 8) ? any_number(caller) :
			  rng_pick(&caller->rng, types);
	cmsg->cmsg_len = CMSG_LEN(len);
	memset(CMSG_DATA(cmsg), 0, 16);
	memcpy(CMSG_DATA(cmsg), &value, sizeof(value));
	if (rng_one_in(&caller->rng, 16))
		cmsg->cmsg_len = any_number(caller);
	return CMSG_SPACE(len);
}

static void any_pieces(struct caller *caller, struct iovec *iov, int count, char *data)
{
	int i;

	for (i = 0; i < count; i++)
		iov[i] = (struct iovec){
			any_memory(caller, data), any_length(caller) / count,
		};
}

static long do_sendmsg(struct caller *caller)
{
	union {
		struct cmsghdr cmsg;
		char space[128];
	} control;
	struct iovec iov[3];
	char addr[128];
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = rng_below(&caller->rng, ARRAY_SIZE(iov) + 1),
	};
	int fd = any_fd(caller), flags = any_send_flags(caller);

	any_pieces(caller, iov, ARRAY_SIZE(iov), outgoing);
	if (rng_below(&caller->rng, 2)) {
		msg.msg_name = addr;
		msg.msg_namelen = any_address(caller, addr);
		/* No address at all */
		if (!msg.msg_namelen)
			caller->refused = false;
	}
	if (rng_below(&caller->rng, 2)) {
		msg.msg_control = &control;
		msg.msg_controllen = any_control(caller, &control.cmsg);
	}
	return result(sendmsg(fd, &msg, flags));
}

static long do_sendmmsg(struct caller *caller)
{
	struct iovec iov = { outgoing, any_length(caller) };
	struct mmsghdr all[3] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		all[i].msg_hdr.msg_iov = &iov;
		all[i].msg_hdr.msg_iovlen = 1;
	}
	return result(sendmmsg(any_fd(caller), all, ARRAY_SIZE(all), any_send_flags(caller)));
}

static long do_write(struct caller *caller)
{
	struct iovec iov[3];

	any_pieces(caller, iov, ARRAY_SIZE(iov), outgoing);
	return result(writev(any_fd(caller), iov, ARRAY_SIZE(iov)));
}

/* Pages of a file, which are not copied on their way to the socket */
static long do_sendfile(struct caller *caller)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC);
	off_t at = 0;
	long ret;

	if (file < 0 || ftruncate(file, 1 << 16))
		return -errno;
	ret = result(sendfile(any_fd(caller), file, &at, rng_below(&caller->rng, 3000)));
	close(file);
	return ret;
}

static long do_recv(struct caller *caller)
{
	int fd = any_fd(caller), flags = any_receive_flags(caller);
	size_t len = any_length(caller);

	return result(recv(fd, any_memory(caller, incoming), len, flags));
}

static long do_recvmsg(struct caller *caller)
{
	char addr[128], control[256];
	struct iovec iov[3];
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = rng_below(&caller->rng, ARRAY_SIZE(iov) + 1),
	};
	int fd = any_fd(caller), flags = any_receive_flags(caller);

	any_pieces(caller, iov, ARRAY_SIZE(iov), incoming);
	if (rng_below(&caller->rng, 2)) {
		msg.msg_name = any_memory(caller, addr);
		msg.msg_namelen = rng_below(&caller->rng, sizeof(addr) + 1);
	}
	if (rng_below(&caller->rng, 2)) {
		msg.msg_control = any_memory(caller, control);
		msg.msg_controllen = rng_below(&caller->rng, sizeof(control) + 1);
	}
	return result(recvmsg(fd, &msg, flags));
}

static long do_recvmmsg(struct caller *caller)
{
	struct iovec iov = { incoming, any_length(caller) };
	struct timespec soon = { .tv_nsec = 1000000 };
	struct mmsghdr all[3] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		all[i].msg_hdr.msg_iov = &iov;
		all[i].msg_hdr.msg_iovlen = 1;
	}
	return result(recvmmsg(any_fd(caller), all, ARRAY_SIZE(all),
			       any_receive_flags(caller) | MSG_WAITFORONE, &soon));
}

static long do_read(struct caller *caller)
{
	size_t len = any_length(caller);

	return result(read(any_fd(caller), any_memory(caller, incoming), len));
}

static long do_poll(struct caller *caller)
{
	struct pollfd pfds[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pfds); i++)
		pfds[i] = (struct pollfd){ any_fd(caller), rng_next(&caller->rng), 0 };
	/* It tells for each. */
	caller->refused = false;
	return result(poll(pfds, ARRAY_SIZE(pfds), rng_below(&caller->rng, 3)));
}

static long do_epoll_ctl(struct caller *caller)
{
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
	static const __u32 modes[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT };
	struct epoll_event event = {
		.events = (EPOLLIN | EPOLLOUT | EPOLLERR) & rng_next(&caller->rng),
	};
	int epoll = EPOLL + rng_below(&caller->rng, EPOLLS);
	int op = rng_pick(&caller->rng, ops);

	event.events |= rng_pick(&caller->rng, modes);
	return result(epoll_ctl(epoll, op, any_fd(caller), &event));
}

static long do_epoll_wait(struct caller *caller)
{
	struct epoll_event events[8];

	return result(epoll_wait(EPOLL + rng_below(&caller->rng, EPOLLS), events,
				 ARRAY_SIZE(events), rng_below(&caller->rng, 3)));
}

static long do_ioctl(struct caller *caller)
{
	static const unsigned long ops[] = {
		SIOCOUTQ, SIOCINQ, FIONBIO, FIOASYNC, SIOCGSTAMP_OLD, SIOCGSTAMPNS_OLD, SIOCATMARK,
		SIOCGIFINDEX, SIOCSPGRP, 0x89e0, 0xdeadbeef,
	};
	/* As long as anything that may be read or written there */
	char data[256] = {};

	return result(ioctl(any_fd(caller), rng_pick(&caller->rng, ops),
			    any_memory(caller, data)));
}

#define SEND_ERRORS \
	ERRORS(EBADF, EFAULT, EAGAIN, EINTR, EDESTADDRREQ, EINVAL, EACCES, EPERM, EPIPE, \
	       EAFNOSUPPORT, ENODEV, ENETDOWN, EMSGSIZE, EADDRINUSE, ENOBUFS, EOPNOTSUPP)
#define RECEIVE_ERRORS \
	ERRORS(EBADF, EFAULT, EAGAIN, EINTR, EOPNOTSUPP, EINVAL, ENETDOWN, ENODEV)

const struct call message_calls[] = {
	{ "send", do_send, SEND_ERRORS },
	{ "sendto", do_sendto, SEND_ERRORS },
	{ "sendto", do_sendto, SEND_ERRORS },
	{ "sendto", do_sendto, SEND_ERRORS },
	{ "sendmsg", do_sendmsg, SEND_ERRORS },
	{ "sendmmsg", do_sendmmsg, SEND_ERRORS },
	{ "writev", do_write, SEND_ERRORS },
	{ "sendfile", do_sendfile, SEND_ERRORS },
	{ "recv", do_recv, RECEIVE_ERRORS },
	{ "recvmsg", do_recvmsg, RECEIVE_ERRORS },
	{ "recvmmsg", do_recvmmsg, RECEIVE_ERRORS },
	{ "read", do_read, RECEIVE_ERRORS },
	{ "poll", do_poll, ERRORS(EINTR) },
	{ "epoll_ctl", do_epoll_ctl, ERRORS(EBADF, EEXIST, ENOENT) },
	{ "epoll_wait", do_epoll_wait, ERRORS(EINTR) },
	{ "ioctl", do_ioctl, ERRORS(EBADF, EFAULT, ENOTTY, ENOENT, ENODEV, ESRCH, EINVAL) },
	{ }
};
