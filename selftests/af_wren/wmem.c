// SPDX-License-Identifier: GPL-2.0
/*
 * Write space: what a sender may have in flight, when it has to wait and what
 * wakes it. W is the memory in flight, T that of one packet, SB the limit of
 * the socket (SO_SNDBUF). C<n> is the statement of the contract that a test
 * proves.
 */
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>

#include "../lib/harness.h"

#define PORT	1000
#define LEN	1400
#define MANY	100000

struct sender {
	struct sockaddr_wren to;
	int fd;
	char data[LEN];
};

FIXTURE(wmem) {
	struct link link;
	struct sender tx;
	int rx;
};

FIXTURE_VARIANT(wmem) {
	enum link_kind kind;
};

FIXTURE_VARIANT_ADD(wmem, wren) {
	.kind = LINK_WREN,
};

FIXTURE_VARIANT_ADD(wmem, phys) {
	.kind = LINK_PHYS,
};

FIXTURE_SETUP(wmem)
{
	if (!link_there(variant->kind))
		SKIP(return, "WREN_PHYS_A and WREN_PHYS_B are not set");
	ASSERT_EQ(0, link_setup(&self->link, variant->kind));
	self->rx = wren_bound(&self->link.b, PORT);
	ASSERT_LE(0, self->rx);
	self->tx.fd = wren_bound(&self->link.a, 0);
	ASSERT_LE(0, self->tx.fd);
	self->tx.to = wren_addr(0, PORT, self->link.b.mac);
}

FIXTURE_TEARDOWN(wmem)
{
	link_teardown(&self->link);
}

static int send_one(struct sender *tx, int flags)
{
	return wren_sendto(tx->fd, tx->data, LEN, flags, &tx->to);
}

/* Sends until nothing fits any more: the number of packets, or -errno. */
static int fill(struct sender *tx)
{
	int count, ret;

	for (count = 0; count < MANY; count++) {
		ret = send_one(tx, MSG_DONTWAIT);
		if (ret == -EAGAIN)
			return count;
		if (ret != LEN)
			return ret;
	}
	return -ERANGE;
}

static struct writer writer_of(struct sender *tx)
{
	return (struct writer){ .fd = tx->fd, .to = tx->to, .len = LEN };
}

/* C9: a packet is accepted if and only if W - 1 < SB. */
TEST_F(wmem, c09_accepts_while_below_sndbuf)
{
	int sb, before, size = 0, count = 0;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 16384));
	sb = sockopt(self->tx.fd, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));

	for (before = 0; before < sb; before = outq(self->tx.fd)) {
		ASSERT_EQ(LEN, send_one(&self->tx, MSG_DONTWAIT));
		size = size ?: outq(self->tx.fd);
		/* Each of them counts the same, and nothing is given back. */
		ASSERT_EQ(before + size, outq(self->tx.fd));
		count++;
	}
	EXPECT_LT(LEN, size);
	EXPECT_LT(1, count);
	EXPECT_EQ(-EAGAIN, send_one(&self->tx, MSG_DONTWAIT));
	EXPECT_EQ(count * size, outq(self->tx.fd));
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

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	EXPECT_EQ(SOCK_MIN_SNDBUF, sockopt(self->tx.fd, SO_SNDBUF));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 10000));
	EXPECT_EQ(20000, sockopt(self->tx.fd, SO_SNDBUF));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0x3fffffff));
	EXPECT_EQ(2 * wmem_max, sockopt(self->tx.fd, SO_SNDBUF));
}

/* C10: SO_SNDBUF calls write space, so a sleeping writer goes on. */
TEST_F(wmem, c10_raising_sndbuf_wakes_writer)
{
	struct writer writer = writer_of(&self->tx);

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	writer.count = fill(&self->tx) + 4;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	EXPECT_EQ(0, writer.sent);

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 65536));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(0, writer.error);
	EXPECT_EQ(writer.count, writer.sent);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C1, C34: all bytes are given back, and not before the wire took them. */
TEST_F(wmem, c34_charged_until_completion)
{
	EXPECT_EQ(0, outq(self->tx.fd));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, send_one(&self->tx, 0));
	ASSERT_EQ(LEN, send_one(&self->tx, 0));
	EXPECT_TRUE(stays(outq(self->tx.fd) > 2 * LEN, 200));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(outq(self->tx.fd) == 0));
	EXPECT_TRUE(polled(self->tx.fd, POLLOUT) & POLLOUT);
	EXPECT_TRUE(eventually(inq(self->rx) == LEN));
}

/* SIOCOUTQ and SO_MEMINFO speak of the same bytes. */
TEST_F(wmem, outq_is_wmem_alloc)
{
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, send_one(&self->tx, 0));
	EXPECT_LT(LEN, outq(self->tx.fd));
	EXPECT_EQ(outq(self->tx.fd), (int)meminfo(self->tx.fd, SK_MEMINFO_WMEM_ALLOC));
	EXPECT_EQ(sockopt(self->tx.fd, SO_SNDBUF),
		  (int)meminfo(self->tx.fd, SK_MEMINFO_SNDBUF));
}

