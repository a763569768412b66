// SPDX-License-Identifier: GPL-2.0
/*
 * A device that goes down or away while sockets are bound to it, sleep on it
 * or have bytes in its ring: they are told, nobody sleeps on, nothing is kept.
 */
#include "../lib/harness.h"
#include "../lib/pair.h"

FIXTURE(gone) {
	struct link link;
	struct sockaddr_wren to;
	struct writer writer;
	int tx;
	char data[LEN];
};

OVER_EACH_LINK(gone);

FIXTURE_SETUP(gone)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, link_setup(&self->link, variant->kind));
	self->tx = wren_bound(&self->link.a, PORT);
	ASSERT_LE(0, self->tx);
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	self->to = wren_addr(0, PORT, self->link.b.mac);
	self->writer = (struct writer){
		.fd = self->tx, .to = self->to, .len = LEN,
	};
}

FIXTURE_TEARDOWN(gone)
{
	link_teardown(&self->link);
}

/* Stops the wire and has a writer sleep in send(). */
static bool sleeps_in_send(struct link *link, struct writer *writer)
{
	return !wire_stop(link) && !writer_start(writer) &&
	       writer_sleeps(writer) && outq(writer->fd) >= SOCK_MIN_SNDBUF;
}

TEST_F(gone, down_sets_error_once)
{
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_TRUE(polled(self->tx, 0) & POLLERR);
	EXPECT_EQ(ENETDOWN, sockopt(self->tx, SO_ERROR));
	EXPECT_EQ(0, sockopt(self->tx, SO_ERROR));
	EXPECT_FALSE(polled(self->tx, 0) & POLLERR);
}

