// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring: it does not sleep in the call, it asks poll() and tries again. So a
 * request that finds no room is done when there is some.
 */
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

#define ENTRIES	8

/* A ring of which one request is in the queue at a time */
struct ring {
	int fd;
	struct io_uring_params params;
	size_t size;		/* of the queues */
	void *queues;
	struct io_uring_sqe *sqes;
};

FIXTURE(uring) {
	PAIR_FIXTURE;
	struct ring ring;
	char data[LEN];
	char got[LEN];
};

OVER_EACH_LINK(uring);

static int ring_setup(struct ring *ring)
{
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd < 0)
		return -errno;
	ring->size = ring->params.cq_off.cqes +
		     ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ENTRIES * sizeof(struct io_uring_sqe),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	return ring->queues == MAP_FAILED || ring->sqes == MAP_FAILED ? -errno : 0;
}

static int ring_close(struct ring *ring)
{
	if (munmap(ring->sqes, ENTRIES * sizeof(struct io_uring_sqe)) ||
	    munmap(ring->queues, ring->size) || close(ring->fd))
		return -errno;
	return 0;
}

static atomic_uint *ring_word(const struct ring *ring, unsigned int offset)
{
	return ring->queues + offset;
}

/* Gives a request to the kernel: 1 or -errno */
static int submit(struct ring *ring, struct io_uring_sqe sqe)
{
	atomic_uint *tail = ring_word(ring, ring->params.sq_off.tail);
	unsigned int slot = *tail % ENTRIES;
	int ret;

	ring->sqes[slot] = sqe;
	*ring_word(ring, ring->params.sq_off.array + slot * sizeof(int)) = slot;
	*tail += 1;
	ret = syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0);
	return ret < 0 ? -errno : ret;
}

static bool completed(const struct ring *ring)
{
	return *ring_word(ring, ring->params.cq_off.head) !=
	       *ring_word(ring, ring->params.cq_off.tail);
}

/* The result of a request, within LONG_MS; which one it was goes to *id */
static int result(struct ring *ring, __u64 *id)
{
	atomic_uint *head = ring_word(ring, ring->params.cq_off.head);
	const struct io_uring_cqe *cqes = ring->queues + ring->params.cq_off.cqes;
	int ret;

	if (!eventually(completed(ring)))
		return -ETIMEDOUT;
	*id = cqes[*head % ring->params.cq_entries].user_data;
	ret = cqes[*head % ring->params.cq_entries].res;
	*head += 1;
	return ret;
}

FIXTURE_SETUP(uring)
{
	int ret;

	if (access("/proc/sys/kernel/io_uring_disabled", F_OK))
		SKIP(return, "no io_uring in this kernel");
	ret = ring_setup(&self->ring);
	if (ret == -EPERM)
		SKIP(return, "kernel.io_uring_disabled is set");
	ASSERT_EQ(0, ret);
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
}

FIXTURE_TEARDOWN(uring)
{
	link_teardown(&self->link);
}

/* A request to send or receive LEN bytes */
static struct io_uring_sqe request(int op, int fd, void *data, __u64 id)
{
	return (struct io_uring_sqe){
		.opcode = op,
		.fd = fd,
		.addr = (uintptr_t)data,
		.len = LEN,
		.user_data = id,
	};
}

TEST_F(uring, send_and_recv)
{
	__u64 id;

	snprintf(self->data, sizeof(self->data), "io_uring");
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_RECV, self->rx, self->got, 1)));
	EXPECT_FALSE(completed(&self->ring));
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND, self->tx, self->data, 2)));
	EXPECT_EQ(LEN, result(&self->ring, &id));
	EXPECT_EQ(LEN, result(&self->ring, &id));
	EXPECT_FALSE(completed(&self->ring));
	EXPECT_STREQ("io_uring", self->got);
}

/* C46: done when the wire has taken what is in the way, and not before. */
TEST_F(uring, c46_send_waits_for_room)
{
	__u64 id = 0;
	int i;

	ASSERT_EQ(2, pair_jam(&self->pair));
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND, self->tx, self->data, 7)));
	EXPECT_TRUE(stays(!completed(&self->ring), 50));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(LEN, result(&self->ring, &id));
	EXPECT_EQ(7, id);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(LEN, wren_recv(self->rx, self->got, LEN, 0));
	EXPECT_EQ(-EAGAIN, wren_recv(self->rx, self->got, LEN, MSG_DONTWAIT));
}

/* C45: who does not want to wait is told so. */
TEST_F(uring, c45_dontwait_gives_eagain)
{
	struct io_uring_sqe sqe = request(IORING_OP_SEND, self->tx, self->data, 1);
	__u64 id;

	sqe.msg_flags = MSG_DONTWAIT;
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(1, submit(&self->ring, sqe));
	EXPECT_EQ(-EAGAIN, result(&self->ring, &id));
}

/* A request that waits can be taken back, and then nothing of it is sent. */
TEST_F(uring, cancel_while_it_waits)
{
	struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = 1, .user_data = 2,
	};
	int results[3] = {}, before, i;
	__u64 id;

	ASSERT_EQ(2, pair_jam(&self->pair));
	before = outq(self->tx);
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND, self->tx, self->data, 1)));
	EXPECT_TRUE(stays(!completed(&self->ring), 20));
	ASSERT_EQ(1, submit(&self->ring, cancel));
	for (i = 0; i < 2; i++) {
		int ret = result(&self->ring, &id);

		ASSERT_TRUE(id == 1 || id == 2);
		results[id] = ret;
	}
	EXPECT_EQ(-ECANCELED, results[1]);
	EXPECT_EQ(0, results[2]);
	EXPECT_EQ(before, outq(self->tx));
}

/* C48: the device goes, and who waits hears of it. */
TEST_F(uring, c48_down_ends_the_wait)
{
	__u64 id;

	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND, self->tx, self->data, 1)));
	EXPECT_TRUE(stays(!completed(&self->ring), 20));
	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(-ENETDOWN, result(&self->ring, &id));
}

/* C59: a ring that goes takes what waits in it along, and lets go of the socket. */
TEST_F(uring, c59_ring_goes_while_a_request_waits)
{
	ASSERT_TRUE(only_sockets(2));
	ASSERT_LT(0, pair_jam(&self->pair));
	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND, self->tx, self->data, 1)));
	EXPECT_TRUE(stays(!completed(&self->ring), 20));
	ASSERT_EQ(0, close(self->tx));
	ASSERT_EQ(0, ring_close(&self->ring));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(only_sockets(1));
}

/* The payload is always copied, so who asks for less is refused. */
TEST_F(uring, send_zc_is_refused)
{
	__u64 id;

	ASSERT_EQ(1, submit(&self->ring, request(IORING_OP_SEND_ZC, self->tx, self->data, 1)));
	EXPECT_EQ(-EOPNOTSUPP, result(&self->ring, &id));
	EXPECT_EQ(0, outq(self->tx));
}

TEST_HARNESS_MAIN
