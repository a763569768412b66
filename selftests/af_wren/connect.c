// SPDX-License-Identifier: GPL-2.0
/* A socket that is connected to another one, and what ends that. */
#include <poll.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

FIXTURE(connect) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(connect);

FIXTURE_SETUP(connect)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	/* One that has no port yet */
	close(self->tx);
	self->tx = wren_socket(0);
	ASSERT_LE(0, self->tx);
}

FIXTURE_TEARDOWN(connect)
{
	link_teardown(&self->link);
}

static int disconnect(int fd)
{
	struct sockaddr addr = { .sa_family = AF_UNSPEC };

	return connect(fd, &addr, sizeof(addr)) ? -errno : 0;
}

/* The peer of the end at b: a socket at a */
static struct sockaddr_wren back_to(const struct link *link, int fd)
{
	return wren_addr(link->b.index, wren_port(fd), link->a.mac);
}

TEST_F(connect, send_goes_to_the_peer)
{
	char got[10];

	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->tx, "x", 1, 0, NULL));
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	EXPECT_LT(0, wren_port(self->tx));
	ASSERT_EQ(5, wren_sendto(self->tx, "hello", 5, 0, NULL));
	ASSERT_EQ(5, wren_recv(self->rx, got, sizeof(got), 0));
	ASSERT_EQ(3, write(self->tx, "abc", 3));
	ASSERT_EQ(3, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(got, "abc", 3));
}

/* As with UDP an address goes before the peer. */
TEST_F(connect, sendto_may_go_elsewhere)
{
	struct sockaddr_wren nowhere = self->to;
	char got[10];

	nowhere.swren_port = htons(PORT + 1);
	ASSERT_EQ(0, wren_connect(self->tx, &nowhere));
	ASSERT_EQ(1, wren_sendto(self->tx, "1", 1, 0, &self->to));
	ASSERT_EQ(1, wren_recv(self->rx, got, sizeof(got), 0));
}

TEST_F(connect, getpeername_tells_the_peer)
{
	struct sockaddr_wren peer;
	socklen_t len = sizeof(peer);

	EXPECT_EQ(-1, getpeername(self->tx, (void *)&peer, &len));
	EXPECT_EQ(ENOTCONN, errno);
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, getpeername(self->tx, (void *)&peer, &len));
	EXPECT_EQ(sizeof(peer), len);
	EXPECT_EQ(0, memcmp(&peer, &self->to, sizeof(peer)));
}

/* The interface that the socket is bound to is that of the peer. */
TEST_F(connect, bound_interface_is_the_peers)
{
	struct sockaddr_wren peer, to = self->to;
	socklen_t len = sizeof(peer);

	to.swren_ifindex = 0;
	EXPECT_EQ(-EDESTADDRREQ, wren_connect(self->tx, &to));
	ASSERT_EQ(0, wren_bind(self->tx, self->link.a.index, 0));
	ASSERT_EQ(0, wren_connect(self->tx, &to));
	ASSERT_EQ(0, getpeername(self->tx, (void *)&peer, &len));
	EXPECT_EQ(self->link.a.index, peer.swren_ifindex);
}

