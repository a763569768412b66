// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets and addresses: what the family accepts, and the errno of what it
 * does not. Nothing here depends on what the wire is made of.
 */
#include <grp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "../lib/harness.h"

#define PORT		1000
#define EPHEMERAL_MIN	49152

FIXTURE(addr) {
	struct link link;
	int fd;
};

FIXTURE_SETUP(addr)
{
	ASSERT_EQ(0, link_setup(&self->link, LINK_WREN));
	self->fd = wren_socket(0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(addr)
{
	link_teardown(&self->link);
}

static int try_socket(int type, int protocol)
{
	int fd = socket(wren_family(), type, protocol);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Binds with the address as it is, of so many bytes. */
static int try_bind(int fd, const struct sockaddr_wren *addr, socklen_t len)
{
	return bind(fd, (const void *)addr, len) ? -errno : 0;
}

TEST_F(addr, socket_types)
{
	EXPECT_EQ(0, try_socket(SOCK_DGRAM, 0));
	EXPECT_EQ(0, try_socket(SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	EXPECT_EQ(-ESOCKTNOSUPPORT, try_socket(SOCK_STREAM, 0));
	EXPECT_EQ(-ESOCKTNOSUPPORT, try_socket(SOCK_SEQPACKET, 0));
	EXPECT_EQ(0, try_socket(SOCK_RAW, 0));
	EXPECT_EQ(-ESOCKTNOSUPPORT, try_socket(SOCK_RDM, 0));
}

TEST_F(addr, socket_protocol)
{
	EXPECT_EQ(-EPROTONOSUPPORT, try_socket(SOCK_DGRAM, 1));
	EXPECT_EQ(-EPROTONOSUPPORT, try_socket(SOCK_DGRAM, 0x88b5));
}

TEST_F(addr, socket_options)
{
	EXPECT_EQ(wren_family(), sockopt(self->fd, SO_DOMAIN));
	EXPECT_EQ(SOCK_DGRAM, sockopt(self->fd, SO_TYPE));
	EXPECT_EQ(0, sockopt(self->fd, SO_PROTOCOL));
	EXPECT_EQ(0, sockopt(self->fd, SO_ERROR));
	EXPECT_EQ(0, sockopt(self->fd, SO_ACCEPTCONN));
}

TEST_F(addr, calls_of_connections_are_refused)
{
	int pair[2];

	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(-1, socketpair(wren_family(), SOCK_DGRAM, 0, pair));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, listen(self->fd, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, accept(self->fd, NULL, NULL));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_F(addr, unknown_ioctl_and_option)
{
	int value = 0;

	EXPECT_EQ(-1, ioctl(self->fd, SIOCPROTOPRIVATE, &value));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, setsockopt(self->fd, 4711, 1, &value, sizeof(value)));
	EXPECT_TRUE(errno == ENOPROTOOPT || errno == EOPNOTSUPP);
	EXPECT_EQ(-1, ioctl(self->fd, SIOCOUTQ, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(addr, bind_to_device)
{
	struct sockaddr_wren addr;
	socklen_t len = sizeof(addr);

	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	ASSERT_EQ(0, getsockname(self->fd, (void *)&addr, &len));
	EXPECT_EQ(sizeof(addr), len);
	EXPECT_EQ(wren_family(), addr.swren_family);
	EXPECT_EQ(PORT, ntohs(addr.swren_port));
	EXPECT_EQ(self->link.a.index, addr.swren_ifindex);
	EXPECT_EQ(0, addr.swren_zero[0] | addr.swren_zero[1]);
}

TEST_F(addr, bind_to_any_device)
{
	ASSERT_EQ(0, wren_bind(self->fd, 0, PORT));
	EXPECT_EQ(PORT, wren_port(self->fd));
}

TEST_F(addr, getsockname_before_bind)
{
	EXPECT_EQ(0, wren_port(self->fd));
}

TEST_F(addr, getsockname_cuts_to_buffer)
{
	struct sockaddr_wren addr, untouched;
	socklen_t len = offsetof(struct sockaddr_wren, swren_ifindex);

	memset(&addr, 0x5a, sizeof(addr));
	untouched = addr;
	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	ASSERT_EQ(0, getsockname(self->fd, (void *)&addr, &len));
	EXPECT_EQ(sizeof(addr), len);
	EXPECT_EQ(PORT, ntohs(addr.swren_port));
	EXPECT_EQ(untouched.swren_ifindex, addr.swren_ifindex);
}

TEST_F(addr, bind_takes_own_mac_only)
{
	struct sockaddr_wren addr;

	addr = wren_addr(self->link.a.index, PORT, self->link.b.mac);
	EXPECT_EQ(-EADDRNOTAVAIL, try_bind(self->fd, &addr, sizeof(addr)));
	addr = wren_addr(self->link.a.index, PORT, self->link.a.mac);
	EXPECT_EQ(0, try_bind(self->fd, &addr, sizeof(addr)));
}

TEST_F(addr, bind_rejects_length)
{
	struct {
		struct sockaddr_wren addr;
		char more[8];
	} big = { .addr = wren_addr(self->link.a.index, PORT, NULL) };
	socklen_t len;

	for (len = 0; len < sizeof(big.addr); len++)
		EXPECT_EQ(-EINVAL, try_bind(self->fd, &big.addr, len));
	EXPECT_EQ(0, wren_port(self->fd));
	/* As for other families, a longer one is a buffer with an address in it. */
	EXPECT_EQ(0, try_bind(self->fd, &big.addr, sizeof(big)));
}

TEST_F(addr, bind_rejects_family)
{
	struct sockaddr_wren addr = wren_addr(self->link.a.index, PORT, NULL);

	addr.swren_family = AF_INET;
	EXPECT_EQ(-EAFNOSUPPORT, try_bind(self->fd, &addr, sizeof(addr)));
	addr.swren_family = AF_UNSPEC;
	EXPECT_EQ(-EAFNOSUPPORT, try_bind(self->fd, &addr, sizeof(addr)));
}

TEST_F(addr, bind_rejects_nonzero_padding)
{
	struct sockaddr_wren addr = wren_addr(self->link.a.index, PORT, NULL);

	addr.swren_zero[0] = 1;
	EXPECT_EQ(-EINVAL, try_bind(self->fd, &addr, sizeof(addr)));
	addr.swren_zero[0] = 0;
	addr.swren_zero[1] = 0x80;
	EXPECT_EQ(-EINVAL, try_bind(self->fd, &addr, sizeof(addr)));
	addr.swren_zero[1] = 0;
	EXPECT_EQ(0, try_bind(self->fd, &addr, sizeof(addr)));
}

TEST_F(addr, bind_rejects_device)
{
	EXPECT_EQ(-ENODEV, wren_bind(self->fd, 4711, PORT));
	EXPECT_EQ(-ENODEV, wren_bind(self->fd, -1, PORT));
	/* The loopback device is not Ethernet, up or down. */
	EXPECT_EQ(-ENODEV, wren_bind(self->fd, if_nametoindex("lo"), PORT));
	ASSERT_EQ(0, link_up("lo", true));
	EXPECT_EQ(-ENODEV, wren_bind(self->fd, if_nametoindex("lo"), PORT));
	/* A failed bind leaves nothing behind. */
	EXPECT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
}

TEST_F(addr, bind_rejects_bad_pointer)
{
	EXPECT_EQ(-EFAULT, try_bind(self->fd, (void *)8,
				    sizeof(struct sockaddr_wren)));
}

TEST_F(addr, bind_only_once)
{
	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(-EINVAL, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(-EINVAL, wren_bind(self->fd, self->link.a.index, PORT + 1));
	EXPECT_EQ(PORT, wren_port(self->fd));
}

TEST_F(addr, port_in_use)
{
	int other = wren_socket(0);

	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(other, self->link.a.index, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(other, 0, PORT));
	EXPECT_EQ(0, wren_bind(other, self->link.a.index, PORT + 1));
}

TEST_F(addr, port_in_use_on_any_device)
{
	int other = wren_socket(0);

	ASSERT_EQ(0, wren_bind(self->fd, 0, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(other, self->link.a.index, PORT));
	EXPECT_EQ(-EADDRINUSE, wren_bind(other, 0, PORT));
}

TEST_F(addr, port_free_after_close)
{
	int other = wren_socket(0);

	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(0, wren_bind(other, self->link.a.index, PORT));
}

TEST_F(addr, port_is_per_device)
{
	int other = wren_socket(0);

	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", -1, 1));
	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(0, wren_bind(other, if_nametoindex("wren-c"), PORT));
	ASSERT_EQ(0, link_del("wren-c"));
}

TEST_F(addr, port_is_per_namespace)
{
	int there = wren_bound(&self->link.b, PORT);

	EXPECT_LE(0, there);
	EXPECT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
}

TEST_F(addr, port_zero_is_ephemeral)
{
	int i, fd, port, last = 0;

	for (i = 0; i < 50; i++) {
		fd = wren_socket(0);
		ASSERT_EQ(0, wren_bind(fd, self->link.a.index, 0));
		port = wren_port(fd);
		EXPECT_LE(EPHEMERAL_MIN, port);
		EXPECT_NE(last, port);
		last = port;
	}
}

TEST_F(addr, send_needs_address)
{
	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->fd, "x", 1, 0, NULL));
	EXPECT_EQ(-1, write(self->fd, "x", 1));
	EXPECT_EQ(EDESTADDRREQ, errno);
}

TEST_F(addr, send_rejects_address)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);
	struct sockaddr_wren bad;

	EXPECT_EQ(-1, sendto(self->fd, "x", 1, 0, (void *)&to, sizeof(to) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sendto(self->fd, "x", 1, 0, (void *)&to, 2));
	EXPECT_EQ(EINVAL, errno);

	bad = to;
	bad.swren_family = AF_INET;
	EXPECT_EQ(-EAFNOSUPPORT, wren_sendto(self->fd, "x", 1, 0, &bad));
	bad = to;
	bad.swren_zero[1] = 1;
	EXPECT_EQ(-EINVAL, wren_sendto(self->fd, "x", 1, 0, &bad));
	bad = to;
	bad.swren_ifindex = 4711;
	EXPECT_EQ(-ENODEV, wren_sendto(self->fd, "x", 1, 0, &bad));
	bad.swren_ifindex = -1;
	EXPECT_EQ(-ENODEV, wren_sendto(self->fd, "x", 1, 0, &bad));
	bad.swren_ifindex = if_nametoindex("lo");
	EXPECT_EQ(-ENODEV, wren_sendto(self->fd, "x", 1, 0, &bad));
	EXPECT_EQ(1, wren_sendto(self->fd, "x", 1, 0, &to));
}

TEST_F(addr, send_rejects_port_zero)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, 0,
					    self->link.b.mac);

	EXPECT_EQ(-EINVAL, wren_sendto(self->fd, "x", 1, 0, &to));
}

/* Those of the core are known; one of its level that is not is refused. */
TEST_F(addr, send_rejects_unknown_control_messages)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SO_RCVBUF,
		},
	};
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	EXPECT_EQ(-1, sendmsg(self->fd, &msg, 0));
	EXPECT_EQ(EINVAL, errno);
	control.head.cmsg_type = SO_MARK;
	EXPECT_EQ(1, sendmsg(self->fd, &msg, 0));
	/* Not whole */
	control.head.cmsg_len = CMSG_LEN(1);
	EXPECT_EQ(-1, sendmsg(self->fd, &msg, 0));
	EXPECT_EQ(EINVAL, errno);
	msg.msg_controllen = 0;
	EXPECT_EQ(1, sendmsg(self->fd, &msg, 0));
}

TEST_F(addr, send_needs_device)
{
	struct sockaddr_wren to = wren_addr(0, PORT, self->link.b.mac);

	EXPECT_EQ(-EDESTADDRREQ, wren_sendto(self->fd, "x", 1, 0, &to));
	to.swren_ifindex = self->link.a.index;
	EXPECT_EQ(1, wren_sendto(self->fd, "x", 1, 0, &to));
}

/* A socket that is bound to a device does not send through another one. */
TEST_F(addr, send_through_bound_device_only)
{
	struct sockaddr_wren to;

	ASSERT_EQ(0, link_add_pair("wren-c", "wren-d", -1, 1));
	ASSERT_EQ(0, link_up("wren-c", true));
	ASSERT_EQ(0, link_up("wren-d", true));
	ASSERT_EQ(0, wren_bind(self->fd, self->link.a.index, PORT));
	to = wren_addr(if_nametoindex("wren-c"), PORT, self->link.b.mac);
	EXPECT_EQ(-EINVAL, wren_sendto(self->fd, "x", 1, 0, &to));
	ASSERT_EQ(0, link_del("wren-c"));
}

TEST_F(addr, send_binds)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);

	EXPECT_EQ(0, wren_port(self->fd));
	ASSERT_EQ(1, wren_sendto(self->fd, "x", 1, 0, &to));
	EXPECT_LE(EPHEMERAL_MIN, wren_port(self->fd));
}

