// SPDX-License-Identifier: GPL-2.0
/* The receiving end, see listen.h. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kselftest.h>

#include "listen.h"

/* A round fits any buffer but one. */
#define RCVBUF_LARGE	(4 << 20)

static int peer(int fd, int ifindex, const unsigned char *mac)
{
	struct sockaddr_wren addr = wren_addr(ifindex, SENDER, mac);

	return wren_connect(fd, &addr);
}

static int join(int fd, int ifindex, const unsigned char *mac)
{
	struct wren_mreq mreq = { .wrenm_ifindex = ifindex };

	memcpy(mreq.wrenm_mac, mac, ETH_ALEN);
	return set_wrenopt(fd, WREN_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
}

static int filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct wrenhdr)),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

static int open_one(enum listener n, const struct end *end, const struct addresses *addresses)
{
	int fd, ret;

	fd = n == RAW ? wren_raw(end) : wren_socket(0);
	if (fd < 0)
		return fd;
	ret = wren_bind(fd, n == ANYWHERE ? 0 : end->index, n == RAW ? 0 : PORT + n);
	ret = ret ?: set_sockopt(fd, SO_RCVBUFFORCE, n == SMALL ? 0 : RCVBUF_LARGE);
	if (!ret && n == CONNECTED)
		ret = peer(fd, end->index, addresses->sender);
	if (!ret && n == MARK)
		ret = peer(fd, end->index, addresses->marker);
	if (!ret && n == MEMBER)
		ret = join(fd, end->index, addresses->group);
	if (!ret && n == FILTERED)
		ret = filter(fd);
	return ret ?: fd;
}

int listen_open(struct listening *all, const struct end *end, const struct addresses *addresses)
{
	int n, old = ns_enter(end->ns), ret = 0;

	memset(all, 0, sizeof(*all));
	all->ifindex = end->index;
	for (n = 0; n < LISTENERS && ret >= 0; n++) {
		ret = open_one(n, end, addresses);
		all->socks[n].fd = ret;
	}
	ns_leave(old);
	return ret < 0 ? ret : 0;
}

void listen_close(struct listening *all)
{
	int n;

	for (n = 0; n < LISTENERS; n++)
		close(all->socks[n].fd);
}

static void due(struct sock *sock, struct delivery delivery)
{
	sock->due[sock->count++] = delivery;
}

void listen_expect(struct listening *all, const struct frame *frame, const struct verdict *v)
{
	if (v->raw)
		due(&all->socks[RAW], (struct delivery){
			.frame = frame, .offset = v->network, .len = frame->len - v->network,
		});
	if (v->fate == DELIVERED)
		due(&all->socks[v->to], (struct delivery){
			.frame = frame, .offset = v->payload, .len = v->len, .port = v->port,
		});
	if (v->fate == SOCKET_FILTER)
		all->socks[v->to].refused++;
}

static bool matches(const struct delivery *due, const unsigned char *data, int len,
		    const struct sockaddr_wren *from, int ifindex)
{
	struct sockaddr_wren addr = wren_addr(ifindex, due->port, due->frame->bytes + ETH_ALEN);

	return due->len == len && !memcmp(due->frame->bytes + due->offset, data, len) &&
	       !memcmp(&addr, from, sizeof(addr));
}

static void complain(int n, const char *what, const struct delivery *due)
{
	printf("# listener %d: %s", n, what);
	if (due)
		printf(", %d bytes from port %d: a frame of %d bytes %s", due->len, due->port,
		       due->frame->len, due->frame->story);
	printf("\n");
}

/* What is due may be missing where it may have been dropped. */
static bool check_one(struct listening *all, int n, bool loose, int *full)
{
	struct sock *sock = &all->socks[n];
	unsigned int drops = meminfo(sock->fd, SK_MEMINFO_DROPS);
	int at = 0, missing = 0, len;
	unsigned char data[FRAME_MAX];
	struct sockaddr_wren from;
	socklen_t size;

	for (;; at++) {
		size = sizeof(from);
		len = recvfrom(sock->fd, data, sizeof(data), MSG_DONTWAIT, (void *)&from, &size);
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0 || size != sizeof(from)) {
			complain(n, strerror(errno), NULL);
			return false;
		}
		while (at < sock->count &&
		       !matches(&sock->due[at], data, len, &from, all->ifindex)) {
			if (n != SMALL && !sock->due[at].frame->loose) {
				complain(n, "something else than what was due", &sock->due[at]);
				printf("# it has %d bytes from port %d\n", len,
				       ntohs(from.swren_port));
				return false;
			}
			at++;
			missing++;
		}
		if (at == sock->count) {
			printf("# listener %d: %d bytes from port %d that were not due\n", n, len,
			       ntohs(from.swren_port));
			return false;
		}
	}
	for (; at < sock->count; at++, missing++) {
		if (n != SMALL && !sock->due[at].frame->loose) {
			complain(n, "not arrived", &sock->due[at]);
			return false;
		}
	}
	if (!loose && drops - sock->drops != sock->refused + missing) {
		printf("# listener %d: %u refused, %d missing, and %u counted\n", n, sock->refused,
		       missing, drops - sock->drops);
		return false;
	}
	if (n == SMALL)
		*full = missing;
	if (meminfo(sock->fd, SK_MEMINFO_RMEM_ALLOC)) {
		complain(n, "the receive buffer is empty and charged", NULL);
		return false;
	}
	sock->drops = drops;
	sock->refused = 0;
	sock->count = 0;
	return true;
}

bool listen_check(struct listening *all, bool loose, int *full)
{
	int n;

	for (n = 0; n < LISTENERS; n++) {
		if (!check_one(all, n, loose, full))
			return false;
	}
	return true;
}
