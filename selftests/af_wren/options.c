// SPDX-License-Identifier: GPL-2.0
/* Options, checksums and control messages. */
#include <grp.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <poll.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY	82
#endif

struct frame {
	struct wrenhdr wren;
	unsigned char payload[ETH_DATA_LEN - sizeof(struct wrenhdr)];
};

FIXTURE(options) {
	PAIR_FIXTURE;
	/* Raw sockets at a and b */
	int raw_a;
	int raw_b;
	struct frame frame;
	struct frame got;
};

OVER_EACH_LINK(options);

FIXTURE_SETUP(options)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	self->raw_a = wren_raw(&self->link.a);
	ASSERT_LE(0, self->raw_a);
	self->raw_b = wren_raw(&self->link.b);
	ASSERT_LE(0, self->raw_b);
	ASSERT_EQ(0, set_timeout(self->raw_b, SO_RCVTIMEO, LONG_MS));
}

FIXTURE_TEARDOWN(options)
{
	link_teardown(&self->link);
}

/* The sum of RFC 1071, complemented: 0 over what has a right checksum in it */
static unsigned int checksum(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Sends a datagram of so many bytes and tells what is wrong with its frame. */
static const char *frame_of(int tx, const struct sockaddr_wren *to, int raw,
			    struct frame *got, int len, bool checked)
{
	if (wren_sendto(tx, got->payload, len, 0, to) != len)
		return "not sent";
	if (wren_recv(raw, got, sizeof(*got), 0) != HEADER_BYTES + len)
		return "not seen";
	if (!checked)
		return got->wren.check ? "checksum though it is off" : "good";
	if (!got->wren.check)
		return "no checksum";
	return checksum(got, HEADER_BYTES + len) ? "checksum is wrong" : "good";
}

/* Whatever the device can do: the core must have nothing to add, and a device nothing to forget. */
TEST_F(options, checksum_is_right_on_the_wire)
{
	int lens[] = { 0, 1, 2, 3, 100, 101, 1400 }, zero = 0, value = -1;
	socklen_t len = sizeof(value);
	size_t i;

	ASSERT_EQ(0, getsockopt(self->tx, SOL_WREN, WREN_CHECKSUM, &value, &len));
	EXPECT_EQ(1, value);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		EXPECT_STREQ("good", frame_of(self->tx, &self->to, self->raw_b,
					      &self->got, lens[i], true));
		EXPECT_EQ(lens[i], wren_recv(self->rx, self->got.payload, 1500, 0));
	}
	ASSERT_EQ(0, set_wrenopt(self->tx, WREN_CHECKSUM, &zero, sizeof(zero)));
	EXPECT_STREQ("good", frame_of(self->tx, &self->to, self->raw_b,
				      &self->got, 100, false));
}

/* Sends a frame with this checksum, then a good one: which of them arrives? */
static int received(int raw, const struct sockaddr_wren *to, int rx,
		    struct frame *frame, int payload, unsigned int check)
{
	char got[2000];
	int first;

	frame->wren.len = htons(payload);
	frame->wren.check = htons(check);
	if (wren_sendto(raw, frame, HEADER_BYTES + payload, 0, to) < 0)
		return -1;
	frame->wren.check = 0;
	frame->wren.len = 0;
	if (wren_sendto(raw, frame, HEADER_BYTES, 0, to) < 0)
		return -1;
	first = wren_recv(rx, got, sizeof(got), 0);
	if (first > 0 && wren_recv(rx, got, sizeof(got), 0))
		return -1;
	return first;
}

TEST_F(options, wrong_checksum_is_dropped)
{
	int lens[] = { 1, 2, 33, 1000 };
	struct frame *frame = &self->frame;
	struct sockaddr_wren to = wren_addr(self->link.a.index, 0, self->link.b.mac);
	unsigned int check;
	size_t i, j;

	frame->wren = (struct wrenhdr){
		.version = WREN_VERSION, .type = WREN_TYPE_DGRAM,
		.sport = htons(1), .dport = htons(PORT),
	};
	for (j = 0; j < sizeof(frame->payload); j++)
		frame->payload[j] = j * 7 + 1;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		frame->wren.len = htons(lens[i]);
		frame->wren.check = 0;
		check = checksum(frame, HEADER_BYTES + lens[i]);
		EXPECT_EQ(lens[i], received(self->raw_a, &to, self->rx, frame,
					    lens[i], check));
		EXPECT_EQ(0, received(self->raw_a, &to, self->rx, frame,
				      lens[i], check ^ 1));
		EXPECT_EQ(0, received(self->raw_a, &to, self->rx, frame,
				      lens[i], check ^ 0x8000));
		/* None is right, too. */
		EXPECT_EQ(lens[i], received(self->raw_a, &to, self->rx, frame,
					    lens[i], 0));
	}
}