TEST_F(addr, send_rejects_length)
{
	int most = link_mtu(self->link.a.name) - HEADER_BYTES;
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);
	char *data = calloc(1, 1 << 20);

	ASSERT_NE(NULL, data);
	EXPECT_EQ(most, wren_sendto(self->fd, data, most, 0, &to));
	EXPECT_EQ(-EMSGSIZE, wren_sendto(self->fd, data, most + 1, 0, &to));
	EXPECT_EQ(-EMSGSIZE, wren_sendto(self->fd, data, 65536, 0, &to));
	EXPECT_EQ(-EMSGSIZE, wren_sendto(self->fd, data, 1 << 20, 0, &to));
	EXPECT_TRUE(eventually(outq(self->fd) == 0));
	free(data);
}

TEST_F(addr, send_rejects_flags)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);

	EXPECT_EQ(-EOPNOTSUPP, wren_sendto(self->fd, "x", 1, MSG_OOB, &to));
}

TEST_F(addr, send_rejects_bad_pointer)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);

	EXPECT_EQ(-EFAULT, wren_sendto(self->fd, (void *)8, 100, 0, &to));
	EXPECT_EQ(-EFAULT, wren_sendto(self->fd, "x", 1, 0, (void *)8));
	/* The packet that could not be filled is gone. */
	EXPECT_EQ(0, outq(self->fd));
}

