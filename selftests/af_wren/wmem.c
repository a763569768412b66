// SPDX-License-Identifier: GPL-2.0
/*
 * Write space: what a sender may have in flight, when it has to wait and what
 * wakes it. W is the memory in flight, T that of one packet, SB the limit of
 * the socket (SO_SNDBUF). C<n> is the statement of the contract that a test
 * proves.
 */
#include <fcntl.h>
#include <linux/sock_diag.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

FIXTURE(wmem) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(wmem);

FIXTURE_SETUP(wmem)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
}

FIXTURE_TEARDOWN(wmem)
{
	link_teardown(&self->link);
}

/* C9: a packet is accepted if and only if W - 1 < SB. */
TEST_F(wmem, c09_accepts_while_below_sndbuf)
{
	int sb, before, size = 0, count = 0;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 16384));
	sb = sockopt(self->tx, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));

	for (before = 0; before < sb; before = outq(self->tx)) {
		ASSERT_EQ(LEN, pair_send(&self->pair, MSG_DONTWAIT));
		size = size ?: outq(self->tx);
		/* Each of them counts the same, and nothing is given back. */
		ASSERT_EQ(before + size, outq(self->tx));
		count++;
	}
	EXPECT_LT(LEN, size);
	EXPECT_LT(1, count);
	EXPECT_EQ(-EAGAIN, pair_send(&self->pair, MSG_DONTWAIT));
	EXPECT_EQ(count * size, outq(self->tx));
}

/* C10: SB = max(2 * min(v, wmem_max), 4608). */
TEST_F(wmem, c10_sndbuf_is_doubled_and_clamped)
{
	int old = ns_enter(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));
	FILE *file = fopen("/proc/sys/net/core/wmem_max", "r");
	int wmem_max;

	ASSERT_NE(NULL, file);
	ASSERT_EQ(1, fscanf(file, "%d", &wmem_max));
	fclose(file);
	ns_leave(old);

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	EXPECT_EQ(SOCK_MIN_SNDBUF, sockopt(self->tx, SO_SNDBUF));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 10000));
	EXPECT_EQ(20000, sockopt(self->tx, SO_SNDBUF));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0x3fffffff));
	EXPECT_EQ(2 * wmem_max, sockopt(self->tx, SO_SNDBUF));
}

/* C10: SO_SNDBUF calls write space, so a sleeping writer goes on. */
TEST_F(wmem, c10_raising_sndbuf_wakes_writer)
{
	struct writer writer = pair_writer(&self->pair);

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	writer.count = pair_fill(&self->pair) + 4;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	EXPECT_EQ(0, writer.sent);

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 65536));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(0, writer.error);
	EXPECT_EQ(writer.count, writer.sent);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C1, C34: all bytes are given back, and not before the wire took them. */
TEST_F(wmem, c34_charged_until_completion)
{
	EXPECT_EQ(0, outq(self->tx));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	EXPECT_TRUE(stays(outq(self->tx) > 2 * LEN, 200));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
	EXPECT_TRUE(polled(self->tx, POLLOUT) & POLLOUT);
	EXPECT_TRUE(eventually(inq(self->rx) == LEN));
}

/* SIOCOUTQ and SO_MEMINFO speak of the same bytes. */
TEST_F(wmem, outq_is_wmem_alloc)
{
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	EXPECT_LT(LEN, outq(self->tx));
	EXPECT_EQ(outq(self->tx), (int)meminfo(self->tx, SK_MEMINFO_WMEM_ALLOC));
	EXPECT_EQ(sockopt(self->tx, SO_SNDBUF),
		  (int)meminfo(self->tx, SK_MEMINFO_SNDBUF));
}

/* C42: the device keeps the charge, so a stopped wire ends in EAGAIN. */
TEST_F(wmem, c42_stopped_wire_holds_sender)
{
	int count;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	count = pair_fill(&self->pair);
	ASSERT_LT(0, count);
	EXPECT_LE(SOCK_MIN_SNDBUF, outq(self->tx));
	/* Nobody gives it room, so it stays so. */
	EXPECT_TRUE(stays(pair_send(&self->pair, MSG_DONTWAIT) == -EAGAIN, 200));
}