/* What does not fit one page is sent in pages, where the device takes them. */
TEST_F(options, jumbo_frames)
{
	static unsigned char data[8900], got[sizeof(data)];
	int lens[] = { 3072, 3073, 4096, 4097, 8000, 8900 }, old, ret;
	size_t i;

	if (variant->kind != LINK_WREN)
		SKIP(return, "the NIC of this machine may have no jumbo frames");
	ASSERT_EQ(0, link_set_mtu(self->link.a.name, 9000));
	old = ns_enter(self->link.b.ns);
	ret = link_set_mtu(self->link.b.name, 9000);
	ns_leave(old);
	ASSERT_EQ(0, ret);
	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 13 + (i >> 8);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ASSERT_EQ(lens[i], wren_sendto(self->tx, data, lens[i], 0, &self->to));
		ASSERT_EQ(lens[i], wren_recv(self->rx, got, sizeof(got), 0));
		EXPECT_EQ(0, memcmp(data, got, lens[i]));
	}
	EXPECT_EQ(-EFAULT, wren_sendto(self->tx, (void *)8, 8000, 0, &self->to));
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

TEST_F(options, info_tells_of_the_buffers)
{
	struct wren_info info;
	socklen_t len = sizeof(info);

	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(100, wren_sendto(self->tx, &self->frame, 100, 0, &self->to));
	ASSERT_EQ(0, getsockopt(self->tx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(sizeof(info), len);
	EXPECT_EQ(outq(self->tx), (int)info.wreni_wmem);
	EXPECT_LT(0, info.wreni_wmem);
	EXPECT_EQ(sockopt(self->tx, SO_SNDBUF), (int)info.wreni_sndbuf);
	EXPECT_EQ(sockopt(self->tx, SO_RCVBUF), (int)info.wreni_rcvbuf);
	EXPECT_EQ(0, info.wreni_rmem);
	ASSERT_EQ(0, wire_run(&self->link));
	ASSERT_EQ(100, wren_recv(self->rx, &self->got, 100, MSG_PEEK));
	ASSERT_EQ(0, getsockopt(self->rx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(meminfo(self->rx, SK_MEMINFO_RMEM_ALLOC), info.wreni_rmem);
	EXPECT_LT(0, info.wreni_rmem);
	EXPECT_EQ(0, info.wreni_drops);
	/* As much as there is room for. */
	len = 5;
	ASSERT_EQ(0, getsockopt(self->tx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(5, len);
}

TEST_F(options, bad_options_are_refused)
{
	int value = 2;
	socklen_t len = sizeof(value);

	EXPECT_EQ(-EINVAL, set_wrenopt(self->tx, WREN_CHECKSUM, &value, sizeof(value)));
	EXPECT_EQ(-EINVAL, set_wrenopt(self->tx, WREN_CHECKSUM, &value, 3));
	EXPECT_EQ(-EFAULT, set_wrenopt(self->tx, WREN_CHECKSUM, (void *)8, 4));
	EXPECT_EQ(-ENOPROTOOPT, set_wrenopt(self->tx, WREN_INFO, &value, sizeof(value)));
	EXPECT_EQ(-ENOPROTOOPT, set_wrenopt(self->tx, 77, &value, sizeof(value)));
	EXPECT_EQ(-1, setsockopt(self->tx, SOL_WREN + 1, WREN_CHECKSUM, &value, len));
	EXPECT_EQ(ENOPROTOOPT, errno);
	EXPECT_EQ(-1, getsockopt(self->tx, SOL_WREN, 77, &value, &len));
	EXPECT_EQ(ENOPROTOOPT, errno);
	EXPECT_EQ(-1, getsockopt(self->tx, SOL_WREN, WREN_INFO, (void *)8, &len));
	EXPECT_EQ(EFAULT, errno);
	len = -1;
	EXPECT_EQ(-1, getsockopt(self->tx, SOL_WREN, WREN_INFO, &value, &len));
	EXPECT_EQ(EINVAL, errno);
}

/* Sends with one control message: 0 or -errno. */
static int send_with(int fd, const struct sockaddr_wren *to, int type,
		     const void *value, size_t len)
{
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(16)];
	} control = {
		.head = {
			.cmsg_len = CMSG_LEN(len),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = type,
		},
	};
	struct msghdr msg = {
		.msg_name = (void *)to, .msg_namelen = sizeof(*to),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = CMSG_SPACE(len),
	};

	memcpy(CMSG_DATA(&control.head), value, len);
	return sendmsg(fd, &msg, 0) == 1 ? 0 : -errno;
}

struct report {
	struct sock_extended_err err;
	int level;
	int type;
	bool stamp;
};

/* Reads the error queue: 0 or -errno. */
static int read_report(int fd, struct report *report)
{
	char control[256], data[100];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	memset(report, 0, sizeof(*report));
	if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
		return -errno;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level == SOL_SOCKET) {
			report->stamp |= cmsg->cmsg_type == SCM_TIMESTAMPING;
			continue;
		}
		report->level = cmsg->cmsg_level;
		report->type = cmsg->cmsg_type;
		memcpy(&report->err, CMSG_DATA(cmsg), sizeof(report->err));
	}
	return 0;
}

TEST_F(options, time_stamps_come_through_the_error_queue)
{
	__u32 flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		      SOF_TIMESTAMPING_OPT_TSONLY;
	__u32 record = SOF_TIMESTAMPING_TX_SOFTWARE;
	struct report report;
	int i;

	EXPECT_EQ(-EAGAIN, read_report(self->tx, &report));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_TIMESTAMPING, flags));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, send_with(self->tx, &self->to, SO_TIMESTAMPING,
				       &record, sizeof(record)));
		ASSERT_TRUE(eventually(polled(self->tx, POLLERR)));
		ASSERT_EQ(0, read_report(self->tx, &report));
		EXPECT_EQ(SOL_WREN, report.level);
		EXPECT_EQ(WREN_RECVERR, report.type);
		EXPECT_EQ(ENOMSG, report.err.ee_errno);
		EXPECT_EQ(SO_EE_ORIGIN_TIMESTAMPING, report.err.ee_origin);
		EXPECT_EQ(i, report.err.ee_data);
		EXPECT_TRUE(report.stamp);
	}
	/* Who does not ask gets none. */
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_TRUE(eventually(!outq(self->tx)));
	EXPECT_EQ(-EAGAIN, read_report(self->tx, &report));
}

