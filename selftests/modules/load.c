// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading: the order of the modules, their parameters, and what
 * keeps them loaded.
 */
#include <fcntl.h>

#include "../lib/harness.h"
#include "../lib/module.h"

#define PORT	1000
#define LEN	1400

/* A number that belongs to a family which no kernel has any more: AF_ECONET */
#define OTHER_FAMILY	19

/* All modules are out when a test begins, and in again when it has ended. */
FIXTURE(load) {
	int log;
};

FIXTURE_SETUP(load)
{
	if (!getenv("WREN_KO"))
		SKIP(return, "WREN_KO does not name the modules' directory");
	ASSERT_EQ(0, modules_unload());
	self->log = kmsg_open();
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(load)
{
	EXPECT_EQ(0, modules_unload());
	EXPECT_EQ(0, modules_load());
}

TEST_F(load, drivers_need_knet)
{
	EXPECT_EQ(-ENOENT, module_load("wren_nic", ""));
	EXPECT_TRUE(kmsg_has(self->log, "wren_nic", "Unknown symbol"));
	EXPECT_EQ(-ENOENT, module_load("af_wren", ""));
	EXPECT_TRUE(kmsg_has(self->log, "af_wren", "Unknown symbol"));
	EXPECT_FALSE(module_loaded("wren_nic"));
	EXPECT_FALSE(module_loaded("af_wren"));
}

TEST_F(load, either_driver_works_alone)
{
	ASSERT_EQ(0, module_load("knet", ""));
	ASSERT_EQ(0, module_load("af_wren", ""));
	EXPECT_EQ(0, module_unload("af_wren"));
	ASSERT_EQ(0, module_load("wren_nic", ""));
	EXPECT_EQ(0, module_unload("wren_nic"));
}

TEST_F(load, not_twice)
{
	ASSERT_EQ(0, modules_load());
	EXPECT_EQ(-EEXIST, module_load("knet", ""));
	EXPECT_EQ(-EEXIST, module_load("wren_nic", ""));
	EXPECT_EQ(-EEXIST, module_load("af_wren", ""));
}

TEST_F(load, again_and_again)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, modules_load());
		ASSERT_EQ(0, modules_unload());
	}
}

TEST_F(load, family_taken)
{
	ASSERT_EQ(0, module_load("knet", ""));
	/* EEXIST is what the module loader makes EBUSY of. */
	EXPECT_EQ(-EBUSY, module_load("af_wren", "family=2"));
	EXPECT_TRUE(kmsg_has(self->log, "af_wren", "family=2"));
	EXPECT_FALSE(module_loaded("af_wren"));
	/* The refused one left nothing behind, IPv4 least of all. */
	EXPECT_LE(0, socket(AF_INET, SOCK_DGRAM, 0));
	EXPECT_EQ(0, module_load("af_wren", ""));
}

TEST_F(load, family_out_of_range)
{
	static const char * const bad[] = {
		"family=0", "family=-1", "family=46", "family=256",
		"family=2147483647", "family=-2147483648",
	};
	size_t i;

	ASSERT_EQ(0, module_load("knet", ""));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, module_load("af_wren", bad[i])) {
			TH_LOG("%s", bad[i]);
		}
		EXPECT_TRUE(kmsg_has(self->log, "af_wren", bad[i])) {
			TH_LOG("the log does not tell about %s", bad[i]);
		}
	}
	EXPECT_EQ(-EINVAL, module_load("af_wren", "family=wren"));
	EXPECT_FALSE(module_loaded("af_wren"));
	EXPECT_EQ(0, module_load("af_wren", ""));
}

