// SPDX-License-Identifier: GPL-2.0
/*
 * The interface that a socket is bound to: chosen by bind() or SO_BINDTODEVICE,
 * renamed, or moved to another namespace.
 */
#include <grp.h>

#include "../lib/harness.h"
#include "../lib/pair.h"
#include "../lib/worker.h"

static const unsigned char group[ETH_ALEN] = { 0x03, 0, 0, 0x77, 0x72, 1 };

FIXTURE(device) {
	PAIR_FIXTURE;
	/* A second pair between the same namespaces: at a, and at b */
	struct end c;
	struct end d;
};

static int end_there(struct end *end, const char *name, int ns)
{
	int old = ns_enter(ns);
	int ret = link_up(name, true) ?: link_mac(name, end->mac);

	end->ns = ns;
	end->index = if_nametoindex(name);
	snprintf(end->name, sizeof(end->name), "%s", name);
	ns_leave(old);
	return ret;
}

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, pair_open(&self->pair, LINK_WREN));
	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", self->link.b.ns, 1));
	ASSERT_EQ(0, end_there(&self->c, "wren-c", self->link.a.ns));
	ASSERT_EQ(0, end_there(&self->d, "wren-d", self->link.b.ns));
	ASSERT_TRUE(eventually(link_running("wren-c")));
}

FIXTURE_TEARDOWN(device)
{
	link_teardown(&self->link);
	link_del("wren-c");
}

/* 0 or -errno; NULL: no device */
static int bind_to_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name ?: "",
			  name ? strlen(name) + 1 : 0) ? -errno : 0;
}

/* The interface that getsockname() tells */
static int bound_to(int fd)
{
	struct sockaddr_wren addr;
	socklen_t len = sizeof(addr);

	return getsockname(fd, (void *)&addr, &len) ? -errno : addr.swren_ifindex;
}

/* Sends a byte from b to this port at a, through each of the two links. */
static int send_through_both(const struct link *link, const struct end *c,
			     const struct end *d, int port)
{
	struct sockaddr_wren first = wren_addr(link->b.index, port, link->a.mac);
	struct sockaddr_wren second = wren_addr(d->index, port, c->mac);
	struct end any = { .ns = link->b.ns };
	int fd = wren_bound(&any, 0), ret;

	ret = wren_sendto(fd, "1", 1, 0, &first);
	if (ret == 1)
		ret = wren_sendto(fd, "2", 1, 0, &second);
	if (ret == 1)
		ret = eventually(!outq(fd)) ? 1 : -ETIMEDOUT;
	close(fd);
	return ret;
}

