// SPDX-License-Identifier: GPL-2.0
/*
 * poll(), select() and epoll: who asks whether there is room is told so, and
 * how often. W is the memory in flight, SB the send buffer, see wmem.c.
 */
#include <sys/epoll.h>
#include <sys/select.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

FIXTURE(poll) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(poll);

FIXTURE_SETUP(poll)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
}

FIXTURE_TEARDOWN(poll)
{
	link_teardown(&self->link);
}

/* An epoll descriptor that waits for these events of a socket, or -errno */
static int epoll_for(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) ? -errno : ep;
}

/* The events that there are, or come within this time: 0 if there are none */
static uint32_t events_of(int ep, int msecs)
{
	struct epoll_event event = {};
	int ret = epoll_wait(ep, &event, 1, msecs);

	return ret < 0 ? (uint32_t)-errno : event.events;
}

/* As poll(), for writing and at once */
static bool selected(int fd)
{
	struct timeval now = {};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, NULL, &set, NULL, &now) == 1;
}

/* C46: POLLOUT if and only if W < SB / 2. */
TEST_F(poll, c46_poll_writable_below_half)
{
	int writable = 0, full = 0, w, sb;

	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 20000));
	sb = sockopt(self->tx, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));

	do {
		w = outq(self->tx) + 1;
		ASSERT_EQ(w < sb / 2, !!(polled(self->tx, POLLOUT) & POLLOUT)) {
			TH_LOG("W %d, SB %d", w, sb);
		}
		if (w < sb / 2)
			writable++;
		else
			full++;
	} while (pair_send(&self->pair, MSG_DONTWAIT) == LEN);
	EXPECT_LT(1, writable);
	EXPECT_LT(1, full);
}

/* C46: a sleeper in poll() and one in epoll_wait() wake as well. */
TEST_F(poll, c46_pollers_wake)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct pollfd pfd = { .fd = self->tx, .events = POLLOUT };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int status;
	pid_t pid;

	ASSERT_LE(0, ep);
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->tx, &event));
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

/* C46: whichever way one asks, the answer is the same. */
TEST_F(poll, c46_all_ways_to_ask_agree)
{
	int ep = epoll_for(self->tx, EPOLLOUT), w, sb;
	bool writable;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 20000));
	sb = sockopt(self->tx, SO_SNDBUF);
	ASSERT_EQ(0, wire_stop(&self->link));
	do {
		w = outq(self->tx) + 1;
		writable = w < sb / 2;
		EXPECT_EQ(writable, selected(self->tx));
		/* Level-triggered: as often as one asks. */
		EXPECT_EQ(writable, events_of(ep, 0) == EPOLLOUT);
		EXPECT_EQ(writable, events_of(ep, 0) == EPOLLOUT);
	} while (pair_send(&self->pair, MSG_DONTWAIT) == LEN);
	EXPECT_FALSE(writable);
}

/*
 * C46: two datagrams fill the buffer. The release of the first leaves half of
 * it in use and tells nobody, that of the second does: one event, and no other
 * one before something else happens.
 */
TEST_F(poll, c46_one_edge_each_time_room_comes_back)
{
	int ep = epoll_for(self->tx, EPOLLOUT | EPOLLET), round;

	ASSERT_LE(0, ep);
	ASSERT_EQ(EPOLLOUT, events_of(ep, 0));
	ASSERT_EQ(0, events_of(ep, 0));
	for (round = 0; round < 5; round++) {
		ASSERT_EQ(2, pair_jam(&self->pair));
		ASSERT_LE(SOCK_MIN_SNDBUF, outq(self->tx));
		EXPECT_EQ(0, events_of(ep, 20));
		ASSERT_EQ(0, wire_run(&self->link));
		EXPECT_EQ(EPOLLOUT, events_of(ep, LONG_MS));
		ASSERT_TRUE(eventually(!outq(self->tx)));
		EXPECT_EQ(0, events_of(ep, 20));
	}
}

/* An edge is a release that leaves room, whether or not somebody was refused. */
TEST_F(poll, edge_without_eagain)
{
	int ep = epoll_for(self->tx, EPOLLOUT | EPOLLET);

	ASSERT_LE(0, ep);
	ASSERT_EQ(EPOLLOUT, events_of(ep, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	EXPECT_EQ(0, events_of(ep, 20));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(EPOLLOUT, events_of(ep, LONG_MS));
}

/* With EPOLLONESHOT nothing comes until it is asked for again, and then what is. */
TEST_F(poll, oneshot)
{
	struct epoll_event again = { .events = EPOLLOUT | EPOLLONESHOT };
	int ep = epoll_for(self->tx, EPOLLOUT | EPOLLONESHOT);

	ASSERT_LE(0, ep);
	ASSERT_LT(0, pair_jam(&self->pair));
	EXPECT_EQ(0, events_of(ep, 20));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(EPOLLOUT, events_of(ep, LONG_MS));
	EXPECT_EQ(0, events_of(ep, 20));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_MOD, self->tx, &again));
	EXPECT_EQ(EPOLLOUT, events_of(ep, 0));
}

/* One edge for each datagram, and for reading only. */
TEST_F(poll, edges_of_datagrams)
{
	int ep = epoll_for(self->rx, EPOLLIN | EPOLLET), i;
	char got[LEN];

	ASSERT_LE(0, ep);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, events_of(ep, 0));
		ASSERT_EQ(LEN, pair_send(&self->pair, 0));
		EXPECT_EQ(EPOLLIN, events_of(ep, LONG_MS));
		EXPECT_EQ(0, events_of(ep, 20));
	}
	/* Taking one leaves two, and that is no news. */
	ASSERT_EQ(LEN, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_EQ(0, events_of(ep, 20));
	EXPECT_EQ(POLLIN, polled(self->rx, POLLIN));
}

/* C48: what ends the wait for room is told as an event, though there is no room. */
TEST_F(poll, c48_error_is_an_event)
{
	int ep = epoll_for(self->tx, EPOLLOUT | EPOLLET);

	ASSERT_LE(0, ep);
	ASSERT_LT(0, pair_jam(&self->pair));
	/* The initial one */
	events_of(ep, 0);
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_TRUE(events_of(ep, LONG_MS) & EPOLLERR);
	EXPECT_EQ(ENETDOWN, sockopt(self->tx, SO_ERROR));
	EXPECT_TRUE(eventually(polled(self->tx, POLLOUT) == POLLOUT));
}

TEST_HARNESS_MAIN