TEST_F(load, family_of_choice)
{
	int fd;

	ASSERT_EQ(0, module_load("knet", ""));
	EXPECT_EQ(-1, socket(OTHER_FAMILY, SOCK_DGRAM, 0));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	ASSERT_EQ(0, module_load("af_wren", "family=19"));
	EXPECT_TRUE(kmsg_has(self->log, "af_wren", "19"));
	fd = socket(OTHER_FAMILY, SOCK_DGRAM, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(OTHER_FAMILY, sockopt(fd, SO_DOMAIN));
	EXPECT_EQ(-1, socket(AF_WREN_DEFAULT, SOCK_DGRAM, 0));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	close(fd);
}

TEST_F(load, ethertype_out_of_range)
{
	ASSERT_EQ(0, module_load("knet", ""));
	EXPECT_EQ(-EINVAL, module_load("af_wren", "ethertype=0"));
	EXPECT_EQ(-EINVAL, module_load("af_wren", "ethertype=0x5ff"));
	EXPECT_EQ(-EINVAL, module_load("af_wren", "ethertype=0x10000"));
	EXPECT_FALSE(module_loaded("af_wren"));
	EXPECT_EQ(0, module_load("af_wren", "ethertype=0x88b6"));
}

TEST_F(load, family_is_gone_after_unload)
{
	ASSERT_EQ(0, modules_load());
	EXPECT_EQ(0, proto_sockets());
	ASSERT_EQ(0, module_unload("af_wren"));
	EXPECT_EQ(-1, proto_sockets());
	EXPECT_EQ(-EAFNOSUPPORT, wren_socket(0));
}

TEST_F(load, kind_is_gone_after_unload)
{
	ASSERT_EQ(0, modules_load());
	ASSERT_EQ(0, module_unload("wren_nic"));
	EXPECT_EQ(-EOPNOTSUPP, link_add_pair("wren-a", "wren-b", -1, 1));
}

TEST_F(load, knet_is_in_use)
{
	ASSERT_EQ(0, modules_load());
	EXPECT_EQ(-EWOULDBLOCK, module_unload("knet"));
	ASSERT_EQ(0, module_unload("af_wren"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("knet"));
	ASSERT_EQ(0, module_unload("wren_nic"));
	EXPECT_EQ(0, module_unload("knet"));
}

TEST_F(load, open_socket_keeps_family)
{
	int fd;

	ASSERT_EQ(0, modules_load());
	fd = wren_socket(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, module_unload("af_wren"));
	close(fd);
	EXPECT_TRUE(eventually(module_unload("af_wren") == 0));
}

/* C59: the last packet in flight keeps the module, not the file descriptor. */
TEST_F(load, c59_packets_in_flight_keep_family)
{
	struct sockaddr_wren to;
	struct link link;
	char data[LEN] = {};
	int tx, i;

	ASSERT_EQ(0, modules_load());
	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	to = wren_addr(0, PORT, link.b.mac);
	tx = wren_bound(&link.a, PORT);
	ASSERT_EQ(0, wire_stop(&link));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(LEN, wren_sendto(tx, data, LEN, 0, &to));
	close(tx);

	EXPECT_TRUE(stays(module_unload("af_wren") == -EWOULDBLOCK, 300));
	ASSERT_EQ(0, wire_run(&link));
	EXPECT_TRUE(eventually(module_unload("af_wren") == 0));
	link_teardown(&link);
}

/* Devices do not keep their driver: they are deleted with it. */
TEST_F(load, unload_deletes_devices)
{
	ASSERT_EQ(0, modules_load());
	ASSERT_EQ(0, link_add_pair("wren-a", "wren-b", -1, 4));
	ASSERT_EQ(0, link_up("wren-a", true));
	ASSERT_EQ(0, link_up("wren-b", true));
	EXPECT_EQ(0, module_unload("wren_nic"));
	EXPECT_FALSE(link_exists("wren-a"));
	EXPECT_FALSE(link_exists("wren-b"));
}

/* A writer that sleeps on a device whose driver goes, bytes in its ring. */
TEST_F(load, c48_unload_wakes_writer)
{
	struct writer writer = { .len = LEN };
	struct link link;

	ASSERT_EQ(0, modules_load());
	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	writer.to = wren_addr(0, PORT, link.b.mac);
	writer.fd = wren_bound(&link.a, PORT);
	ASSERT_EQ(0, set_sockopt(writer.fd, SO_SNDBUF, 0));
	ASSERT_EQ(0, wire_stop(&link));
	ASSERT_EQ(0, writer_start(&writer));
	ASSERT_TRUE(writer_sleeps(&writer));

	EXPECT_EQ(0, module_unload("wren_nic"));
	EXPECT_TRUE(eventually(writer.done));
	EXPECT_NE(0, writer.error);
	EXPECT_EQ(0, writer_join(&writer));
	EXPECT_TRUE(eventually(outq(writer.fd) == 0));
	close(writer.fd);
	EXPECT_TRUE(eventually(module_unload("af_wren") == 0));
}

TEST_HARNESS_MAIN
