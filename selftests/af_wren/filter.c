// SPDX-License-Identifier: GPL-2.0
/* Socket filters: what they see, what they may cut, and what they drop. */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <sys/syscall.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

FIXTURE(filter) {
	PAIR_FIXTURE;
	int raw;
	char data[100];
	char got[200];
};

OVER_EACH_LINK(filter);

FIXTURE_SETUP(filter)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	self->raw = wren_raw(&self->link.b);
	ASSERT_LE(0, self->raw);
	ASSERT_EQ(0, set_timeout(self->raw, SO_RCVTIMEO, LONG_MS));
}

FIXTURE_TEARDOWN(filter)
{
	link_teardown(&self->link);
}

static int set_program(int fd, struct sock_filter *insns, int count)
{
	struct sock_fprog prog = { .len = count, .filter = insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ?
	       -errno : 0;
}

/* A filter that leaves so many bytes of a packet; 0: none of it. */
static int set_filter(int fd, unsigned int left)
{
	struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, left);

	return set_program(fd, &insn, 1);
}

/* A filter that wants packets with this byte at an offset. */
static int want_byte(int fd, unsigned int offset, unsigned char byte)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, byte, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return set_program(fd, insns, ARRAY_SIZE(insns));
}

/* A program of type socket filter that leaves so many bytes: fd or -errno */
static int load_program(int left)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = left },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = ARRAY_SIZE(insns),
		.insns = (uintptr_t)insns,
		.license = (uintptr_t)"GPL",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int drops(int fd)
{
	return meminfo(fd, SK_MEMINFO_DROPS);
}

/* What a filter does not want is counted, by a raw socket as well. */
TEST_F(filter, filter_drops_are_counted)
{
	ASSERT_EQ(0, set_filter(self->rx, 0));
	ASSERT_EQ(0, set_filter(self->raw, 0));
	ASSERT_EQ(100, wren_sendto(self->tx, self->data, 100, 0, &self->to));
	EXPECT_TRUE(eventually(drops(self->rx) == 1));
	EXPECT_EQ(1, drops(self->raw));
	EXPECT_EQ(-EAGAIN, wren_recv(self->rx, self->got, 100, MSG_DONTWAIT));
}

/* A filter may cut the payload, not the header: the sender stays known. */
TEST_F(filter, filter_cuts_the_payload)
{
	unsigned int lefts[] = { HEADER_BYTES + 10, HEADER_BYTES, HEADER_BYTES - 1, 1 };
	int payload[] = { 10, 0, 0, 0 };
	struct sockaddr_wren from;
	socklen_t len;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lefts); i++) {
		ASSERT_EQ(0, set_filter(self->rx, lefts[i]));
		ASSERT_EQ(100, wren_sendto(self->tx, self->data, 100, 0, &self->to));
		len = sizeof(from);
		EXPECT_EQ(payload[i], recvfrom(self->rx, self->got, 100, 0,
					       (void *)&from, &len));
		EXPECT_EQ(wren_port(self->tx), ntohs(from.swren_port));
	}
	EXPECT_EQ(0, drops(self->rx));
}

/* It sees the packet from the header on, with its ports. */
TEST_F(filter, sees_header_and_payload)
{
	int port_at = offsetof(struct wrenhdr, dport);

	ASSERT_EQ(0, want_byte(self->rx, port_at + 1, PORT & 0xff));
	ASSERT_EQ(0, want_byte(self->raw, HEADER_BYTES, 'y'));
	ASSERT_EQ(3, wren_sendto(self->tx, "xxx", 3, 0, &self->to));
	ASSERT_EQ(3, wren_sendto(self->tx, "yyy", 3, 0, &self->to));
	EXPECT_EQ(3, wren_recv(self->rx, self->got, 100, 0));
	EXPECT_EQ(3, wren_recv(self->rx, self->got, 100, 0));
	EXPECT_EQ(0, drops(self->rx));
	ASSERT_EQ(HEADER_BYTES + 3, wren_recv(self->raw, self->got, 100, 0));
	EXPECT_EQ('y', self->got[HEADER_BYTES]);
	EXPECT_EQ(1, drops(self->raw));
	EXPECT_EQ(-EAGAIN, wren_recv(self->raw, self->got, 100, MSG_DONTWAIT));
}

/* What a raw socket gets has no header that has to stay. */
TEST_F(filter, cuts_a_frame_anywhere)
{
	ASSERT_EQ(0, set_filter(self->raw, 5));
	ASSERT_EQ(100, wren_sendto(self->tx, self->data, 100, 0, &self->to));
	EXPECT_EQ(5, wren_recv(self->raw, self->got, 100, 0));
	/* Others have it whole. */
	EXPECT_EQ(100, wren_recv(self->rx, self->got, 100, 0));
}

TEST_F(filter, bpf_program)
{
	int none, some;

	if (access("/proc/sys/kernel/unprivileged_bpf_disabled", F_OK))
		SKIP(return, "no bpf() in this kernel");
	none = load_program(0);
	some = load_program(HEADER_BYTES + 7);
	ASSERT_LE(0, none);
	ASSERT_LE(0, some);
	ASSERT_EQ(0, set_sockopt(self->rx, SO_ATTACH_BPF, some));
	ASSERT_EQ(0, set_sockopt(self->raw, SO_ATTACH_BPF, none));
	ASSERT_EQ(100, wren_sendto(self->tx, self->data, 100, 0, &self->to));
	EXPECT_EQ(7, wren_recv(self->rx, self->got, 100, 0));
	EXPECT_EQ(1, drops(self->raw));
	EXPECT_EQ(-EAGAIN, wren_recv(self->raw, self->got, 100, MSG_DONTWAIT));
	/* The last one who is told counts. */
	ASSERT_EQ(0, set_sockopt(self->rx, SO_ATTACH_BPF, none));
	ASSERT_EQ(100, wren_sendto(self->tx, self->data, 100, 0, &self->to));
	EXPECT_TRUE(eventually(drops(self->rx) == 1));
}

/* Without it all is as before, and one that is locked stays. */
TEST_F(filter, detach_and_lock)
{
	EXPECT_EQ(-ENOENT, set_sockopt(self->rx, SO_DETACH_FILTER, 0));
	ASSERT_EQ(0, set_filter(self->rx, 0));
	ASSERT_EQ(0, set_sockopt(self->rx, SO_DETACH_FILTER, 0));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_EQ(1, wren_recv(self->rx, self->got, 100, 0));
	ASSERT_EQ(0, set_filter(self->rx, 0));
	ASSERT_EQ(0, set_sockopt(self->rx, SO_LOCK_FILTER, 1));
	EXPECT_EQ(-EPERM, set_sockopt(self->rx, SO_DETACH_FILTER, 0));
	EXPECT_EQ(-EPERM, set_filter(self->rx, 0xffff));
	ASSERT_EQ(1, wren_sendto(self->tx, "x", 1, 0, &self->to));
	EXPECT_TRUE(eventually(drops(self->rx) == 1));
}

TEST_HARNESS_MAIN
