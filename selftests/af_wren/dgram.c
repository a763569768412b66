// SPDX-License-Identifier: GPL-2.0
/* Datagrams: what is sent arrives, once, whole, in order and from its sender. */
#include <linux/sock_diag.h>
#include <sys/uio.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

struct buffer {
	unsigned char bytes[2 * ETH_DATA_LEN];
};

FIXTURE(dgram) {
	PAIR_FIXTURE;
	struct buffer data;
	struct buffer got;
};

OVER_EACH_LINK(dgram);

static int send_to(int fd, const struct sockaddr_wren *to,
		   const struct buffer *data, int len)
{
	return wren_sendto(fd, data->bytes, len, 0, to);
}

static int recv_into(int fd, struct buffer *got, int flags)
{
	memset(got, 0, sizeof(*got));
	return wren_recv(fd, got->bytes, sizeof(got->bytes), flags);
}

FIXTURE_SETUP(dgram)
{
	size_t i;

	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	for (i = 0; i < sizeof(self->data.bytes); i++)
		self->data.bytes[i] = i * 7 + (i >> 8);
}

FIXTURE_TEARDOWN(dgram)
{
	link_teardown(&self->link);
}

/* Every size that could be cut or padded wrongly on its way. */
TEST_F(dgram, payload_is_what_was_sent)
{
	int most = link_mtu(self->link.a.name) - HEADER_BYTES;
	int lens[] = { 0, 1, 2, 33, 34, 35, 46, 47, 60, 255, 256, 1000,
		       most - 1, most };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ASSERT_EQ(lens[i], send_to(self->tx, &self->to, &self->data, lens[i]));
		ASSERT_EQ(lens[i], recv_into(self->rx, &self->got, 0));
		EXPECT_EQ(0, memcmp(self->got.bytes, self->data.bytes, lens[i]));
	}
}

TEST_F(dgram, recvfrom_tells_sender)
{
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);

	ASSERT_EQ(5, send_to(self->tx, &self->to, &self->data, 5));
	ASSERT_EQ(5, recvfrom(self->rx, self->got.bytes, 100, 0, (void *)&from, &len));
	EXPECT_EQ(sizeof(from), len);
	EXPECT_EQ(wren_family(), from.swren_family);
	EXPECT_EQ(wren_port(self->tx), ntohs(from.swren_port));
	EXPECT_EQ(self->link.b.index, from.swren_ifindex);
	EXPECT_EQ(0, memcmp(self->link.a.mac, from.swren_mac, ETH_ALEN));
	EXPECT_EQ(0, from.swren_zero[0] | from.swren_zero[1]);
}

