// SPDX-License-Identifier: GPL-2.0
/* Signals: those that interrupt a call, and those that tell of a socket. */
#include <fcntl.h>

#include "../lib/harness.h"
#include "../lib/pair.h"
#include "../lib/worker.h"

FIXTURE(signals) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(signals);

FIXTURE_SETUP(signals)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
}

FIXTURE_TEARDOWN(signals)
{
	link_teardown(&self->link);
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
TEST_F(signals, c47_signal_with_timeout_gives_eintr)
{
	struct writer writer = pair_writer(&self->pair);

	ASSERT_EQ(0, catch_signal(SA_RESTART));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, set_timeout(self->tx, SO_SNDTIMEO, 10 * LONG_MS));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_LT(0, pair_fill(&self->pair));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EINTR, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C47: without a timeout a signal gives ERESTARTSYS, seen as EINTR ... */
TEST_F(signals, c47_signal_without_timeout_gives_eintr)
{
	struct writer writer = pair_writer(&self->pair);

	ASSERT_EQ(0, catch_signal(0));
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EINTR, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
}

/* C47: ... and with SA_RESTART the send goes on, nothing lost or doubled. */
TEST_F(signals, c47_signal_restarts_send)
{
	struct writer writer = pair_writer(&self->pair);
	int before;

	ASSERT_EQ(0, catch_signal(SA_RESTART));
	ASSERT_LT(0, pair_jam(&self->pair));
	before = outq(self->tx);
	writer.count = 1;
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_TRUE(writer_sleeps(&writer));
	EXPECT_FALSE(writer.done);
	EXPECT_EQ(before, outq(self->tx));

	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(1, writer.sent);
	EXPECT_EQ(0, writer_join(&writer));
}

static int receive(void *fd)
{
	char byte;

	return wren_recv(*(int *)fd, &byte, 1, 0);
}

/* The same of a reader: EINTR ... */
TEST_F(signals, reader_gets_eintr)
{
	struct worker reader = { .cpu = -1 };

	ASSERT_EQ(0, catch_signal(0));
	ASSERT_EQ(0, set_timeout(self->rx, SO_RCVTIMEO, 0));
	ASSERT_EQ(0, worker_start(&reader, receive, &self->rx));
	ASSERT_TRUE(worker_sleeps(&reader));
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, worker_result(&reader));
}

/* ... unless the call can start again, which it cannot with a timeout. */
TEST_F(signals, reader_starts_again)
{
	struct worker reader = { .cpu = -1 };

	ASSERT_EQ(0, catch_signal(SA_RESTART));
	ASSERT_EQ(0, worker_start(&reader, receive, &self->rx));
	ASSERT_TRUE(worker_sleeps(&reader));
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, worker_result(&reader));

	ASSERT_EQ(0, set_timeout(self->rx, SO_RCVTIMEO, 0));
	ASSERT_EQ(0, worker_start(&reader, receive, &self->rx));
	ASSERT_TRUE(worker_sleeps(&reader));
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	ASSERT_TRUE(worker_sleeps(&reader));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(1, worker_result(&reader));
}

/*
 * Blocks the signal, and has the socket send it: a realtime one queues, SIGIO
 * would count as one.
 */
static int signals_of(int fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigprocmask(SIG_BLOCK, &set, NULL) ||
	       fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, SIGRTMIN) ||
	       fcntl(fd, F_SETFL, O_ASYNC) ? -errno : 0;
}

/* The next signal within this time: its si_code, or 0 */
static int next_signal(siginfo_t *info, int msecs)
{
	struct timespec timeout = { msecs / 1000, msecs % 1000 * 1000000L };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigtimedwait(&set, info, &timeout) > 0 ? info->si_code : 0;
}

/* So many of this kind, and none of another */
static int count_signals(int code, int msecs)
{
	siginfo_t info;
	int count = 0, one;

	while ((one = next_signal(&info, msecs)))
		count += one == code ? 1 : 1000;
	return count;
}

/* C49: one SIGIO for each time that a sender was told to wait. */
TEST_F(signals, c49_one_sigio_for_each_eagain)
{
	int round;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 20000));
	ASSERT_EQ(0, signals_of(self->tx));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, wire_stop(&self->link));
		ASSERT_LT(2, pair_fill(&self->pair));
		EXPECT_EQ(0, count_signals(POLL_OUT, 50));
		ASSERT_EQ(0, wire_run(&self->link));
		ASSERT_TRUE(eventually(outq(self->tx) == 0));
		EXPECT_EQ(1, count_signals(POLL_OUT, 100));
	}
}

/* C49: poll() that says no asks for it as well, and who was not told to wait gets none. */
TEST_F(signals, c49_sigio_only_for_who_was_told_to_wait)
{
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, signals_of(self->tx));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	ASSERT_EQ(0, wire_run(&self->link));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(0, count_signals(POLL_OUT, 50));

	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	ASSERT_EQ(0, polled(self->tx, POLLOUT));
	ASSERT_EQ(0, wire_run(&self->link));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(1, count_signals(POLL_OUT, 100));
}

/* It says which socket, and that it can be written. */
TEST_F(signals, sigio_tells_socket_and_events)
{
	siginfo_t info = {};

	ASSERT_EQ(0, signals_of(self->tx));
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, wire_run(&self->link));
	ASSERT_EQ(POLL_OUT, next_signal(&info, LONG_MS));
	EXPECT_EQ(self->tx, info.si_fd);
	EXPECT_EQ(POLLOUT | POLLWRNORM | POLLWRBAND, info.si_band);
}

/* Each datagram tells, and none when nobody wants to be told any more. */
TEST_F(signals, sigio_for_datagrams)
{
	siginfo_t info = {};
	int i;

	ASSERT_EQ(0, signals_of(self->rx));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(LEN, pair_send(&self->pair, 0));
		ASSERT_EQ(POLL_IN, next_signal(&info, LONG_MS));
		EXPECT_EQ(self->rx, info.si_fd);
	}
	EXPECT_EQ(0, count_signals(POLL_IN, 20));
	ASSERT_EQ(0, fcntl(self->rx, F_SETFL, 0));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(0, count_signals(POLL_IN, 50));
}

TEST_HARNESS_MAIN
