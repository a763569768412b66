// SPDX-License-Identifier: GPL-2.0
/* The other calls that send and receive: many at once, in pieces, from files. */
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

#define BATCH	5

FIXTURE(calls) {
	PAIR_FIXTURE;
};

OVER_EACH_LINK(calls);

FIXTURE_SETUP(calls)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
}

FIXTURE_TEARDOWN(calls)
{
	link_teardown(&self->link);
}

/* So many messages, each with an address, and a number as its first byte */
struct batch {
	struct mmsghdr msgs[BATCH];
	struct iovec iovs[BATCH];
	struct sockaddr_wren addrs[BATCH];
	unsigned char data[BATCH][LEN];
};

static void batch_init(struct batch *batch, const struct sockaddr_wren *to)
{
	int i;

	memset(batch, 0, sizeof(*batch));
	for (i = 0; i < BATCH; i++) {
		batch->data[i][0] = i;
		batch->iovs[i] = (struct iovec){ batch->data[i], LEN };
		if (to)
			batch->addrs[i] = *to;
		batch->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &batch->addrs[i],
			.msg_namelen = sizeof(batch->addrs[i]),
			.msg_iov = &batch->iovs[i],
			.msg_iovlen = 1,
		};
	}
}

static int batch_send(int fd, struct batch *batch, int from, int flags)
{
	int ret = sendmmsg(fd, &batch->msgs[from], BATCH - from, flags);

	return ret < 0 ? -errno : ret;
}

static int batch_recv(int fd, struct batch *batch, int count, int flags)
{
	int ret = recvmmsg(fd, batch->msgs, count, flags, NULL);

	return ret < 0 ? -errno : ret;
}

/* Receives one: its number, or -errno */
static int recv_number(int fd)
{
	unsigned char number;
	int ret = wren_recv(fd, &number, 1, 0);

	return ret < 0 ? ret : number;
}

/* What went before the one that is refused is sent, and the call says how many. */
TEST_F(calls, sendmmsg_ends_at_the_first_refusal)
{
	struct batch batch;

	batch_init(&batch, &self->to);
	batch.addrs[2].swren_zero[0] = 1;
	EXPECT_EQ(2, batch_send(self->tx, &batch, 0, 0));
	EXPECT_EQ(LEN, batch.msgs[1].msg_len);
	EXPECT_EQ(-EINVAL, batch_send(self->tx, &batch, 2, 0));
	EXPECT_EQ(2, batch_send(self->tx, &batch, 3, 0));
	EXPECT_EQ(0, recv_number(self->rx));
	EXPECT_EQ(1, recv_number(self->rx));
	EXPECT_EQ(3, recv_number(self->rx));
	EXPECT_EQ(4, recv_number(self->rx));
	EXPECT_EQ(0, sockopt(self->tx, SO_ERROR));
}

/* C45: as many as fit, then EAGAIN; with room the rest goes, and each once. */
TEST_F(calls, c45_sendmmsg_into_a_full_buffer)
{
	struct batch batch;
	int i;

	batch_init(&batch, &self->to);
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(2, batch_send(self->tx, &batch, 0, MSG_DONTWAIT));
	EXPECT_EQ(-EAGAIN, batch_send(self->tx, &batch, 2, MSG_DONTWAIT));
	/* The same when the time is over that it may take. */
	ASSERT_EQ(0, set_timeout(self->tx, SO_SNDTIMEO, 20));
	EXPECT_EQ(-EAGAIN, batch_send(self->tx, &batch, 2, 0));
	ASSERT_EQ(0, set_timeout(self->tx, SO_SNDTIMEO, 0));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_EQ(BATCH - 2, batch_send(self->tx, &batch, 2, 0));
	for (i = 0; i < BATCH; i++)
		EXPECT_EQ(i, recv_number(self->rx));
}

TEST_F(calls, recvmmsg_takes_what_is_there)
{
	struct batch out, in;
	int rest;

	batch_init(&out, &self->to);
	batch_init(&in, NULL);
	EXPECT_EQ(-EAGAIN, batch_recv(self->rx, &in, BATCH, MSG_DONTWAIT));
	ASSERT_EQ(BATCH, batch_send(self->tx, &out, 0, 0));
	/* The first one is waited for, and then what has come. */
	rest = BATCH - batch_recv(self->rx, &in, 3, MSG_WAITFORONE);
	ASSERT_LE(BATCH - 3, rest);
	ASSERT_GT(BATCH, rest);
	EXPECT_EQ(0, in.data[0][0]);
	ASSERT_EQ(rest, batch_recv(self->rx, &in, rest, 0));
	EXPECT_EQ(BATCH - 1, in.data[rest - 1][0]);
	EXPECT_EQ(LEN, in.msgs[rest - 1].msg_len);
	EXPECT_EQ(wren_port(self->tx), ntohs(in.addrs[rest - 1].swren_port));
	EXPECT_EQ(sizeof(struct sockaddr_wren), in.msgs[rest - 1].msg_hdr.msg_namelen);
	EXPECT_EQ(-EAGAIN, batch_recv(self->rx, &in, BATCH, MSG_DONTWAIT));
}