/* C42: the device keeps the charge, so a stopped wire ends in EAGAIN. */
TEST_F(wmem, c42_stopped_wire_holds_sender)
{
	int count;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	count = fill(&self->tx);
	ASSERT_LT(0, count);
	EXPECT_LE(SOCK_MIN_SNDBUF, outq(self->tx.fd));
	/* Nobody gives it room, so it stays so. */
	EXPECT_TRUE(stays(send_one(&self->tx, MSG_DONTWAIT) == -EAGAIN, 200));
}

/* C45: MSG_DONTWAIT and O_NONBLOCK get EAGAIN, and get on after that. */
TEST_F(wmem, c45_full_gives_eagain_then_goes_on)
{
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));
	EXPECT_EQ(-EAGAIN, send_one(&self->tx, MSG_DONTWAIT));
	ASSERT_EQ(0, fcntl(self->tx.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, send_one(&self->tx, 0));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(send_one(&self->tx, MSG_DONTWAIT) == LEN));
}

/* C46: POLLOUT if and only if W < SB / 2. */
TEST_F(wmem, c46_poll_writable_below_half)
{
	int writable = 0, full = 0, w, sb;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 20000));
	sb = sockopt(self->tx.fd, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));

	do {
		w = outq(self->tx.fd) + 1;
		ASSERT_EQ(w < sb / 2, !!(polled(self->tx.fd, POLLOUT) & POLLOUT)) {
			TH_LOG("W %d, SB %d", w, sb);
		}
		if (w < sb / 2)
			writable++;
		else
			full++;
	} while (send_one(&self->tx, MSG_DONTWAIT) == LEN);
	EXPECT_LT(1, writable);
	EXPECT_LT(1, full);
}

/* C46: the completion that leaves W < SB / 2 wakes the writer, none before. */
TEST_F(wmem, c46_writer_sleeps_until_half)
{
	struct writer writer = writer_of(&self->tx);
	int sb, size;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 32768));
	sb = sockopt(self->tx.fd, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, send_one(&self->tx, 0));
	size = outq(self->tx.fd);
	ASSERT_LT(0, fill(&self->tx));

	writer.count = 1;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	ASSERT_EQ(0, wire_slow(&self->link));
	ASSERT_TRUE(eventually(writer.done));
	EXPECT_EQ(1, writer.sent);
	EXPECT_GT(sb / 2 + size, writer.outq_after);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C46: a sleeper in poll() and one in epoll_wait() wake as well. */
TEST_F(wmem, c46_pollers_wake)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct pollfd pfd = { .fd = self->tx.fd, .events = POLLOUT };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int status;
	pid_t pid;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->tx.fd, &event));
	EXPECT_EQ(0, epoll_wait(ep, &event, 1, 100));
	EXPECT_EQ(0, poll(&pfd, 1, 100));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(poll(&pfd, 1, LONG_MS) == 1 && pfd.revents == POLLOUT);
	/* Let it get to sleep; the test holds if it does not, too. */
	usleep(50000);
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(1, epoll_wait(ep, &event, 1, LONG_MS));
	EXPECT_EQ((uint32_t)EPOLLOUT, event.events);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(1, WEXITSTATUS(status));
}

/* C47: SO_SNDTIMEO that is over gives EAGAIN. */
TEST_F(wmem, c47_timeout_gives_eagain)
{
	long long start;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, set_timeout(self->tx.fd, SO_SNDTIMEO, 300));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));

	start = now_ms();
	EXPECT_EQ(-EAGAIN, send_one(&self->tx, 0));
	/* The kernel counts in ticks. */
	EXPECT_LE(290, now_ms() - start);
	EXPECT_GT(LONG_MS / 2, now_ms() - start);
}

static void on_signal(int sig)
{
	(void)sig;
}

static int catch_signal(int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	return sigaction(SIGUSR1, &action, NULL);
}

/* C47: with a finite timeout a signal gives EINTR, SA_RESTART or not. */
TEST_F(wmem, c47_signal_with_timeout_gives_eintr)
{
	struct writer writer = writer_of(&self->tx);

	ASSERT_EQ(0, catch_signal(SA_RESTART));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, set_timeout(self->tx.fd, SO_SNDTIMEO, 10 * LONG_MS));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EINTR, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C47: without a timeout a signal gives ERESTARTSYS, seen as EINTR ... */
TEST_F(wmem, c47_signal_without_timeout_gives_eintr)
{
	struct writer writer = writer_of(&self->tx);

	ASSERT_EQ(0, catch_signal(0));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EINTR, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C47: ... and with SA_RESTART the send goes on, nothing lost or doubled. */
TEST_F(wmem, c47_signal_restarts_send)
{
	struct writer writer = writer_of(&self->tx);
	int before;

	ASSERT_EQ(0, catch_signal(SA_RESTART));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, fill(&self->tx));
	before = outq(self->tx.fd);
	writer.count = 1;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(writer_sleeps(&writer));
	EXPECT_FALSE(writer.done);
	EXPECT_EQ(before, outq(self->tx.fd));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(1, writer.sent);
	EXPECT_EQ(0, writer_join(&writer));
}

