// SPDX-License-Identifier: GPL-2.0
/*
 * A release that comes at the wrong moment: while the writer falls asleep, on
 * another CPU, for several writers, and while the socket is being closed.
 */
#include "../lib/harness.h"
#include "../lib/pair.h"
#include "../lib/worker.h"

#define WRITERS	6

FIXTURE(races) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(races);

FIXTURE_SETUP(races)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
}

FIXTURE_TEARDOWN(races)
{
	link_teardown(&self->link);
}

static int send_one(void *pair)
{
	return pair_send(pair, 0);
}

static int run_wire(void *link)
{
	return wire_run(link);
}

static int close_it(void *fd)
{
	return close(*(int *)fd) ? -errno : 0;
}

/* Lets so many microseconds pass without giving the CPU away. */
static void spin(long usecs)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000L +
		 (now.tv_nsec - start.tv_nsec) / 1000 < usecs);
}

/*
 * C50: T1 finds the buffer full and is about to sleep, T2 lets the wire go. It
 * is tried at each moment around that, with both on one CPU and on two.
 */
TEST_F(races, c50_release_while_the_writer_falls_asleep)
{
	int round, rounds = debug_kernel() ? 20 : 60, cpus = cpu_count();
	struct worker writer;

	for (round = 0; round < rounds; round++) {
		ASSERT_LT(0, pair_jam(&self->pair));
		ASSERT_EQ(0, run_on_cpu(0));
		writer.cpu = round % 2 % cpus;
		ASSERT_EQ(0, worker_start(&writer, send_one, &self->pair));
		while (!writer.tid)
			usleep(1);
		spin(round * 5);
		ASSERT_EQ(0, wire_run(&self->link));
		ASSERT_EQ(LEN, worker_result(&writer)) {
			TH_LOG("writer hangs in round %d, W - 1 = %d", round,
			       outq(self->tx));
		}
		ASSERT_TRUE(eventually(!outq(self->tx)));
	}
}

/* C46: there is room for two, and all of them sleep: none is forgotten. */
TEST_F(races, c46_many_writers_and_little_room)
{
	struct worker writers[WRITERS];
	int i, got = 0;
	char byte;

	ASSERT_EQ(2, pair_jam(&self->pair));
	for (i = 0; i < WRITERS; i++) {
		writers[i].cpu = -1;
		ASSERT_EQ(0, worker_start(&writers[i], send_one, &self->pair));
	}
	for (i = 0; i < WRITERS; i++)
		ASSERT_TRUE(worker_sleeps(&writers[i]));
	ASSERT_EQ(0, wire_run(&self->link));
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(LEN, worker_result(&writers[i]));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	for (i = 0; i < WRITERS + 2; i++)
		got += wren_recv(self->rx, &byte, 1, 0) == 1;
	EXPECT_EQ(WRITERS + 2, got);
	EXPECT_EQ(-EAGAIN, wren_recv(self->rx, &byte, 1, MSG_DONTWAIT));
}

/*
 * C46: as long as half of the buffer is in use nobody goes on, however many
 * wait, and a writer that is refused takes nothing from one that sleeps.
 */
TEST_F(races, c46_refused_writer_leaves_the_sleeper_alone)
{
	struct worker writer = { .cpu = -1 };

	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, worker_start(&writer, send_one, &self->pair));
	ASSERT_TRUE(worker_sleeps(&writer));
	EXPECT_EQ(-EAGAIN, pair_send(&self->pair, MSG_DONTWAIT));
	EXPECT_EQ(0, polled(self->tx, POLLOUT));
	EXPECT_TRUE(worker_sleeps(&writer));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(LEN, worker_result(&writer));
}

/* C48: none of them hears that it has sent something, though its bytes come back. */
TEST_F(races, c48_every_sleeper_ends_with_the_device)
{
	struct worker writers[WRITERS];
	int i, told = 0;

	ASSERT_LT(0, pair_jam(&self->pair));
	for (i = 0; i < WRITERS; i++) {
		writers[i].cpu = -1;
		ASSERT_EQ(0, worker_start(&writers[i], send_one, &self->pair));
	}
	for (i = 0; i < WRITERS; i++)
		ASSERT_TRUE(worker_sleeps(&writers[i]));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	for (i = 0; i < WRITERS; i++)
		told += worker_result(&writers[i]) == -ENETDOWN;
	EXPECT_EQ(WRITERS, told);
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

/* C59: the writer has the file, so the socket is there until it comes back. */
TEST_F(races, c59_close_under_a_sleeping_writer)
{
	struct worker writer = { .cpu = -1 };

	ASSERT_TRUE(only_sockets(2));
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, worker_start(&writer, send_one, &self->pair));
	ASSERT_TRUE(worker_sleeps(&writer));
	ASSERT_EQ(0, close(self->tx));
	EXPECT_TRUE(worker_sleeps(&writer));
	EXPECT_EQ(2 * SOCKET_REFS, module_refs("af_wren"));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(LEN, worker_result(&writer));
	EXPECT_TRUE(only_sockets(1));
}

/* C59: T1 closes the socket, T2 lets the wire take the last of its bytes. */
TEST_F(races, c59_close_while_the_last_byte_is_released)
{
	int round, rounds = debug_kernel() ? 10 : 30;
	struct worker closer, runner;
	struct pair own = self->pair;

	ASSERT_TRUE(only_sockets(2));
	for (round = 0; round < rounds; round++) {
		own.tx = wren_bound(&self->link.a, 0);
		ASSERT_LE(0, own.tx);
		ASSERT_LT(0, pair_jam(&own));
		closer.cpu = -1;
		runner.cpu = -1;
		ASSERT_EQ(0, worker_start(&runner, run_wire, &self->link));
		spin(round * 7);
		ASSERT_EQ(0, worker_start(&closer, close_it, &own.tx));
		ASSERT_EQ(0, worker_result(&runner));
		ASSERT_EQ(0, worker_result(&closer));
		ASSERT_TRUE(only_sockets(2));
	}
}

TEST_HARNESS_MAIN