/* One call is one datagram, whatever it is made of. */
TEST_F(calls, writev_gathers_readv_scatters)
{
	char one[] = "one", more[200], a[2], b[200];
	struct iovec out[] = { { one, 3 }, { NULL, 0 }, { more, sizeof(more) } };
	struct iovec in[] = { { a, 2 }, { b, sizeof(b) } };
	size_t i;

	for (i = 0; i < sizeof(more); i++)
		more[i] = i;
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(203, writev(self->tx, out, ARRAY_SIZE(out)));
	ASSERT_EQ(202, readv(self->rx, in, ARRAY_SIZE(in)));
	EXPECT_EQ(0, memcmp(a, "on", 2));
	EXPECT_EQ('e', b[0]);
	EXPECT_EQ(0, memcmp(b + 1, more, 199));
	/* One of nothing at all is a datagram, too. */
	EXPECT_EQ(0, wren_sendto(self->tx, NULL, 0, 0, NULL));
	EXPECT_EQ(0, wren_recv(self->rx, b, sizeof(b), 0));
}

/* It is no stream, so it has no SIGPIPE to be spared from; the flag does no harm. */
TEST_F(calls, msg_nosignal)
{
	ASSERT_EQ(LEN, pair_send(&self->pair, MSG_NOSIGNAL));
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(-EPIPE, pair_send(&self->pair, MSG_NOSIGNAL));
	EXPECT_EQ(-EPIPE, pair_send(&self->pair, 0));
}

/* Flags that mean something to others only: MSG_MORE does not put two into one. */
TEST_F(calls, flags_of_others)
{
	ASSERT_EQ(LEN, pair_send(&self->pair, MSG_MORE));
	ASSERT_EQ(LEN, pair_send(&self->pair, MSG_CONFIRM | MSG_DONTROUTE | MSG_EOR));
	EXPECT_EQ(0, recv_number(self->rx));
	EXPECT_EQ(0, recv_number(self->rx));
}

/* The drop count that comes with a datagram, or -1 if there is none */
static int dropped_before(int fd)
{
	char data[LEN], control[100];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	__u32 count;

	if (recvmsg(fd, &msg, 0) < 0)
		return -errno;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&count, CMSG_DATA(cmsg), sizeof(count));
			return count;
		}
	}
	return -1;
}

/* SO_RXQ_OVFL: how many were lost before this one */
TEST_F(calls, rxq_ovfl_counts_what_was_lost)
{
	char got[LEN];
	int lost, i;

	ASSERT_EQ(0, set_sockopt(self->rx, SO_RXQ_OVFL, 1));
	ASSERT_EQ(0, set_sockopt(self->rx, SO_RCVBUF, 0));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(-1, dropped_before(self->rx));
	while (wren_recv(self->rx, got, sizeof(got), MSG_DONTWAIT) == LEN)
		;
	lost = meminfo(self->rx, SK_MEMINFO_DROPS);
	EXPECT_LT(0, lost);
	ASSERT_EQ(LEN, pair_send(&self->pair, 0));
	EXPECT_EQ(lost, dropped_before(self->rx));
}

/* A file with these bytes, at its beginning */
static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("wren", MFD_CLOEXEC);

	if (write(fd, data, len) != (ssize_t)len)
		return -errno;
	return lseek(fd, 0, SEEK_SET) ? -errno : fd;
}

/* The bytes of one call are one datagram, which has to fit. */
TEST_F(calls, sendfile_sends_a_datagram)
{
	static char data[20000];
	char got[LEN];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 3 + (i >> 8);
	fd = file_of(data, sizeof(data));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, sendfile(self->tx, fd, NULL, 1000));
	EXPECT_EQ(EDESTADDRREQ, errno);
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_EQ(1000, sendfile(self->tx, fd, NULL, 1000));
	ASSERT_EQ(1000, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(data, got, 1000));
	/* From where it was left */
	ASSERT_EQ(500, sendfile(self->tx, fd, NULL, 500));
	ASSERT_EQ(500, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(data + 1000, got, 500));
	EXPECT_EQ(-1, sendfile(self->tx, fd, NULL, 10000));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

/* C34: the pages of a pipe are copied, so that they are free when the call is over. */
TEST_F(calls, splice_to_and_from_a_pipe)
{
	char got[LEN];
	int out[2], in[2];

	ASSERT_EQ(0, pipe(out));
	ASSERT_EQ(0, pipe(in));
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(5, write(out[1], "first", 5));
	ASSERT_EQ(5, splice(out[0], NULL, self->tx, NULL, 5, 0));
	ASSERT_EQ(6, write(out[1], "second", 6));
	ASSERT_EQ(6, splice(out[0], NULL, self->tx, NULL, 100, 0));
	ASSERT_EQ(5, splice(self->rx, NULL, in[1], NULL, sizeof(got), 0));
	ASSERT_EQ(5, read(in[0], got, sizeof(got)));
	EXPECT_EQ(0, memcmp(got, "first", 5));
	ASSERT_EQ(6, splice(self->rx, NULL, in[1], NULL, sizeof(got), 0));
	ASSERT_EQ(6, read(in[0], got, sizeof(got)));
	EXPECT_EQ(0, memcmp(got, "second", 6));
}

/* C45: what splice() cannot send stays in the pipe. */
TEST_F(calls, c45_splice_into_a_full_buffer)
{
	char data[LEN] = "splice", got[LEN];
	int fds[2], i;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(2, pair_jam(&self->pair));
	ASSERT_EQ(LEN, write(fds[1], data, LEN));
	ASSERT_EQ(0, fcntl(self->tx, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, splice(fds[0], NULL, self->tx, NULL, LEN, 0));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(splice(fds[0], NULL, self->tx, NULL, LEN, 0) == LEN));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(LEN, wren_recv(self->rx, got, sizeof(got), 0));
	EXPECT_STREQ("splice", got);
}

TEST_HARNESS_MAIN
