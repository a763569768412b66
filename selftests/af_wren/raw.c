// SPDX-License-Identifier: GPL-2.0
/* Raw sockets: frames with their header, for tools. */
#include <grp.h>
#include <linux/sock_diag.h>
#include <sys/wait.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

struct frame {
	struct wrenhdr wren;
	char payload[ETH_DATA_LEN];
};

FIXTURE(raw) {
	PAIR_FIXTURE;
	struct frame frame;
	struct frame got;
	int raw;
};

OVER_EACH_LINK(raw);

FIXTURE_SETUP(raw)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	self->raw = wren_raw(&self->link.b);
	ASSERT_LE(0, self->raw);
	ASSERT_EQ(0, set_timeout(self->raw, SO_RCVTIMEO, LONG_MS));
	self->frame.wren.version = WREN_VERSION;
	self->frame.wren.type = WREN_TYPE_DGRAM;
	self->frame.wren.sport = htons(2000);
	self->frame.wren.dport = htons(PORT);
	self->frame.wren.len = htons(4);
	memcpy(self->frame.payload, "raw!", 4);
}

FIXTURE_TEARDOWN(raw)
{
	link_teardown(&self->link);
}

/* The frame comes with its header, and the datagram to its socket as well. */
TEST_F(raw, sees_frames_with_their_header)
{
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);
	char got[10];

	ASSERT_EQ(5, wren_sendto(self->tx, "hello", 5, 0, &self->to));
	ASSERT_EQ(HEADER_BYTES + 5,
		  recvfrom(self->raw, &self->got, sizeof(self->got), 0,
			   (void *)&from, &len));
	EXPECT_EQ(WREN_VERSION, self->got.wren.version);
	EXPECT_EQ(WREN_TYPE_DGRAM, self->got.wren.type);
	EXPECT_EQ(wren_port(self->tx), ntohs(self->got.wren.sport));
	EXPECT_EQ(PORT, ntohs(self->got.wren.dport));
	EXPECT_EQ(5, ntohs(self->got.wren.len));
	EXPECT_EQ(0, memcmp(self->got.payload, "hello", 5));
	EXPECT_EQ(0, memcmp(self->link.a.mac, from.swren_mac, ETH_ALEN));
	EXPECT_EQ(self->link.b.index, from.swren_ifindex);
	EXPECT_EQ(0, from.swren_port);
	EXPECT_EQ(5, wren_recv(self->rx, got, sizeof(got), 0));
}

TEST_F(raw, sends_what_it_is_given)
{
	struct sockaddr_wren to = wren_addr(self->link.b.index, 0, self->link.a.mac);
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);
	char got[10];

	self->frame.wren.dport = htons(wren_port(self->tx));
	ASSERT_EQ(HEADER_BYTES + 4,
		  wren_sendto(self->raw, &self->frame, HEADER_BYTES + 4, 0, &to));
	ASSERT_EQ(0, set_timeout(self->tx, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(4, recvfrom(self->tx, got, sizeof(got), 0, (void *)&from, &len));
	EXPECT_EQ(0, memcmp(got, "raw!", 4));
	EXPECT_EQ(2000, ntohs(from.swren_port));
}

/* Frames that no socket gets, and padding, are seen, too. */
TEST_F(raw, sees_bad_frames)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, 0, self->link.b.mac);
	int raw = wren_raw(&self->link.a);

	ASSERT_LE(0, raw);
	self->frame.wren.version = 99;
	ASSERT_EQ(100, wren_sendto(raw, &self->frame, 100, 0, &to));
	EXPECT_EQ(100, wren_recv(self->raw, &self->got, sizeof(self->got), 0));
	EXPECT_EQ(99, self->got.wren.version);
	EXPECT_EQ(-EAGAIN, wren_recv(self->rx, &self->got, 1, MSG_DONTWAIT));
	EXPECT_EQ(HEADER_BYTES + 4, 16);
}

TEST_F(raw, bound_to_another_interface_sees_nothing)
{
	int old = ns_enter(self->link.b.ns);
	int ret = link_add_pair("wren-c", "wren-d", -1, 1);
	int index = if_nametoindex("wren-c");
	int bound = wren_raw(&self->link.b);

	ns_leave(old);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, wren_bind(bound, index, 0));
	ASSERT_EQ(0, wren_bind(self->raw, self->link.b.index, 0));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_LT(0, wren_recv(self->raw, &self->got, sizeof(self->got), 0));
	EXPECT_EQ(-EAGAIN, wren_recv(bound, &self->got, 1, MSG_DONTWAIT));
	old = ns_enter(self->link.b.ns);
	ret = link_del("wren-c");
	ns_leave(old);
	EXPECT_EQ(0, ret);
}

TEST_F(raw, several_see_the_same)
{
	int second = wren_raw(&self->link.b);

	ASSERT_LE(0, second);
	ASSERT_EQ(0, set_timeout(second, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(HEADER_BYTES + 1, wren_recv(second, &self->got, 100, 0));
	EXPECT_EQ(HEADER_BYTES + 1, wren_recv(self->raw, &self->got, 100, 0));
}

/* Who does not read loses frames, which are counted, and keeps nobody else from them. */
TEST_F(raw, full_buffer_drops)
{
	char got[2000];
	int i;

	ASSERT_EQ(0, set_sockopt(self->raw, SO_RCVBUF, 1));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1000, wren_sendto(self->tx, &self->frame, 1000, 0, &self->to));
		ASSERT_EQ(1000, wren_recv(self->rx, got, sizeof(got), 0));
	}
	EXPECT_LT(0, meminfo(self->raw, SK_MEMINFO_DROPS));
	EXPECT_EQ(0, meminfo(self->rx, SK_MEMINFO_DROPS));
}

TEST_F(raw, bad_calls_are_refused)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct sockaddr_wren to = wren_addr(self->link.b.index, 0, self->link.a.mac);

	EXPECT_EQ(-EINVAL, wren_sendto(self->raw, &self->frame, HEADER_BYTES - 1, 0, &to));
	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->raw, &self->frame, 100, 0, NULL));
	EXPECT_EQ(-EMSGSIZE, wren_sendto(self->raw, &self->frame, ETH_DATA_LEN + 1, 0, &to));
	EXPECT_EQ(ETH_DATA_LEN, wren_sendto(self->raw, &self->frame, ETH_DATA_LEN, 0, &to));
	to.swren_port = htons(PORT);
	EXPECT_EQ(-EINVAL, wren_sendto(self->raw, &self->frame, 100, 0, &to));
	EXPECT_EQ(-EOPNOTSUPP, wren_connect(self->raw, &to));
	EXPECT_EQ(-1, connect(self->raw, &unspec, sizeof(unspec)));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-EINVAL, wren_bind(self->raw, self->link.b.index, PORT));
	EXPECT_EQ(-ENODEV, wren_bind(self->raw, 0x7fffffff, 0));
	EXPECT_EQ(-1, socket(wren_family(), SOCK_RAW, 1));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
}

TEST_F(raw, charged_until_sent)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, 0, self->link.b.mac);
	int raw = wren_raw(&self->link.a);

	ASSERT_LE(0, raw);
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(100, wren_sendto(raw, &self->frame, 100, 0, &to));
	EXPECT_LT(100, outq(raw));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(!outq(raw)));
}

/* As nobody: which socket is refused, and how? */
static int raw_as_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return 1;
	if (socket(wren_family(), SOCK_RAW, 0) >= 0)
		return 2;
	return errno;
}

TEST_F(raw, needs_a_capability)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(raw_as_nobody());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
