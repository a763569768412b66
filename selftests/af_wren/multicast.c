// SPDX-License-Identifier: GPL-2.0
/* Multicast: who has joined hears it, and nobody else. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

#include "../lib/harness.h"
#include "../lib/pair.h"

static const unsigned char group[ETH_ALEN] = { 0x03, 0, 0, 0x77, 0x72, 1 };
static const unsigned char other_group[ETH_ALEN] = { 0x03, 0, 0, 0x77, 0x72, 2 };

FIXTURE(multicast) {
	PAIR_FIXTURE;
	struct wren_mreq mreq;
};

OVER_EACH_LINK(multicast);

FIXTURE_SETUP(multicast)
{
	if (!link_there(variant->kind))
		SKIP(return, NO_NICS);
	ASSERT_EQ(0, pair_open(&self->pair, variant->kind));
	self->mreq.wrenm_ifindex = self->link.b.index;
	memcpy(self->mreq.wrenm_mac, group, ETH_ALEN);
}

FIXTURE_TEARDOWN(multicast)
{
	link_teardown(&self->link);
}

static int join(int fd, const struct wren_mreq *mreq)
{
	return set_wrenopt(fd, WREN_ADD_MEMBERSHIP, mreq, sizeof(*mreq));
}

static int leave(int fd, const struct wren_mreq *mreq)
{
	return set_wrenopt(fd, WREN_DROP_MEMBERSHIP, mreq, sizeof(*mreq));
}

static int send_to_group(int fd, const char *text, const unsigned char *mac)
{
	struct sockaddr_wren to = wren_addr(0, PORT, mac);

	return wren_sendto(fd, text, strlen(text), 0, &to);
}

/* Sends to the group: does it arrive? */
static bool heard(int tx, int rx)
{
	char got[10] = "";

	return send_to_group(tx, "group", group) == 5 &&
	       wren_recv(rx, got, sizeof(got), 0) == 5;
}

/* A real device may be told of the group only after a while. */
static bool hears_group(int tx, int rx)
{
	bool hears;

	if (set_timeout(rx, SO_RCVTIMEO, 50))
		return false;
	hears = eventually(heard(tx, rx));
	return !set_timeout(rx, SO_RCVTIMEO, LONG_MS) && hears;
}

static bool deaf(int tx, int rx, const struct link *link)
{
	char got[10] = "";

	/* What came later than hears_group() waited for it */
	while (wren_recv(rx, got, sizeof(got), MSG_DONTWAIT) >= 0)
		;
	return send_to_group(tx, "group", group) == 5 &&
	       send_to_group(tx, "me", link->b.mac) == 2 &&
	       wren_recv(rx, got, sizeof(got), 0) == 2;
}

/* Does the device at b receive the group? */
static bool device_listens(const struct link *link)
{
	char line[256], name[IFNAMSIZ], addr[40];
	int old = ns_enter(link->b.ns);
	FILE *file = fopen("/proc/thread-self/net/dev_mcast", "re");
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*d %15s %*d %*d %39s", name, addr) == 2 &&
		    !strcmp(name, link->b.name) && !strcmp(addr, "030000777201"))
			found = true;
	}
	if (file)
		fclose(file);
	ns_leave(old);
	return found;
}

TEST_F(multicast, only_who_has_joined_hears)
{
	EXPECT_TRUE(deaf(self->tx, self->rx, &self->link));
	ASSERT_EQ(0, join(self->rx, &self->mreq));
	EXPECT_TRUE(hears_group(self->tx, self->rx));
	ASSERT_EQ(0, leave(self->rx, &self->mreq));
	EXPECT_TRUE(deaf(self->tx, self->rx, &self->link));
}

TEST_F(multicast, another_group_is_not_heard)
{
	memcpy(self->mreq.wrenm_mac, other_group, ETH_ALEN);
	ASSERT_EQ(0, join(self->rx, &self->mreq));
	EXPECT_TRUE(deaf(self->tx, self->rx, &self->link));
}

TEST_F(multicast, device_listens_as_long_as_somebody_does)
{
	int second = wren_bound(&self->link.b, PORT + 1);

	ASSERT_LE(0, second);
	EXPECT_FALSE(device_listens(&self->link));
	ASSERT_EQ(0, join(self->rx, &self->mreq));
	ASSERT_EQ(0, join(second, &self->mreq));
	EXPECT_TRUE(device_listens(&self->link));
	ASSERT_EQ(0, leave(self->rx, &self->mreq));
	EXPECT_TRUE(device_listens(&self->link));
	close(second);
	EXPECT_FALSE(device_listens(&self->link));
}

/* The interface that the socket is bound to is meant when none is named. */
TEST_F(multicast, bound_interface)
{
	self->mreq.wrenm_ifindex = 0;
	ASSERT_EQ(0, join(self->rx, &self->mreq));
	EXPECT_TRUE(device_listens(&self->link));
	EXPECT_TRUE(hears_group(self->tx, self->rx));
}

/* A socket that has joined has a port: without it would hear nothing. */
TEST_F(multicast, join_gives_a_port)
{
	int fd = wren_socket(0);

	ASSERT_LE(0, fd);
	self->mreq.wrenm_ifindex = self->link.a.index;
	ASSERT_EQ(0, join(fd, &self->mreq));
	EXPECT_LT(0, wren_port(fd));
}

