// SPDX-License-Identifier: GPL-2.0
/* A socket that has a port, or sees frames, is bound to another interface: SO_BINDTODEVICE. */
#include "../lib/harness.h"

#define PORT	1000

FIXTURE(rebind) {
	struct link link;
	struct sockaddr_wren to;
	char got[100];
	int other;	/* index of an interface where nothing comes */
	int tx;
	int rx;
	int raw;
};

FIXTURE_SETUP(rebind)
{
	int old;

	ASSERT_EQ(0, link_setup(&self->link, LINK_WREN));
	old = ns_enter(self->link.b.ns);
	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", -1, 1));
	self->other = if_nametoindex("wren-c");
	self->rx = wren_socket(0);
	ns_leave(old);
	ASSERT_LE(0, self->rx);
	ASSERT_EQ(0, wren_bind(self->rx, 0, PORT));
	ASSERT_EQ(0, set_timeout(self->rx, SO_RCVTIMEO, LONG_MS));
	self->raw = wren_raw(&self->link.b);
	ASSERT_LE(0, self->raw);
	ASSERT_EQ(0, set_timeout(self->raw, SO_RCVTIMEO, LONG_MS));
	self->tx = wren_bound(&self->link.a, 0);
	ASSERT_LE(0, self->tx);
	self->to = wren_addr(0, PORT, self->link.b.mac);
}

FIXTURE_TEARDOWN(rebind)
{
	int old = ns_enter(self->link.b.ns);

	link_del("wren-c");
	ns_leave(old);
	link_teardown(&self->link);
}

static int rebind_to(int fd, int ifindex)
{
	return set_sockopt(fd, SO_BINDTOIFINDEX, ifindex);
}

/* Datagrams are for the interface that the socket is bound to now. */
TEST_F(rebind, datagrams_follow)
{
	ASSERT_EQ(1, wren_sendto(self->tx, "1", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));

	ASSERT_EQ(0, rebind_to(self->rx, self->link.b.index));
	ASSERT_EQ(1, wren_sendto(self->tx, "2", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));

	ASSERT_EQ(0, rebind_to(self->rx, self->other));
	ASSERT_EQ(1, wren_sendto(self->tx, "3", 1, 0, &self->to));

	ASSERT_EQ(0, rebind_to(self->rx, 0));
	ASSERT_EQ(1, wren_sendto(self->tx, "4", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));
	EXPECT_EQ('4', self->got[0]);
}

/* So do the frames that a raw socket sees. */
TEST_F(rebind, frames_follow)
{
	ASSERT_EQ(0, rebind_to(self->raw, self->link.b.index));
	ASSERT_EQ(1, wren_sendto(self->tx, "1", 1, 0, &self->to));
	EXPECT_EQ(HEADER_BYTES + 1, wren_recv(self->raw, self->got, 100, 0));

	ASSERT_EQ(0, rebind_to(self->raw, self->other));
	ASSERT_EQ(1, wren_sendto(self->tx, "2", 1, 0, &self->to));
	/* The raw sockets come first, so that one has gone past. */
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));

	ASSERT_EQ(0, rebind_to(self->raw, 0));
	ASSERT_EQ(1, wren_sendto(self->tx, "3", 1, 0, &self->to));
	ASSERT_EQ(HEADER_BYTES + 1, wren_recv(self->raw, self->got, 100, 0));
	EXPECT_EQ('3', self->got[HEADER_BYTES]);
	EXPECT_EQ(-EAGAIN, wren_recv(self->raw, self->got, 100, MSG_DONTWAIT));
}

/* The port is taken where the socket is now, and nowhere else. */
TEST_F(rebind, port_goes_along)
{
	int old = ns_enter(self->link.b.ns);
	int fd = wren_socket(0);

	ns_leave(old);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EADDRINUSE, wren_bind(fd, self->link.b.index, PORT));
	ASSERT_EQ(0, rebind_to(self->rx, self->other));
	EXPECT_EQ(-EADDRINUSE, wren_bind(fd, self->other, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(fd, 0, PORT));
	EXPECT_EQ(0, wren_bind(fd, self->link.b.index, PORT));
}

/* Of two with the same port, the one that is bound to the interface gets the datagram. */
TEST_F(rebind, bound_to_the_interface_comes_first)
{
	int fd;

	ASSERT_EQ(0, rebind_to(self->rx, self->other));
	fd = wren_bound(&self->link.b, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_timeout(fd, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(0, rebind_to(self->rx, 0));
	ASSERT_EQ(1, wren_sendto(self->tx, "1", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(fd, self->got, 1, 0));
	/* Without it the other one does. */
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, wren_sendto(self->tx, "2", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 1, 0));
	EXPECT_EQ('2', self->got[0]);
}

TEST_HARNESS_MAIN
