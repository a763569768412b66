// SPDX-License-Identifier: GPL-2.0
/* AF_WREN sockets for tests, see sock.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sock.h"
#include "worker.h"

static int read_number(const char *path, int absent)
{
	FILE *file = fopen(path, "re");
	int value = absent;

	if (!file)
		return absent;
	if (fscanf(file, "%d", &value) != 1)
		value = absent;
	fclose(file);
	return value;
}

int wren_family(void)
{
	const char *family = getenv("WREN_FAMILY");

	return family ? atoi(family) : AF_WREN_DEFAULT;
}

struct sockaddr_wren wren_addr(int ifindex, int port, const void *mac)
{
	struct sockaddr_wren addr = {
		.swren_family = wren_family(),
		.swren_port = htons(port),
		.swren_ifindex = ifindex,
	};

	if (mac)
		memcpy(addr.swren_mac, mac, ETH_ALEN);
	return addr;
}

int wren_socket(int flags)
{
	int fd = socket(wren_family(), SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

int wren_raw(const struct end *end)
{
	int old = ns_enter(end->ns);
	int fd = socket(wren_family(), SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fd = -errno;
	ns_leave(old);
	return fd;
}

int wren_connect(int fd, const struct sockaddr_wren *to)
{
	return connect(fd, (const void *)to, sizeof(*to)) ? -errno : 0;
}

int wren_bind(int fd, int ifindex, int port)
{
	struct sockaddr_wren addr = wren_addr(ifindex, port, NULL);

	return bind(fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
}

int wren_bound(const struct end *end, int port)
{
	int old = ns_enter(end->ns);
	int fd, ret;

	fd = wren_socket(0);
	if (fd >= 0) {
		ret = wren_bind(fd, end->index, port);
		if (ret) {
			close(fd);
			fd = ret;
		}
	}
	ns_leave(old);
	return fd;
}

int wren_port(int fd)
{
	struct sockaddr_wren addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (void *)&addr, &len))
		return -errno;
	return ntohs(addr.swren_port);
}

int wren_sendto(int fd, const void *data, size_t len, int flags,
		const struct sockaddr_wren *to)
{
	int ret = sendto(fd, data, len, flags, (const void *)to,
			 to ? sizeof(*to) : 0);

	return ret < 0 ? -errno : ret;
}

int wren_recv(int fd, void *data, size_t len, int flags)
{
	int ret = recv(fd, data, len, flags);

	return ret < 0 ? -errno : ret;
}

static int int_ioctl(int fd, unsigned long op)
{
	int value;

	return ioctl(fd, op, &value) ? -errno : value;
}

int outq(int fd)
{
	return int_ioctl(fd, SIOCOUTQ);
}

int inq(int fd)
{
	return int_ioctl(fd, SIOCINQ);
}

int sockopt(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -errno : value;
}

int set_sockopt(int fd, int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) ?
	       -errno : 0;
}

int set_wrenopt(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_WREN, option, value, len) ? -errno : 0;
}

int set_timeout(int fd, int option, int msecs)
{
	struct timeval tv = { msecs / 1000, msecs % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)) ? -errno : 0;
}

unsigned int meminfo(int fd, int what)
{
	unsigned int mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len)) {
		perror("# SO_MEMINFO");
		exit(1);
	}
	return mem[what];
}

int polled(int fd, int events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) < 0 ? -errno : pfd.revents;
}

int proto_sockets(void)
{
	FILE *file = fopen("/proc/thread-self/net/protocols", "re");
	char line[256];
	int count = -1;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "WREN %*d %d", &count) == 1)
			break;
	}
	fclose(file);
	return count;
}

int module_refs(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return read_number(path, -1);
}

bool only_sockets(int count)
{
	return eventually(module_refs("af_wren") == count * SOCKET_REFS);
}

bool debug_kernel(void)
{
	return !access("/proc/lockdep", F_OK);
}

static void *writer_run(void *arg)
{
	struct writer *writer = arg;
	unsigned char data[ETH_DATA_LEN];
	int i, ret, number;

	writer->tid = syscall(SYS_gettid);
	while (!writer->stop && (!writer->count || writer->sent < writer->count)) {
		number = writer->sent;
		for (i = 0; i < ETH_DATA_LEN; i++)
			data[i] = number + i;
		memcpy(data, &number, sizeof(number));
		ret = wren_sendto(writer->fd, data, writer->len, 0, &writer->to);
		if (ret < 0) {
			writer->error = ret;
			break;
		}
		writer->outq_after = outq(writer->fd);
		writer->sent++;
	}
	writer->done = true;
	return NULL;
}

int writer_start(struct writer *writer)
{
	return -pthread_create(&writer->thread, NULL, writer_run, writer);
}

bool writer_sleeps(struct writer *writer)
{
	int sent, tries;

	for (tries = 0; tries < 100; tries++) {
		if (!eventually(writer->done ||
				(writer->tid && thread_state(writer->tid) == 'S')))
			return false;
		sent = writer->sent;
		if (stays(!writer->done && writer->sent == sent &&
			  thread_state(writer->tid) == 'S', 50))
			return true;
		if (writer->done)
			return false;
	}
	return false;
}

int writer_join(struct writer *writer)
{
	return thread_join(writer->thread);
}