TEST_F(multicast, bad_requests_are_refused)
{
	struct wren_mreq bad = self->mreq;
	int unbound = wren_socket(0);

	EXPECT_EQ(-EINVAL, set_wrenopt(self->rx, WREN_ADD_MEMBERSHIP, &bad,
				       sizeof(bad) - 1));
	EXPECT_EQ(-EFAULT, set_wrenopt(self->rx, WREN_ADD_MEMBERSHIP, (void *)8,
				       sizeof(bad)));
	EXPECT_EQ(-EADDRNOTAVAIL, leave(self->rx, &self->mreq));
	bad.wrenm_zero[0] = 1;
	EXPECT_EQ(-EINVAL, join(self->rx, &bad));
	bad = self->mreq;
	bad.wrenm_ifindex = 0x7fffffff;
	EXPECT_EQ(-ENODEV, join(self->rx, &bad));
	/* No port is taken for nothing. */
	EXPECT_EQ(-ENODEV, join(unbound, &bad));
	EXPECT_EQ(0, wren_port(unbound));
	bad.wrenm_ifindex = 0;
	EXPECT_EQ(-ENODEV, join(unbound, &bad));
	bad = self->mreq;
	bad.wrenm_mac[0] = 2;
	EXPECT_EQ(-EINVAL, join(self->rx, &bad));
	memset(bad.wrenm_mac, 0xff, ETH_ALEN);
	EXPECT_EQ(-EINVAL, join(self->rx, &bad));
	EXPECT_FALSE(device_listens(&self->link));

	ASSERT_EQ(0, join(self->rx, &self->mreq));
	EXPECT_EQ(-EADDRINUSE, join(self->rx, &self->mreq));
	EXPECT_EQ(0, leave(self->rx, &self->mreq));
	EXPECT_EQ(-EADDRNOTAVAIL, leave(self->rx, &self->mreq));
	EXPECT_FALSE(device_listens(&self->link));
}

TEST_F(multicast, number_of_groups_is_bounded)
{
	struct wren_info info;
	socklen_t len = sizeof(info);
	int i;

	for (i = 0; i < WREN_MAX_MEMBERSHIPS; i++) {
		self->mreq.wrenm_mac[4] = i;
		ASSERT_EQ(0, join(self->rx, &self->mreq));
	}
	self->mreq.wrenm_mac[4] = i;
	EXPECT_EQ(-ENOBUFS, join(self->rx, &self->mreq));
	ASSERT_EQ(0, getsockopt(self->rx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(WREN_MAX_MEMBERSHIPS, info.wreni_memberships);
	self->mreq.wrenm_mac[4] = 3;
	EXPECT_EQ(0, leave(self->rx, &self->mreq));
	EXPECT_EQ(0, join(self->rx, &self->mreq));
}

/* The membership goes with the device, and the socket can be closed all the same. */
TEST_F(multicast, device_that_goes)
{
	struct wren_info info;
	socklen_t len = sizeof(info);

	if (variant->kind != LINK_WREN)
		SKIP(return, "a real device stays");
	ASSERT_EQ(0, join(self->rx, &self->mreq));
	ASSERT_EQ(0, link_del(self->link.a.name));
	ASSERT_EQ(0, getsockopt(self->rx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(0, info.wreni_memberships);
	EXPECT_EQ(-EADDRNOTAVAIL, leave(self->rx, &self->mreq));
	EXPECT_EQ(0, close(self->rx));
}

/*
 * A tap becomes a device of another kind: its list must not keep what nobody
 * could take back, as the addresses have another length now.
 */
TEST_F(multicast, device_that_changes_its_type)
{
	struct ifreq ifr = { .ifr_name = "wren-tap", .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct link tap = { .b = self->link.a };
	struct wren_info info;
	socklen_t len = sizeof(info);
	int fd, rx = wren_socket(0);

	if (variant->kind != LINK_WREN)
		SKIP(return, "it is about no link");
	if (system("modprobe -q tun"))
		SKIP(return, "no tun in this kernel");
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, TUNSETIFF, &ifr));
	snprintf(tap.b.name, sizeof(tap.b.name), "%s", ifr.ifr_name);
	self->mreq.wrenm_ifindex = if_nametoindex(ifr.ifr_name);
	ASSERT_EQ(0, wren_bind(rx, self->mreq.wrenm_ifindex, PORT));
	ASSERT_EQ(0, join(rx, &self->mreq));
	ASSERT_TRUE(device_listens(&tap));
	ASSERT_EQ(0, ioctl(fd, TUNSETLINK, ARPHRD_INFINIBAND));
	ASSERT_EQ(0, getsockopt(rx, SOL_WREN, WREN_INFO, &info, &len));
	EXPECT_EQ(0, info.wreni_memberships);
	EXPECT_EQ(ENODEV, sockopt(rx, SO_ERROR));
	EXPECT_EQ(-ENODEV, join(rx, &self->mreq));
	ASSERT_EQ(0, ioctl(fd, TUNSETLINK, ARPHRD_ETHER));
	EXPECT_FALSE(device_listens(&tap));
	EXPECT_EQ(0, join(rx, &self->mreq));
	EXPECT_EQ(0, close(rx));
	EXPECT_FALSE(device_listens(&tap));
	close(fd);
}

TEST_HARNESS_MAIN