/* What a call refuses takes no identifier: a program counts those that succeed. */
TEST_F(options, refused_datagrams_are_not_numbered)
{
	int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
		    SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	struct writer writer = { .fd = self->tx, .to = self->to, .len = 1400 };
	struct report report;
	int i;

	if (variant->kind != LINK_WREN)
		SKIP(return, "the NIC of this machine may lose its queue with its MTU");
	ASSERT_EQ(0, set_sockopt(self->tx, SO_TIMESTAMPING, flags));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));
	/* While it sleeps its datagram becomes too long. */
	ASSERT_EQ(0, link_set_mtu(self->link.a.name, 1000));
	ASSERT_EQ(0, wire_run(&self->link));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_EQ(-EMSGSIZE, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
	ASSERT_TRUE(eventually(!outq(self->tx)));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	for (i = 0; i <= writer.sent; i++) {
		ASSERT_TRUE(eventually(polled(self->tx, POLLERR)));
		ASSERT_EQ(0, read_report(self->tx, &report));
		EXPECT_EQ(i, report.err.ee_data);
	}
}

TEST_F(options, time_of_departure)
{
	struct sock_txtime txtime = { .clockid = CLOCK_MONOTONIC };
	__u64 when = now_ms() * 1000000ULL;

	EXPECT_EQ(-EINVAL, send_with(self->tx, &self->to, SCM_TXTIME, &when, sizeof(when)));
	ASSERT_EQ(0, setsockopt(self->tx, SOL_SOCKET, SO_TXTIME, &txtime, sizeof(txtime)));
	EXPECT_EQ(0, send_with(self->tx, &self->to, SCM_TXTIME, &when, sizeof(when)));
	EXPECT_EQ(1, wren_recv(self->rx, &self->got, 100, 0));
}