TEST_F(connect, only_the_peer_is_heard)
{
	int other = wren_bound(&self->link.a, 0);
	struct sockaddr_wren peer;
	char got[10] = "";

	ASSERT_LE(0, other);
	ASSERT_EQ(0, wren_bind(self->tx, self->link.a.index, 0));
	peer = back_to(&self->link, self->tx);
	ASSERT_EQ(0, wren_connect(self->rx, &peer));
	ASSERT_EQ(5, wren_sendto(other, "other", 5, 0, &self->to));
	ASSERT_EQ(4, wren_sendto(self->tx, "peer", 4, 0, &self->to));
	EXPECT_EQ(4, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_STREQ("peer", got);
	EXPECT_EQ(-EAGAIN, wren_recv(self->rx, got, sizeof(got), MSG_DONTWAIT));

	ASSERT_EQ(0, disconnect(self->rx));
	ASSERT_EQ(5, wren_sendto(other, "other", 5, 0, &self->to));
	EXPECT_EQ(5, wren_recv(self->rx, got, sizeof(got), 0));
}

TEST_F(connect, disconnect_forgets_the_peer)
{
	struct sockaddr_wren peer;
	socklen_t len = sizeof(peer);
	int port;

	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	port = wren_port(self->tx);
	ASSERT_EQ(0, disconnect(self->tx));
	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(-1, getpeername(self->tx, (void *)&peer, &len));
	EXPECT_EQ(ENOTCONN, errno);
	/* The port stays, and it can be connected anew. */
	EXPECT_EQ(port, wren_port(self->tx));
	EXPECT_EQ(0, wren_connect(self->tx, &self->to));
	EXPECT_EQ(0, disconnect(self->tx));
	EXPECT_EQ(0, disconnect(self->tx));
}

TEST_F(connect, bad_addresses_are_refused)
{
	struct sockaddr_wren to = self->to;

	EXPECT_EQ(-1, connect(self->tx, (void *)&to, sizeof(to) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, connect(self->tx, (void *)&to, 1));
	EXPECT_EQ(EINVAL, errno);
	to.swren_port = 0;
	EXPECT_EQ(-EINVAL, wren_connect(self->tx, &to));
	to = wren_addr(self->link.a.index, PORT, NULL);
	EXPECT_EQ(-EINVAL, wren_connect(self->tx, &to));
	to = self->to;
	to.swren_zero[1] = 1;
	EXPECT_EQ(-EINVAL, wren_connect(self->tx, &to));
	to = self->to;
	to.swren_family = AF_INET;
	EXPECT_EQ(-EAFNOSUPPORT, wren_connect(self->tx, &to));
	to = self->to;
	to.swren_ifindex = 0x7fffffff;
	EXPECT_EQ(-ENODEV, wren_connect(self->tx, &to));
	to.swren_ifindex = if_nametoindex("lo");
	EXPECT_EQ(-ENODEV, wren_connect(self->tx, &to));
	/* None of that has connected it, or given it a port. */
	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(0, wren_port(self->tx));
}

TEST_F(connect, broadcast_needs_to_be_allowed)
{
	unsigned char all[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT, all);
	char got[10];

	EXPECT_EQ(-EACCES, wren_sendto(self->tx, "x", 1, 0, &to));
	EXPECT_EQ(-EACCES, wren_connect(self->tx, &to));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_BROADCAST, 1));
	EXPECT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &to));
	EXPECT_EQ(1, wren_recv(self->rx, got, sizeof(got), 0));
	ASSERT_EQ(0, wren_connect(self->tx, &to));
	EXPECT_EQ(1, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(1, wren_recv(self->rx, got, sizeof(got), 0));
	/* It was allowed when it was connected; sending asks again. */
	ASSERT_EQ(0, set_sockopt(self->tx, SO_BROADCAST, 0));
	EXPECT_EQ(-EACCES, wren_sendto(self->tx, "x", 1, 0, NULL));
}

TEST_F(connect, shutdown_needs_a_peer)
{
	EXPECT_EQ(-1, shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(ENOTCONN, errno);
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	EXPECT_EQ(-1, shutdown(self->tx, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, wren_sendto(self->tx, "x", 1, 0, NULL));
}

/* No SIGPIPE: it is no stream. */
TEST_F(connect, shutdown_ends_sending)
{
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(-EPIPE, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(-EPIPE, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(0, polled(self->tx, POLLHUP | POLLRDHUP));
	EXPECT_EQ(-EAGAIN, wren_recv(self->tx, NULL, 0, MSG_DONTWAIT));
}

static void *receive(void *fd)
{
	char byte;

	return (void *)(long)wren_recv(*(int *)fd, &byte, 1, 0);
}

/* Who sleeps in recv() wakes up with nothing, and what is in the queue is not lost. */
TEST_F(connect, shutdown_ends_receiving)
{
	pthread_t thread;
	void *result;
	char got[10];

	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, pthread_create(&thread, NULL, receive, &self->tx));
	usleep(20000);
	ASSERT_EQ(0, shutdown(self->tx, SHUT_RD));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(POLLIN | POLLRDHUP, polled(self->tx, POLLIN | POLLRDHUP));
	EXPECT_EQ(0, wren_recv(self->tx, got, sizeof(got), 0));
	EXPECT_EQ(1, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(1, wren_recv(self->rx, got, sizeof(got), 0));
}

TEST_F(connect, shutdown_of_both_hangs_up)
{
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, shutdown(self->tx, SHUT_RDWR));
	EXPECT_EQ(POLLHUP, POLLHUP & polled(self->tx, POLLIN));
	EXPECT_EQ(-EPIPE, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(0, wren_recv(self->tx, NULL, 0, 0));
}

/* Though it is not bound to the interface. */
TEST_F(connect, peer_behind_a_device_that_goes_down)
{
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(ENETDOWN, sockopt(self->tx, SO_ERROR));
	EXPECT_EQ(-ENETDOWN, wren_sendto(self->tx, "x", 1, 0, NULL));
	EXPECT_EQ(0, outq(self->tx));
}

TEST_HARNESS_MAIN