TEST_F(device, bindtodevice_before_bind)
{
	int fd = wren_socket(0);

	EXPECT_EQ(-ENODEV, bind_to_device(fd, "wren-x"));
	ASSERT_EQ(0, bind_to_device(fd, "wren-c"));
	EXPECT_EQ(-EINVAL, wren_bind(fd, self->link.a.index, PORT));
	EXPECT_EQ(0, wren_port(fd));
	ASSERT_EQ(0, wren_bind(fd, 0, PORT));
	EXPECT_EQ(self->c.index, bound_to(fd));
	/* It has the port there only. */
	EXPECT_EQ(0, wren_bind(wren_socket(0), self->link.a.index, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(wren_socket(0), self->c.index, PORT));
}

/* A device that is not Ethernet can be named, but not be bound to. */
TEST_F(device, bindtodevice_to_another_kind)
{
	struct sockaddr_wren to = self->to;
	int fd = wren_socket(0);

	to.swren_ifindex = 0;
	ASSERT_EQ(0, bind_to_device(fd, "lo"));
	EXPECT_EQ(-ENODEV, wren_bind(fd, 0, PORT));
	EXPECT_EQ(-ENODEV, wren_sendto(fd, "x", 1, 0, &to));
	EXPECT_EQ(-ENODEV, wren_connect(fd, &to));
	EXPECT_EQ(0, wren_port(fd));
}

/* A socket that was bound to all interfaces then hears and sends through one. */
TEST_F(device, bindtodevice_after_bind)
{
	int fd = wren_socket(0);
	char got = 0;

	ASSERT_EQ(0, wren_bind(fd, 0, PORT));
	ASSERT_EQ(1, send_through_both(&self->link, &self->c, &self->d, PORT));
	ASSERT_EQ(0, set_timeout(fd, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(1, wren_recv(fd, &got, 1, 0));
	ASSERT_EQ(1, wren_recv(fd, &got, 1, 0));

	ASSERT_EQ(0, bind_to_device(fd, "wren-c"));
	EXPECT_EQ(self->c.index, bound_to(fd));
	ASSERT_EQ(1, send_through_both(&self->link, &self->c, &self->d, PORT));
	ASSERT_EQ(1, wren_recv(fd, &got, 1, 0));
	EXPECT_EQ('2', got);
	EXPECT_EQ(-EAGAIN, wren_recv(fd, &got, 1, MSG_DONTWAIT));
	EXPECT_EQ(-EINVAL, wren_sendto(fd, "x", 1, 0, &self->to));
	/* Now somebody else may have the port on the other one. */
	EXPECT_EQ(0, wren_bind(wren_socket(0), self->link.a.index, PORT));
}

/* Errors of a device go to who is bound to it now. */
TEST_F(device, bindtodevice_changes_who_is_told)
{
	ASSERT_EQ(0, bind_to_device(self->tx, "wren-c"));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(0, sockopt(self->tx, SO_ERROR));
	ASSERT_EQ(0, link_up("wren-c", false));
	EXPECT_EQ(ENETDOWN, sockopt(self->tx, SO_ERROR));
}

static int as_nobody(const struct pair *pair)
{
	int fd;

	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return 1;
	fd = wren_socket(0);
	/* Who is bound to no device may choose one, and not another one after that. */
	if (bind_to_device(fd, pair->link.a.name))
		return 2;
	if (bind_to_device(fd, "wren-c") != -EPERM)
		return 3;
	if (bind_to_device(fd, NULL) != -EPERM)
		return 4;
	return wren_bind(fd, 0, PORT) ? 5 : 0;
}

TEST_F(device, bindtodevice_unprivileged)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(as_nobody(&self->pair));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static int send_one(void *pair)
{
	return pair_send(pair, 0);
}

/* A name is nothing to a socket. */
TEST_F(device, renamed_under_a_writer)
{
	struct worker writer = { .cpu = -1 };
	char got[LEN];
	int i;

	ASSERT_EQ(2, pair_jam(&self->pair));
	ASSERT_EQ(0, worker_start(&writer, send_one, &self->pair));
	ASSERT_TRUE(worker_sleeps(&writer));
	ASSERT_EQ(0, link_rename(self->link.a.name, "wren-new"));
	snprintf(self->link.a.name, IFNAMSIZ, "wren-new");
	EXPECT_TRUE(worker_sleeps(&writer));
	EXPECT_EQ(self->link.a.index, bound_to(self->tx));
	EXPECT_EQ(0, sockopt(self->tx, SO_ERROR));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(LEN, worker_result(&writer));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(LEN, wren_recv(self->rx, got, sizeof(got), 0));
}

/* To its sockets a device that moves to another namespace is gone. */
TEST_F(device, moved_under_a_writer)
{
	struct worker writer = { .cpu = -1 };
	int ns = ns_new(), ret;

	ASSERT_LE(0, ns);
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, worker_start(&writer, send_one, &self->pair));
	ASSERT_TRUE(worker_sleeps(&writer));
	ASSERT_EQ(0, link_move(self->link.a.name, ns));
	ret = worker_result(&writer);
	EXPECT_TRUE(ret == -ENODEV || ret == -ENETDOWN) {
		TH_LOG("error %d", ret);
	}
	EXPECT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(-ENODEV, pair_send(&self->pair, 0));
	/* What it is there is nothing to us. */
	EXPECT_FALSE(link_exists(self->link.a.name));
	EXPECT_EQ(self->link.a.index, bound_to(self->tx));
}

/* It comes back with the index that it had: the socket works as before. */
TEST_F(device, moved_there_and_back)
{
	int ns = ns_new(), here = self->link.a.ns, old;
	char got[LEN];

	ASSERT_LE(0, ns);
	ASSERT_EQ(0, link_move(self->link.a.name, ns));
	old = ns_enter(ns);
	ASSERT_EQ(0, link_move(self->link.a.name, here));
	ns_leave(old);
	ASSERT_EQ(self->link.a.index, (int)if_nametoindex(self->link.a.name));
	ASSERT_EQ(0, link_up(self->link.a.name, true));
	ASSERT_TRUE(eventually(link_running(self->link.a.name)));
	EXPECT_EQ(ENODEV, sockopt(self->tx, SO_ERROR));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	EXPECT_EQ(LEN, wren_recv(self->rx, got, sizeof(got), 0));
}

/* Where it goes nobody has joined anything on it, and nobody has a port. */
TEST_F(device, moved_with_groups_and_ports)
{
	struct wren_mreq mreq = { .wrenm_ifindex = self->link.a.index };
	struct wren_info info;
	socklen_t len = sizeof(info);
	int ns = ns_new(), old, fd;

	memcpy(mreq.wrenm_mac, group, ETH_ALEN);
	ASSERT_LE(0, ns);
	ASSERT_EQ(0, set_wrenopt(self->tx, WREN_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
	ASSERT_EQ(0, link_move(self->link.a.name, ns));
	ASSERT_EQ(0, getsockopt(self->tx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(0, info.wreni_memberships);

	old = ns_enter(ns);
	EXPECT_EQ(0, system("! grep -q 030000777201 /proc/thread-self/net/dev_mcast"));
	fd = wren_socket(0);
	EXPECT_EQ(0, wren_bind(fd, if_nametoindex(self->link.a.name), wren_port(self->tx)));
	EXPECT_EQ(0, link_move(self->link.a.name, self->link.a.ns));
	ns_leave(old);
	EXPECT_EQ(ENODEV, sockopt(fd, SO_ERROR));
	EXPECT_EQ(0, set_wrenopt(self->tx, WREN_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
}

TEST_HARNESS_MAIN