/* The address that recvfrom() gave is one to answer to. */
TEST_F(dgram, answer_to_sender)
{
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);

	ASSERT_EQ(5, send_to(self->tx, &self->to, &self->data, 5));
	ASSERT_EQ(5, recvfrom(self->rx, self->got.bytes, 100, 0, (void *)&from, &len));
	ASSERT_EQ(6, wren_sendto(self->rx, "answer", 6, 0, &from));
	ASSERT_EQ(0, set_timeout(self->tx, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(6, wren_recv(self->tx, self->got.bytes, 100, 0));
	EXPECT_EQ(0, memcmp(self->got.bytes, "answer", 6));
}

TEST_F(dgram, sendmsg_gathers_recvmsg_scatters)
{
	struct iovec out[] = {
		{ self->data.bytes, 10 },
		{ self->data.bytes + 10, 0 },
		{ self->data.bytes + 10, 90 },
	};
	struct iovec in[] = { { self->got.bytes, 33 }, { self->got.bytes + 33, 200 } };
	struct msghdr msg = {
		.msg_name = &self->to, .msg_namelen = sizeof(self->to),
		.msg_iov = out, .msg_iovlen = ARRAY_SIZE(out),
	};

	ASSERT_EQ(100, sendmsg(self->tx, &msg, 0));
	msg = (struct msghdr){ .msg_iov = in, .msg_iovlen = ARRAY_SIZE(in) };
	ASSERT_EQ(100, recvmsg(self->rx, &msg, 0));
	EXPECT_EQ(0, msg.msg_flags & MSG_TRUNC);
	EXPECT_EQ(0, memcmp(self->got.bytes, self->data.bytes, 100));
}

TEST_F(dgram, short_buffer_truncates)
{
	struct iovec iov = { self->got.bytes, 10 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	ASSERT_EQ(100, send_to(self->tx, &self->to, &self->data, 100));
	ASSERT_EQ(50, send_to(self->tx, &self->to, &self->data, 50));
	ASSERT_EQ(10, recvmsg(self->rx, &msg, 0));
	EXPECT_EQ(MSG_TRUNC, msg.msg_flags & MSG_TRUNC);
	/* The rest of a datagram is lost, the next one is not. */
	EXPECT_EQ(50, recv_into(self->rx, &self->got, 0));
}

TEST_F(dgram, msg_trunc_returns_real_length)
{
	ASSERT_EQ(100, send_to(self->tx, &self->to, &self->data, 100));
	EXPECT_EQ(100, wren_recv(self->rx, self->got.bytes, 10, MSG_TRUNC));
}

TEST_F(dgram, msg_peek_leaves_datagram)
{
	ASSERT_EQ(100, send_to(self->tx, &self->to, &self->data, 100));
	EXPECT_EQ(100, recv_into(self->rx, &self->got, MSG_PEEK));
	EXPECT_EQ(100, recv_into(self->rx, &self->got, MSG_PEEK));
	EXPECT_EQ(100, recv_into(self->rx, &self->got, 0));
	EXPECT_EQ(0, memcmp(self->got.bytes, self->data.bytes, 100));
	EXPECT_EQ(-EAGAIN, recv_into(self->rx, &self->got, MSG_DONTWAIT));
}

TEST_F(dgram, empty_queue)
{
	long long start;

	EXPECT_EQ(-EAGAIN, recv_into(self->rx, &self->got, MSG_DONTWAIT));
	EXPECT_EQ(0, polled(self->rx, POLLIN));
	EXPECT_EQ(0, inq(self->rx));
	ASSERT_EQ(0, set_timeout(self->rx, SO_RCVTIMEO, 200));
	start = now_ms();
	EXPECT_EQ(-EAGAIN, recv_into(self->rx, &self->got, 0));
	EXPECT_LE(190, now_ms() - start);
}

/* SIOCINQ: bytes of the first datagram. */
TEST_F(dgram, siocinq_and_pollin)
{
	ASSERT_EQ(100, send_to(self->tx, &self->to, &self->data, 100));
	ASSERT_EQ(70, send_to(self->tx, &self->to, &self->data, 70));
	ASSERT_TRUE(eventually(polled(self->rx, POLLIN) & POLLIN));
	EXPECT_EQ(100, inq(self->rx));
	ASSERT_EQ(100, recv_into(self->rx, &self->got, 0));
	ASSERT_TRUE(eventually(inq(self->rx) == 70));
	ASSERT_EQ(70, recv_into(self->rx, &self->got, 0));
	EXPECT_EQ(0, inq(self->rx));
	EXPECT_EQ(0, polled(self->rx, POLLIN));
}

TEST_F(dgram, port_selects_socket)
{
	int other = wren_bound(&self->link.b, PORT + 1);
	struct sockaddr_wren to = self->to;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, set_timeout(other, SO_RCVTIMEO, LONG_MS));
	to.swren_port = htons(PORT + 1);
	ASSERT_EQ(1, wren_sendto(self->tx, "b", 1, 0, &to));
	ASSERT_EQ(1, wren_sendto(self->tx, "a", 1, 0, &self->to));
	ASSERT_EQ(1, recv_into(self->rx, &self->got, 0));
	EXPECT_EQ('a', self->got.bytes[0]);
	ASSERT_EQ(1, wren_recv(other, self->got.bytes, 10, 0));
	EXPECT_EQ('b', self->got.bytes[0]);
	EXPECT_EQ(-EAGAIN, recv_into(self->rx, &self->got, MSG_DONTWAIT));
	EXPECT_EQ(-EAGAIN, wren_recv(other, self->got.bytes, 10, MSG_DONTWAIT));
}

TEST_F(dgram, any_device_receives)
{
	struct end any = self->link.b;
	struct sockaddr_wren to = self->to;
	int rx;

	any.index = 0;
	rx = wren_bound(&any, PORT + 2);
	ASSERT_LE(0, rx);
	ASSERT_EQ(0, set_timeout(rx, SO_RCVTIMEO, LONG_MS));
	to.swren_port = htons(PORT + 2);
	ASSERT_EQ(3, wren_sendto(self->tx, "any", 3, 0, &to));
	EXPECT_EQ(3, wren_recv(rx, self->got.bytes, 10, 0));
}

/* A sender and a receiver, thousands of datagrams, none lost or doubled. */
TEST_F(dgram, c34_nothing_lost_nothing_doubled)
{
	int count = debug_kernel() ? 1000 : 5000, i, number;
	struct writer writer = {
		.fd = self->tx, .to = self->to, .len = 1000, .count = count,
	};

	/* All of them fit into the buffer, however late the receiver runs. */
	ASSERT_EQ(0, set_sockopt(self->rx, SO_RCVBUFFORCE, 16 << 20));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, writer_start(&writer));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(1000, recv_into(self->rx, &self->got, 0));
		memcpy(&number, self->got.bytes, sizeof(number));
		ASSERT_EQ(i, number);
		ASSERT_EQ((unsigned char)(i + 999), self->got.bytes[999]);
	}
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_EQ(-EAGAIN, recv_into(self->rx, &self->got, MSG_DONTWAIT));
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
	EXPECT_EQ(0, meminfo(self->rx, SK_MEMINFO_RMEM_ALLOC));
	EXPECT_EQ(0, meminfo(self->rx, SK_MEMINFO_DROPS));
}