/* C45: MSG_DONTWAIT and O_NONBLOCK get EAGAIN, and get on after that. */
TEST_F(wmem, c45_full_gives_eagain_then_goes_on)
{
	ASSERT_LT(0, pair_jam(&self->pair));
	EXPECT_EQ(-EAGAIN, pair_send(&self->pair, MSG_DONTWAIT));
	ASSERT_EQ(0, fcntl(self->tx, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, pair_send(&self->pair, 0));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(pair_send(&self->pair, MSG_DONTWAIT) == LEN));
}

/* C46: the completion that leaves W < SB / 2 wakes the writer, none before. */
TEST_F(wmem, c46_writer_sleeps_until_half)
{
	struct writer writer = pair_writer(&self->pair);
	int sb, size;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 32768));
	sb = sockopt(self->tx, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	size = outq(self->tx);
	ASSERT_LT(0, pair_fill(&self->pair));

	writer.count = 1;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	ASSERT_EQ(0, wire_slow(&self->link));
	ASSERT_TRUE(eventually(writer.done));
	EXPECT_EQ(1, writer.sent);
	EXPECT_GT(sb / 2 + size, writer.outq_after);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C47: SO_SNDTIMEO that is over gives EAGAIN. */
TEST_F(wmem, c47_timeout_gives_eagain)
{
	long long start;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, set_timeout(self->tx, SO_SNDTIMEO, 300));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, pair_fill(&self->pair));

	start = now_ms();
	EXPECT_EQ(-EAGAIN, pair_send(&self->pair, 0));
	/* The kernel counts in ticks. */
	EXPECT_LE(290, now_ms() - start);
	EXPECT_GT(LONG_MS / 2, now_ms() - start);
}

/* C48: shutdown() wakes the writer, with EPIPE and no signal. */
TEST_F(wmem, c48_shutdown_wakes_writer)
{
	struct writer writer = pair_writer(&self->pair);

	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	ASSERT_EQ(0, shutdown(self->tx, SHUT_WR));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EPIPE, writer.error);
	EXPECT_EQ(0, writer.sent);
	EXPECT_EQ(0, writer_join(&writer));
}

/* Sends small ones until one is refused: why, and what was charged before it */
static int refusal(const struct pair *pair, int *before)
{
	int i, ret;

	for (i = 0; i < 1000; i++) {
		*before = outq(pair->tx);
		ret = wren_sendto(pair->tx, "x", 1, MSG_DONTWAIT, &pair->to);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/*
 * C37: a qdisc that is full drops, the call says so, and the bytes are there
 * again at once.
 */
TEST_F(wmem, c37_drop_of_the_qdisc_is_credited)
{
	int before;

	if (variant->kind != LINK_WREN)
		SKIP(return, "the qdisc is what stops this wire");
	ASSERT_EQ(0, qdisc_pfifo(self->link.a.name, 1));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUFFORCE, 4 << 20));
	ASSERT_EQ(0, wire_stop(&self->link));
	EXPECT_EQ(-ENOBUFS, refusal(&self->pair, &before));
	EXPECT_LT(0, before);
	EXPECT_EQ(before, outq(self->tx));
	EXPECT_EQ(-ENOBUFS, refusal(&self->pair, &before));
	EXPECT_EQ(before, outq(self->tx));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

/* C36: the same without a qdisc, where a ring has no more room. */
TEST_F(wmem, c36_drop_without_a_qdisc_is_credited)
{
	int before;

	if (variant->kind != LINK_WREN)
		SKIP(return, "the qdisc is what stops this wire");
	if (system("tc qdisc replace dev wren-a root noqueue"))
		SKIP(return, "no tc");
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUFFORCE, 4 << 20));
	ASSERT_EQ(0, wire_stop(&self->link));
	EXPECT_EQ(-ENETDOWN, refusal(&self->pair, &before));
	EXPECT_LT(0, before);
	EXPECT_EQ(before, outq(self->tx));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

