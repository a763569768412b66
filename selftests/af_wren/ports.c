// SPDX-License-Identifier: GPL-2.0
/* Very many sockets: too many for a kernel that checks each step. */
#include <sys/resource.h>

#include "../lib/harness.h"

#define EPHEMERAL_MIN	49152
#define EPHEMERAL	(65536 - EPHEMERAL_MIN)

FIXTURE(ports) {
	struct link link;
};

FIXTURE_SETUP(ports)
{
	struct rlimit limit = { 2 * EPHEMERAL, 2 * EPHEMERAL };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, link_setup(&self->link, LINK_WREN));
}

FIXTURE_TEARDOWN(ports)
{
	link_teardown(&self->link);
}

/* All ephemeral ports of a device taken: EADDRINUSE, no endless search. */
TEST_F(ports, ephemeral_ports_run_out)
{
	int fd, ret = 0, count;

	for (count = 0; count <= EPHEMERAL; count++) {
		fd = wren_socket(0);
		ASSERT_LE(0, fd);
		ret = wren_bind(fd, self->link.a.index, 0);
		if (ret)
			break;
	}
	EXPECT_EQ(-EADDRINUSE, ret);
	EXPECT_EQ(EPHEMERAL, count);
	/* The other ones can still be had, and so can one that is given back. */
	EXPECT_EQ(0, wren_bind(fd, self->link.a.index, EPHEMERAL_MIN - 1));
	EXPECT_EQ(0, close(fd - 1));
	fd = wren_socket(0);
	EXPECT_EQ(0, wren_bind(fd, self->link.a.index, 0));
}

TEST_HARNESS_MAIN