/* What does not fit into SO_RCVBUF is dropped and counted, the rest is kept. */
TEST_F(dgram, rcvbuf_overflow_drops)
{
	int i, sent = 200, got = 0;

	ASSERT_EQ(0, set_sockopt(self->rx, SO_RCVBUF, 0));
	for (i = 0; i < sent; i++)
		ASSERT_EQ(1000, send_to(self->tx, &self->to, &self->data, 1000));
	EXPECT_TRUE(eventually(outq(self->tx) == 0));
	ASSERT_TRUE(eventually(meminfo(self->rx, SK_MEMINFO_DROPS) > 0));
	EXPECT_LT(0, meminfo(self->rx, SK_MEMINFO_RMEM_ALLOC));

	while (recv_into(self->rx, &self->got, MSG_DONTWAIT) == 1000)
		got++;
	EXPECT_LT(0, got);
	EXPECT_TRUE(eventually(got + (int)meminfo(self->rx, SK_MEMINFO_DROPS) ==
			       sent)) {
		TH_LOG("%d received, %u dropped, %d sent", got,
		       meminfo(self->rx, SK_MEMINFO_DROPS), sent);
	}
	EXPECT_EQ(0, meminfo(self->rx, SK_MEMINFO_RMEM_ALLOC));
	/* There is room again. */
	ASSERT_EQ(1000, send_to(self->tx, &self->to, &self->data, 1000));
	EXPECT_EQ(1000, recv_into(self->rx, &self->got, 0));
}

/* C60: datagrams that nobody reads go with their socket. */
TEST_F(dgram, c60_close_with_unread_datagrams)
{
	struct sockaddr_wren to = self->to;
	int rx, i, old;

	ASSERT_TRUE(only_sockets(2));
	rx = wren_bound(&self->link.b, PORT + 3);
	ASSERT_LE(0, rx);
	EXPECT_EQ(3 * SOCKET_REFS, module_refs("af_wren"));
	to.swren_port = htons(PORT + 3);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(9, wren_sendto(self->tx, "unwanted!", 9, 0, &to));
	ASSERT_TRUE(eventually(outq(self->tx) == 0 && inq(rx) == 9));
	EXPECT_LT(0, meminfo(rx, SK_MEMINFO_RMEM_ALLOC));

	ASSERT_EQ(0, close(rx));
	EXPECT_TRUE(only_sockets(2));
	old = ns_enter(self->link.b.ns);
	EXPECT_TRUE(eventually(proto_sockets() == 1));
	ns_leave(old);
}

/* A reader in recv() wakes for a datagram, and for a signal. */
TEST_F(dgram, blocked_reader_wakes)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(recv_into(self->rx, &self->got, 0) != 77);
	usleep(50000);
	ASSERT_EQ(77, send_to(self->tx, &self->to, &self->data, 77));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