TEST_F(gone, down_then_up_works_again)
{
	int rx = wren_bound(&self->link.b, PORT);

	ASSERT_LE(0, rx);
	ASSERT_EQ(0, set_timeout(rx, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(-ENETDOWN, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(-ENETDOWN, wren_sendto(self->tx, "x", 1, 0, &self->to));
	ASSERT_EQ(0, link_up(self->link.a.name, true));
	ASSERT_TRUE(eventually(link_running(self->link.a.name)));
	/* What happened meanwhile is told once. */
	EXPECT_EQ(-ENETDOWN, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(1, wren_sendto(self->tx, self->data, 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(rx, self->data, LEN, 0));
}

TEST_F(gone, down_leaves_other_sockets_alone)
{
	int any = wren_socket(0);

	ASSERT_EQ(0, wren_bind(any, 0, PORT + 1));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(ENETDOWN, sockopt(self->tx, SO_ERROR));
	EXPECT_EQ(0, sockopt(any, SO_ERROR));
}

/* C48: sk_err wakes the writer with that error, and its bytes are released. */
TEST_F(gone, c48_down_wakes_writer)
{
	ASSERT_TRUE(sleeps_in_send(&self->link, &self->writer));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_TRUE(eventually(self->writer.done));
	EXPECT_EQ(-ENETDOWN, self->writer.error);
	EXPECT_EQ(0, writer_join(&self->writer));
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
}

TEST_F(gone, down_wakes_reader)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(wren_recv(self->tx, self->data, LEN, 0) != -ENETDOWN);
	usleep(50000);
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* C59: a socket that was closed with bytes in a ring goes with the device. */
TEST_F(gone, c59_down_frees_closed_socket)
{
	int tx, i;

	ASSERT_TRUE(only_sockets(1));
	tx = wren_bound(&self->link.a, PORT + 1);
	ASSERT_LE(0, tx);
	ASSERT_EQ(0, wire_stop(&self->link));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(LEN, wren_sendto(tx, self->data, LEN, 0, &self->to));
	close(tx);
	EXPECT_EQ(SOCKET_REFS + 1, module_refs("af_wren"));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_TRUE(only_sockets(1));
}

/* What cannot be done with a NIC: delete it, or tell it that its peer is down. */
FIXTURE(pair) {
	FIXTURE_DATA(gone) gone;
};

FIXTURE_SETUP(pair)
{
	gone_setup(_metadata, &self->gone, &_gone_wren_variant);
}

FIXTURE_TEARDOWN(pair)
{
	link_teardown(&self->gone.link);
}

/* The other end goes down: no bytes stay behind, and no sleeper either. */
TEST_F(pair, peer_down_releases_writer)
{
	struct writer *writer = &self->gone.writer;
	int old, sent;

	ASSERT_TRUE(sleeps_in_send(&self->gone.link, writer));
	sent = writer->sent;
	old = ns_enter(self->gone.link.b.ns);
	ASSERT_EQ(0, link_up(self->gone.link.b.name, false));
	ns_leave(old);
	EXPECT_TRUE(eventually(writer->done || writer->sent > sent));
	writer->stop = true;
	EXPECT_EQ(0, writer_join(writer));
	EXPECT_TRUE(eventually(outq(self->gone.tx) == 0));
}

TEST_F(pair, bound_socket_gets_enodev)
{
	struct link *link = &self->gone.link;
	int fd = self->gone.tx;

	ASSERT_EQ(0, link_del(link->a.name));
	EXPECT_TRUE(polled(fd, 0) & POLLERR);
	EXPECT_EQ(ENODEV, sockopt(fd, SO_ERROR));
	EXPECT_EQ(-ENODEV, wren_sendto(fd, "x", 1, 0, &self->gone.to));
	EXPECT_EQ(-EAGAIN, wren_recv(fd, self->gone.data, LEN, MSG_DONTWAIT));
	EXPECT_EQ(PORT, wren_port(fd));
	EXPECT_EQ(0, close(fd));
}

/* C48, and unregister_netdevice() does not wait for anything of ours. */
TEST_F(pair, c48_writer_wakes_and_delete_returns)
{
	struct writer *writer = &self->gone.writer;
	long long start;

	ASSERT_TRUE(sleeps_in_send(&self->gone.link, writer));
	start = now_ms();
	ASSERT_EQ(0, link_del(self->gone.link.a.name));
	EXPECT_GT(LONG_MS / 2, now_ms() - start);
	EXPECT_FALSE(link_exists(self->gone.link.a.name));
	EXPECT_TRUE(eventually(writer->done));
	EXPECT_TRUE(writer->error == -ENODEV || writer->error == -ENETDOWN) {
		TH_LOG("error %d", writer->error);
	}
	EXPECT_EQ(0, writer_join(writer));
	EXPECT_TRUE(eventually(outq(self->gone.tx) == 0));
}

TEST_F(pair, c48_writer_wakes_when_peer_is_deleted)
{
	struct writer *writer = &self->gone.writer;
	int old;

	ASSERT_TRUE(sleeps_in_send(&self->gone.link, writer));
	old = ns_enter(self->gone.link.b.ns);
	ASSERT_EQ(0, link_del(self->gone.link.b.name));
	ns_leave(old);
	EXPECT_FALSE(link_exists(self->gone.link.a.name));
	EXPECT_TRUE(eventually(writer->done));
	EXPECT_EQ(0, writer_join(writer));
	EXPECT_TRUE(eventually(outq(self->gone.tx) == 0));
}

/* A process takes its namespace with it, where our peer lives. */
TEST_F(pair, writer_wakes_when_peer_namespace_ends)
{
	struct writer writer;
	int ns = ns_new(), tx;

	ASSERT_LE(0, ns);
	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", ns, 1));
	ASSERT_EQ(0, link_up("wren-c", true));
	tx = ns_enter(ns);
	ASSERT_EQ(0, link_up("wren-d", true));
	ns_leave(tx);
	ASSERT_TRUE(eventually(link_running("wren-c")));

	tx = wren_socket(0);
	ASSERT_EQ(0, wren_bind(tx, if_nametoindex("wren-c"), PORT));
	ASSERT_EQ(0, set_sockopt(tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, link_speed("wren-c", 0));
	writer = (struct writer){ .fd = tx, .to = self->gone.to, .len = LEN };
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	/* Nobody else has it open. */
	ASSERT_EQ(0, close(ns));
	EXPECT_TRUE(eventually(!link_exists("wren-c")));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_TRUE(eventually(outq(tx) == 0));
}

/* Deleted under load: two writers and a reader, over and over again. */
TEST_F(pair, delete_under_load)
{
	int round, rounds = debug_kernel() ? 5 : 20, sockets = proto_sockets();
	struct writer one, two;
	int tx, ns = self->gone.link.b.ns;

	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", ns, 1));
		ASSERT_EQ(0, link_up("wren-c", true));
		tx = ns_enter(ns);
		ASSERT_EQ(0, link_up("wren-d", true));
		ns_leave(tx);
		ASSERT_TRUE(eventually(link_running("wren-c")));
		tx = wren_socket(0);
		ASSERT_EQ(0, wren_bind(tx, if_nametoindex("wren-c"), PORT));
		one = (struct writer){ .fd = tx, .to = self->gone.to, .len = LEN };
		two = one;
		ASSERT_EQ(0, writer_start(&one));
		ASSERT_EQ(0, writer_start(&two));
		ASSERT_TRUE(eventually(one.sent > 10 && two.sent > 10));
		ASSERT_EQ(0, link_del("wren-c"));
		ASSERT_TRUE(eventually(one.done && two.done));
		ASSERT_EQ(0, writer_join(&one));
		ASSERT_EQ(0, writer_join(&two));
		ASSERT_TRUE(eventually(outq(tx) == 0));
		close(tx);
	}
	EXPECT_TRUE(eventually(proto_sockets() == sockets));
}

TEST_HARNESS_MAIN
