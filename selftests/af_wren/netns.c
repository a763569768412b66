// SPDX-License-Identifier: GPL-2.0
/* Sockets that are the last to know their namespace, and what they may in it. */
#include <grp.h>
#include <sched.h>
#include <sys/socket.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

/* A pair wren-c, wren-d of which the second is in a namespace that only sockets know */
FIXTURE(netns) {
	struct link link;
	struct end c;
	struct end d;
	int far;
};

FIXTURE_SETUP(netns)
{
	int old;

	ASSERT_EQ(0, link_setup(&self->link, LINK_WREN));
	self->d.ns = ns_new();
	ASSERT_LE(0, self->d.ns);
	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", self->d.ns, 1));
	ASSERT_EQ(0, link_up("wren-c", true));
	ASSERT_EQ(0, link_mac("wren-c", self->c.mac));
	self->c.ns = self->link.a.ns;
	self->c.index = if_nametoindex("wren-c");
	old = ns_enter(self->d.ns);
	ASSERT_EQ(0, link_up("wren-d", true));
	ASSERT_EQ(0, link_mac("wren-d", self->d.mac));
	self->d.index = if_nametoindex("wren-d");
	ns_leave(old);
	ASSERT_TRUE(eventually(link_running("wren-c")));
	self->far = wren_bound(&self->d, PORT);
	ASSERT_LE(0, self->far);
}

FIXTURE_TEARDOWN(netns)
{
	link_del("wren-c");
	link_teardown(&self->link);
}

/* Gives a file to another process through a socket of AF_UNIX. */
static int pass(int through, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(through, &msg, 0) == 1 ? 0 : -errno;
}

static int passed(int through)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(through, &msg, 0) != 1)
		return -errno;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* A process opens a socket in its namespace, hands it over and ends. */
TEST_F(netns, socket_passed_out_of_its_namespace)
{
	struct sockaddr_wren there, back;
	int pair[2], status, fd, tx;
	char got[10];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		fd = wren_bound(&self->d, PORT + 1);
		_exit(fd < 0 || pass(pair[0], fd));
	}
	fd = passed(pair[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	/* Nobody but the sockets knows the namespace now. */
	close(self->d.ns);
	tx = wren_bound(&self->c, 0);
	ASSERT_LE(0, tx);
	there = wren_addr(0, PORT + 1, self->d.mac);
	ASSERT_EQ(0, set_timeout(fd, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(0, set_timeout(tx, SO_RCVTIMEO, LONG_MS));
	ASSERT_EQ(5, wren_sendto(tx, "there", 5, 0, &there));
	ASSERT_EQ(5, wren_recv(fd, got, sizeof(got), 0));
	back = wren_addr(0, wren_port(tx), self->c.mac);
	ASSERT_EQ(4, wren_sendto(fd, "back", 4, 0, &back));
	ASSERT_EQ(4, wren_recv(tx, got, sizeof(got), 0));

	ASSERT_EQ(0, close(self->far));
	EXPECT_TRUE(link_exists("wren-c"));
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(eventually(!link_exists("wren-c")));
}

/* C59: closed, but with bytes in the ring of its device, it keeps its namespace ... */
TEST_F(netns, c59_namespace_lives_until_the_last_byte)
{
	struct sockaddr_wren to = wren_addr(0, PORT, self->c.mac);
	char data[LEN] = "";
	int old = ns_enter(self->d.ns), i;

	ASSERT_EQ(0, link_speed("wren-d", 0));
	ns_leave(old);
	ASSERT_TRUE(only_sockets(1));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(LEN, wren_sendto(self->far, data, LEN, 0, &to));
	ASSERT_EQ(0, close(self->d.ns));
	ASSERT_EQ(0, close(self->far));
	EXPECT_TRUE(stays(link_exists("wren-c"), 200));
	EXPECT_EQ(1, module_refs("af_wren"));
	/* ... until somebody takes them out. */
	ASSERT_EQ(0, link_del("wren-c"));
	EXPECT_TRUE(only_sockets(0));
}

/* A joined group keeps nothing: it ends with the socket, and that with its namespace. */
TEST_F(netns, namespace_ends_with_a_member)
{
	struct wren_mreq mreq = {
		.wrenm_ifindex = self->d.index,
		.wrenm_mac = { 0x03, 0, 0, 0x77, 0x72, 1 },
	};

	ASSERT_EQ(0, set_wrenopt(self->far, WREN_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
	ASSERT_EQ(0, close(self->d.ns));
	EXPECT_TRUE(stays(link_exists("wren-c"), 100));
	ASSERT_EQ(0, close(self->far));
	EXPECT_TRUE(eventually(!link_exists("wren-c")));
	EXPECT_TRUE(only_sockets(0));
}

static int try_raw(void)
{
	int fd = socket(wren_family(), SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* As nobody, with a user namespace of its own: 0, or the step that went wrong */
static int raw_in_own_namespace(int ns)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return 1;
	if (unshare(CLONE_NEWUSER))
		return errno == EPERM || errno == ENOSPC ? KSFT_SKIP : 2;
	/* It has all capabilities, but not over the namespace that it came with. */
	if (try_raw() != -EPERM)
		return 3;
	if (unshare(CLONE_NEWNET))
		return 5;
	if (try_raw())
		return 6;
	return setns(ns, CLONE_NEWNET) && errno == EPERM ? 0 : 7;
}

TEST_F(netns, raw_sockets_of_a_user_namespace)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(raw_in_own_namespace(self->link.b.ns));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no user namespaces for everybody");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
