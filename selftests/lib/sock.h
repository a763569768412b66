/* SPDX-License-Identifier: GPL-2.0 */
/* AF_WREN sockets for tests, and what the kernel says about them. */
#ifndef WREN_TEST_SOCK_H
#define WREN_TEST_SOCK_H

#include <arpa/inet.h>
#include <linux/wren.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "link.h"
#include "wait.h"

#define HEADER_BYTES	((int)sizeof(struct wrenhdr))
#define SOCK_MIN_SNDBUF	4608

/* The address family: WREN_FAMILY says if it is not the default */
int wren_family(void);

struct sockaddr_wren wren_addr(int ifindex, int port, const void *mac);

int wren_socket(int flags);
/* SOCK_RAW, in the namespace of the end: fd or -errno. */
int wren_raw(const struct end *end);
/* A socket that is bound in the namespace of the end: fd or -errno. */
int wren_bound(const struct end *end, int port);
int wren_bind(int fd, int ifindex, int port);
/* The port that getsockname() tells, or -errno */
int wren_port(int fd);
/* As connect(), but -errno instead of -1 */
int wren_connect(int fd, const struct sockaddr_wren *to);

/* As sendto(), recvfrom() and ioctl(), but -errno instead of -1 */
int wren_sendto(int fd, const void *data, size_t len, int flags,
		const struct sockaddr_wren *to);
int wren_recv(int fd, void *data, size_t len, int flags);
int outq(int fd);
int inq(int fd);
int sockopt(int fd, int option);
int set_sockopt(int fd, int option, int value);
/* An option of the level SOL_WREN: 0 or -errno */
int set_wrenopt(int fd, int option, const void *value, socklen_t len);
int set_timeout(int fd, int option, int msecs);
/* SO_MEMINFO, see linux/sock_diag.h */
unsigned int meminfo(int fd, int what);
/* What poll() reports at once */
int polled(int fd, int events);

/* Sockets of the family in this namespace (/proc/net/protocols), -1: no line */
int proto_sockets(void);
/* /sys/module/<name>/refcnt, -1: not loaded */
int module_refs(const char *name);

/*
 * A socket holds the module twice: as a file, until it is closed, and as what
 * packets in flight belong to, until the last of them is gone.
 */
#define SOCKET_REFS	2

/* Are these all the sockets there are, once those closed before are gone? */
bool only_sockets(int count);

/* A kernel with KASAN and lockdep takes several times as long. */
bool debug_kernel(void);

/* A thread that sends, one packet after the other, until told to stop. */
struct writer {
	pthread_t thread;
	int fd;
	struct sockaddr_wren to;
	int len;
	int count;		/* stop after so many; 0: never */
	atomic_int tid;
	atomic_int sent;
	atomic_int error;	/* of the send that ended it */
	atomic_int outq_after; /* SIOCOUTQ when the last send() came back */
	atomic_bool stop;
	atomic_bool done;
};

int writer_start(struct writer *writer);
/* It is in the kernel, asleep, and not for a moment only. */
bool writer_sleeps(struct writer *writer);
int writer_join(struct writer *writer);

#endif