/* The qdisc fq keeps a datagram back until its time has come. */
TEST_F(options, time_of_departure_is_on_the_packet)
{
	struct sock_txtime txtime = { .clockid = CLOCK_MONOTONIC };
	long long start;
	__u64 when;

	if (variant->kind != LINK_WREN)
		SKIP(return, "it is about what is given to the device");
	if (system("tc qdisc replace dev wren-a root fq 2>/dev/null"))
		SKIP(return, "no qdisc fq in this kernel");
	ASSERT_EQ(0, setsockopt(self->tx, SOL_SOCKET, SO_TXTIME, &txtime, sizeof(txtime)));
	start = now_ms();
	when = (start + 200) * 1000000ULL;
	ASSERT_EQ(0, send_with(self->tx, &self->to, SCM_TXTIME, &when, sizeof(when)));
	ASSERT_EQ(1, wren_recv(self->rx, &self->got, 100, 0));
	EXPECT_LE(190, now_ms() - start);
}

/* A packet socket that sees what a device sends, or -errno */
static int watch(int ifindex)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)))
		return -errno;
	return set_sockopt(fd, SO_RCVMARK, 1) ?: set_sockopt(fd, SO_RCVPRIORITY, 1) ?:
	       set_timeout(fd, SO_RCVTIMEO, LONG_MS) ?: fd;
}

struct marks {
	__u32 mark;
	__u32 priority;
};

/* Mark and priority of the next packet that is seen: 0 or -errno */
static int next_marks(int fd, struct marks *marks)
{
	char control[200], data[100];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	*marks = (struct marks){ -1, -1 };
	if (recvmsg(fd, &msg, 0) < 0)
		return -errno;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_type == SO_MARK)
			memcpy(&marks->mark, CMSG_DATA(cmsg), sizeof(__u32));
		if (cmsg->cmsg_type == SO_PRIORITY)
			memcpy(&marks->priority, CMSG_DATA(cmsg), sizeof(__u32));
	}
	return 0;
}

/* They are the socket's, unless the message says otherwise. */
TEST_F(options, mark_and_priority_of_a_message)
{
	int seen = watch(self->link.a.index);
	struct marks marks;
	__u32 value = 5;

	ASSERT_LE(0, seen);
	ASSERT_EQ(0, set_sockopt(self->tx, SO_MARK, 77));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_PRIORITY, 3));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	ASSERT_EQ(0, next_marks(seen, &marks));
	EXPECT_EQ(77, marks.mark);
	EXPECT_EQ(3, marks.priority);
	ASSERT_EQ(0, send_with(self->tx, &self->to, SO_MARK, &value, sizeof(value)));
	ASSERT_EQ(0, next_marks(seen, &marks));
	EXPECT_EQ(5, marks.mark);
	EXPECT_EQ(3, marks.priority);
	ASSERT_EQ(0, send_with(self->tx, &self->to, SO_PRIORITY, &value, sizeof(value)));
	ASSERT_EQ(0, next_marks(seen, &marks));
	EXPECT_EQ(77, marks.mark);
	EXPECT_EQ(5, marks.priority);
	EXPECT_EQ(-EINVAL, send_with(self->tx, &self->to, SO_MARK, &value, 2));
}

/* As nobody: 0, or the step that went wrong */
static int mark_as_nobody(int fd, const struct sockaddr_wren *to)
{
	__u32 value = 5;

	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return 1;
	if (send_with(fd, to, SO_MARK, &value, sizeof(value)) != -EPERM)
		return 2;
	/* Up to 6 anybody may have it. */
	return send_with(fd, to, SO_PRIORITY, &value, sizeof(value)) ? 3 : 0;
}

TEST_F(options, mark_needs_a_capability)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(mark_as_nobody(self->tx, &self->to));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, wren_recv(self->rx, &self->got, 100, 0));
	EXPECT_TRUE(eventually(!outq(self->tx)));
}

/* C60: reports that nobody has read go with their socket. */
TEST_F(options, c60_close_with_unread_reports)
{
	int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE;
	int i;

	ASSERT_TRUE(only_sockets(4));
	ASSERT_EQ(0, set_sockopt(self->tx, SO_TIMESTAMPING, flags));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	ASSERT_TRUE(eventually(polled(self->tx, POLLERR)));
	EXPECT_LT(0, meminfo(self->tx, SK_MEMINFO_RMEM_ALLOC));
	ASSERT_EQ(0, close(self->tx));
	EXPECT_TRUE(only_sockets(3));
}

TEST_HARNESS_MAIN