static int count_signals(int msecs)
{
	struct timespec timeout = { msecs / 1000, msecs % 1000 * 1000000L };
	siginfo_t info;
	sigset_t set;
	int count = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	while (sigtimedwait(&set, &info, &timeout) > 0) {
		if (info.si_code == POLL_OUT)
			count++;
	}
	return count;
}

/* C49: one SIGIO for each time that a sender was told to wait. */
TEST_F(wmem, c49_one_sigio_for_each_eagain)
{
	sigset_t set;
	int round;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 20000));
	ASSERT_EQ(0, fcntl(self->tx.fd, F_SETOWN, getpid()));
	/* A realtime signal queues, SIGIO would count as one. */
	ASSERT_EQ(0, fcntl(self->tx.fd, F_SETSIG, SIGRTMIN));
	ASSERT_EQ(0, fcntl(self->tx.fd, F_SETFL, O_ASYNC));

	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, wire_stop(&self->link));
		ASSERT_LT(2, fill(&self->tx));
		EXPECT_EQ(0, count_signals(50));
		ASSERT_EQ(0, wire_run(&self->link));
		ASSERT_TRUE(eventually(outq(self->tx.fd) == 0));
		EXPECT_EQ(1, count_signals(100));
	}
}

/* C50: each time that the wire starts again, the sleeping writer goes on. */
TEST_F(wmem, c50_each_start_wakes_writer)
{
	int round, rounds = debug_kernel() ? 15 : 50;
	struct writer writer = writer_of(&self->tx);
	int sent;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, writer_start(&writer));
	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, wire_stop(&self->link));
		/* At half and more the writer is full, or not yet awake. */
		ASSERT_TRUE(eventually(outq(self->tx.fd) >= SOCK_MIN_SNDBUF / 2));
		sent = writer.sent;
		ASSERT_EQ(0, wire_run(&self->link));
		ASSERT_TRUE(eventually(writer.sent > sent + 1)) {
			TH_LOG("writer hangs in round %d, W - 1 = %d", round,
			       outq(self->tx.fd));
		}
	}
	writer.stop = true;
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_EQ(0, writer.error);
}

/* C50: two writers that share a socket with room for two packets get through. */
TEST_F(wmem, c50_two_writers_get_through)
{
	struct writer one = writer_of(&self->tx), two;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	one.count = debug_kernel() ? 300 : 2000;
	two = one;
	ASSERT_EQ(0, writer_start(&one));
	ASSERT_EQ(0, writer_start(&two));
	EXPECT_TRUE(eventually(one.done && two.done)) {
		TH_LOG("%d and %d of %d sent, W - 1 = %d", one.sent, two.sent,
		       one.count, outq(self->tx.fd));
	}
	EXPECT_EQ(one.count, one.sent);
	EXPECT_EQ(two.count, two.sent);
	EXPECT_EQ(0, writer_join(&one));
	EXPECT_EQ(0, writer_join(&two));
	EXPECT_TRUE(eventually(outq(self->tx.fd) == 0));
}

/* A writer on a slow wire never has more than SB and one packet in flight. */
TEST_F(wmem, outq_is_bounded_on_slow_wire)
{
	struct writer writer = writer_of(&self->tx);
	int size, now, most = 0, samples = 0;
	long long deadline;

	ASSERT_EQ(0, set_sockopt(self->tx.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, send_one(&self->tx, 0));
	size = outq(self->tx.fd);
	ASSERT_EQ(0, wire_slow(&self->link));

	ASSERT_EQ(0, writer_start(&writer));
	deadline = now_ms() + LONG_MS;
	while (writer.sent < 50 || samples < 1000 || most < SOCK_MIN_SNDBUF) {
		ASSERT_GT(deadline, now_ms());
		now = outq(self->tx.fd);
		most = now > most ? now : most;
		samples++;
	}
	EXPECT_GT(SOCK_MIN_SNDBUF + size, most);

	writer.stop = true;
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_EQ(0, writer.error);
	EXPECT_TRUE(eventually(outq(self->tx.fd) == 0));
}

/* C59: a closed socket lives until its last byte has been taken. */
TEST_F(wmem, c59_close_with_bytes_in_flight)
{
	int sockets, tx, i;

	ASSERT_TRUE(only_sockets(2));
	sockets = proto_sockets();
	ASSERT_LT(0, sockets);

	tx = wren_bound(&self->link.a, 0);
	ASSERT_LE(0, tx);
	EXPECT_EQ(sockets + 1, proto_sockets());
	ASSERT_EQ(0, wire_stop(&self->link));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(LEN, wren_sendto(tx, self->tx.data, LEN, 0,
					   &self->tx.to));
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
	ASSERT_EQ(0, wire_stop(&self->link));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int tx = wren_bound(&self->link.a, 0);

		set_sockopt(tx, SO_SNDBUF, 0);
		while (wren_sendto(tx, self->tx.data, LEN, MSG_DONTWAIT,
				   &self->tx.to) == LEN)
			;
		if (write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		_exit(wren_sendto(tx, self->tx.data, LEN, 0, &self->tx.to) != LEN);
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
