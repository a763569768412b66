// SPDX-License-Identifier: GPL-2.0
/* /proc/net/wren: what it says of a socket is what the socket says. */
#include <linux/sock_diag.h>
#include <sys/stat.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

struct line {
	char type[8];
	int port;
	int ifindex;
	char mac[20];
	int peer_port;
	int peer_ifindex;
	int wmem;
	int rmem;
	unsigned int drops;
	unsigned long inode;
};

FIXTURE(proc) {
	PAIR_FIXTURE;
	struct line line;
};

FIXTURE_SETUP(proc)
{
	ASSERT_EQ(0, pair_open(&self->pair, LINK_WREN));
}

FIXTURE_TEARDOWN(proc)
{
	link_teardown(&self->link);
}

/* Finds the line of a socket in the namespace of the caller, and tells how many there are. */
static int look(int fd, struct line *found)
{
	FILE *file = fopen("/proc/thread-self/net/wren", "re");
	struct line line;
	struct stat stat;
	char text[256];
	int count = 0;

	memset(found, 0, sizeof(*found));
	if (!file || fstat(fd, &stat))
		return -1;
	while (fgets(text, sizeof(text), file)) {
		if (sscanf(text, "%7s %d %d %19s %d %d %d %d %u %lu", line.type,
			   &line.port, &line.ifindex, line.mac, &line.peer_port,
			   &line.peer_ifindex, &line.wmem, &line.rmem,
			   &line.drops, &line.inode) != 10)
			continue;
		count++;
		if (line.inode == stat.st_ino)
			*found = line;
	}
	fclose(file);
	return count;
}

TEST_F(proc, line_of_a_socket)
{
	unsigned char *m = self->link.b.mac;
	struct line *line = &self->line;
	char mac[20];

	ASSERT_EQ(1, look(self->tx, line));
	EXPECT_STREQ("dgram", line->type);
	EXPECT_EQ(wren_port(self->tx), line->port);
	EXPECT_EQ(self->link.a.index, line->ifindex);
	EXPECT_STREQ("00:00:00:00:00:00", line->mac);
	EXPECT_EQ(0, line->wmem);

	ASSERT_EQ(0, wren_connect(self->tx, &self->to));
	ASSERT_EQ(0, wire_stop(&self->link));
	ASSERT_EQ(100, wren_sendto(self->tx, line, 100, 0, NULL));
	ASSERT_EQ(1, look(self->tx, line));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		 m[0], m[1], m[2], m[3], m[4], m[5]);
	EXPECT_STREQ(mac, line->mac);
	EXPECT_EQ(PORT, line->peer_port);
	EXPECT_EQ(self->link.a.index, line->peer_ifindex);
	EXPECT_LT(0, line->wmem);
	EXPECT_EQ(outq(self->tx), line->wmem);
	ASSERT_EQ(0, wire_run(&self->link));
}

TEST_F(proc, receive_buffer_and_drops)
{
	char data[1000] = "";
	int i, old;

	ASSERT_EQ(0, set_sockopt(self->rx, SO_RCVBUF, 1));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(1000, wren_sendto(self->tx, data, sizeof(data), 0, &self->to));
	EXPECT_TRUE(eventually(!outq(self->tx)));
	EXPECT_TRUE(eventually(meminfo(self->rx, SK_MEMINFO_DROPS)));
	old = ns_enter(self->link.b.ns);
	EXPECT_EQ(1, look(self->rx, &self->line));
	ns_leave(old);
	EXPECT_EQ(meminfo(self->rx, SK_MEMINFO_RMEM_ALLOC), (unsigned int)self->line.rmem);
	EXPECT_EQ(meminfo(self->rx, SK_MEMINFO_DROPS), self->line.drops);
}

/* Those that can receive: with a port, or raw. */
TEST_F(proc, sockets_come_and_go)
{
	int unbound = wren_socket(0), raw;

	ASSERT_LE(0, unbound);
	EXPECT_EQ(1, look(unbound, &self->line));
	EXPECT_EQ(0, self->line.inode);
	raw = wren_raw(&self->link.a);
	ASSERT_LE(0, raw);
	EXPECT_EQ(2, look(raw, &self->line));
	EXPECT_STREQ("raw", self->line.type);
	close(raw);
	EXPECT_EQ(1, look(unbound, &self->line));
	close(self->tx);
	EXPECT_EQ(0, look(unbound, &self->line));
}

/* More than a page of them */
TEST_F(proc, many_sockets)
{
	int fds[200];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = wren_bound(&self->link.a, 0);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(1 + (int)ARRAY_SIZE(fds), look(fds[150], &self->line));
	EXPECT_EQ(wren_port(fds[150]), self->line.port);
}

TEST_HARNESS_MAIN