/* C50: each time that the wire starts again, the sleeping writer goes on. */
TEST_F(wmem, c50_each_start_wakes_writer)
{
	int round, rounds = debug_kernel() ? 15 : 50;
	struct writer writer = pair_writer(&self->pair);
	int sent;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, writer_start(&writer));
	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, wire_stop(&self->link));
		/* At half and more the writer is full, or not yet awake. */
		ASSERT_TRUE(eventually(outq(self->tx) >= SOCK_MIN_SNDBUF / 2));
		sent = writer.sent;
		ASSERT_EQ(0, wire_run(&self->link));
		ASSERT_TRUE(eventually(writer.sent > sent + 1)) {
			TH_LOG("writer hangs in round %d, W - 1 = %d", round,
			       outq(self->tx));
		}
	}
	writer.stop = true;
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_EQ(0, writer.error);
}

/* C50: two writers that share a socket with room for two packets get through. */
TEST_F(wmem, c50_two_writers_get_through)
{
	struct writer one = pair_writer(&self->pair), two;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	one.count = debug_kernel() ? 300 : 2000;
	two = one;
	ASSERT_EQ(0, writer_start(&one));
	ASSERT_EQ(0, writer_start(&two));
	EXPECT_TRUE(eventually(one.done && two.done)) {
		TH_LOG("%d and %d of %d sent, W - 1 = %d", one.sent, two.sent,
		       one.count, outq(self->tx));
	}
	EXPECT_EQ(one.count, one.sent);
	EXPECT_EQ(two.count, two.sent);
	EXPECT_EQ(0, writer_join(&one));
	EXPECT_EQ(0, writer_join(&two));
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
}

/* A writer on a slow wire never has more than SB and one packet in flight. */
TEST_F(wmem, outq_is_bounded_on_slow_wire)
{
	struct writer writer = pair_writer(&self->pair);
	int size, now, most = 0, samples = 0;
	long long deadline;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	size = outq(self->tx);
	ASSERT_EQ(0, wire_slow(&self->link));

	ASSERT_EQ(0, writer_start(&writer));
	deadline = now_ms() + LONG_MS;
	while (writer.sent < 50 || samples < 1000 || most < SOCK_MIN_SNDBUF) {
		ASSERT_GT(deadline, now_ms());
		now = outq(self->tx);
		most = now > most ? now : most;
		samples++;
	}
	EXPECT_GT(SOCK_MIN_SNDBUF + size, most);

	writer.stop = true;
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_EQ(0, writer.error);
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
}

/* C59: a closed socket lives until its last byte has been taken. */
TEST_F(wmem, c59_close_with_bytes_in_flight)
{
	struct pair closed = self->pair;
	int sockets, tx, i;

	ASSERT_TRUE(only_sockets(2));
	sockets = proto_sockets();
	ASSERT_LT(0, sockets);

	tx = wren_bound(&self->link.a, 0);
	ASSERT_LE(0, tx);
	EXPECT_EQ(sockets + 1, proto_sockets());
	ASSERT_EQ(0, wire_stop(&self->link));
	closed.tx = tx;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(LEN, pair_send(&closed, 0));
	EXPECT_LT(5 * LEN, outq(tx));
	ASSERT_EQ(0, close(tx));

	/* What is left of it is one struct sock, which pins the module. */
	EXPECT_TRUE(stays(module_refs("af_wren") == 2 * SOCKET_REFS + 1, 200)) {
		TH_LOG("%d references", module_refs("af_wren"));
	}
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(only_sockets(2));
	EXPECT_TRUE(eventually(proto_sockets() == sockets));
}

/* The same for a socket whose last user is a process that is killed. */
TEST_F(wmem, c59_kill_blocked_writer)
{
	int pipe_fds[2], status, sockets;
	char byte;
	pid_t pid;

	ASSERT_TRUE(only_sockets(2));
	sockets = proto_sockets();
	ASSERT_EQ(0, pipe(pipe_fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct pair own = self->pair;

		own.tx = wren_bound(&self->link.a, 0);
		if (pair_jam(&own) <= 0 || write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		_exit(pair_send(&own, 0) != LEN);
	}
	ASSERT_EQ(1, read(pipe_fds[0], &byte, 1));
	EXPECT_EQ(sockets + 1, proto_sockets());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));

	EXPECT_EQ(2 * SOCKET_REFS + 1, module_refs("af_wren"));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(only_sockets(2));
	EXPECT_TRUE(eventually(proto_sockets() == sockets));
}

TEST_HARNESS_MAIN