TEST_F(addr, send_on_device_that_is_down)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);

	ASSERT_EQ(0, link_up(self->link.a.name, false));
	EXPECT_EQ(-ENETDOWN, wren_sendto(self->fd, "x", 1, 0, &to));
	EXPECT_EQ(0, outq(self->fd));
}

/* As nobody: 0, or the step that was refused. */
static int send_as_nobody(int ifindex, const struct sockaddr_wren *to)
{
	int fd;

	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return 1;
	fd = wren_socket(0);
	if (fd < 0)
		return 2;
	if (wren_bind(fd, ifindex, PORT))
		return 3;
	return wren_sendto(fd, "u", 1, 0, to) == 1 ? 0 : 4;
}

/* The family is for everybody: it needs no capability, as UDP does not. */
TEST_F(addr, unprivileged)
{
	struct sockaddr_wren to = wren_addr(self->link.a.index, PORT,
					    self->link.b.mac);
	int rx = wren_bound(&self->link.b, PORT), status;
	char byte = 0;
	pid_t pid;

	ASSERT_LE(0, rx);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(send_as_nobody(self->link.a.index, &to));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, set_timeout(rx, SO_RCVTIMEO, LONG_MS));
	EXPECT_EQ(1, wren_recv(rx, &byte, 1, 0));
	EXPECT_EQ('u', byte);
}

TEST_HARNESS_MAIN
