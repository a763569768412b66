// SPDX-License-Identifier: GPL-2.0
/* Links for tests, see link.h: rtnetlink, ethtool and namespaces, no programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kselftest.h>
#include <linux/wren.h>

#include "link.h"
#include "wait.h"

/* One full frame, and less than a second one of any size that tests send */
#define BURST_BYTES	1600

struct link_hook link_request_hook;

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct tcmsg tc;
		char space[2048];
	};
};

static void request_init(struct request *req, int type, int flags, size_t fixed)
{
	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = NLMSG_LENGTH(fixed);
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

static struct rtattr *attr_put(struct request *req, int type, const void *data,
			       size_t len)
{
	struct rtattr *attr = (void *)req + NLMSG_ALIGN(req->head.nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	req->head.nlmsg_len = NLMSG_ALIGN(req->head.nlmsg_len) +
			      RTA_ALIGN(attr->rta_len);
	return attr;
}

static struct rtattr *nest_begin(struct request *req, int type, const void *data,
				 size_t len)
{
	return attr_put(req, type, data, len);
}

static void nest_end(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (char *)req + req->head.nlmsg_len - (char *)nest;
}

/* Sends the request and waits for the kernel's answer: 0 or -errno. */
static int request_run(struct request *req)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char more[1024];
	} reply;
	int fd, ret;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;

	if (link_request_hook.before)
		link_request_hook.before();
	ret = send(fd, req, req->head.nlmsg_len, 0);
	if (link_request_hook.after)
		link_request_hook.after();
	if (ret >= 0)
		ret = recv(fd, &reply, sizeof(reply), 0);
	if (ret < 0)
		ret = -errno;
	else if (reply.head.nlmsg_type != NLMSG_ERROR)
		ret = -EPROTO;
	else
		ret = reply.error.error;

	close(fd);
	return ret;
}

int link_add_pair(const char *name, const char *peer, int peer_ns, int queues)
{
	struct ifinfomsg info = {};
	struct rtattr *linkinfo, *data, *nest;
	struct request req;

	request_init(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
		     sizeof(req.link));
	attr_put(&req, IFLA_IFNAME, name, strlen(name) + 1);
	attr_put(&req, IFLA_NUM_TX_QUEUES, &queues, sizeof(queues));
	attr_put(&req, IFLA_NUM_RX_QUEUES, &queues, sizeof(queues));
	linkinfo = nest_begin(&req, IFLA_LINKINFO, NULL, 0);
	attr_put(&req, IFLA_INFO_KIND, "wren", sizeof("wren"));
	data = nest_begin(&req, IFLA_INFO_DATA, NULL, 0);
	nest = nest_begin(&req, IFLA_WREN_PEER, &info, sizeof(info));
	attr_put(&req, IFLA_IFNAME, peer, strlen(peer) + 1);
	attr_put(&req, IFLA_NUM_TX_QUEUES, &queues, sizeof(queues));
	attr_put(&req, IFLA_NUM_RX_QUEUES, &queues, sizeof(queues));
	if (peer_ns >= 0)
		attr_put(&req, IFLA_NET_NS_FD, &peer_ns, sizeof(peer_ns));
	nest_end(&req, nest);
	nest_end(&req, data);
	nest_end(&req, linkinfo);

	return request_run(&req);
}

int link_del(const char *name)
{
	struct request req;

	request_init(&req, RTM_DELLINK, 0, sizeof(req.link));
	attr_put(&req, IFLA_IFNAME, name, strlen(name) + 1);
	return request_run(&req);
}

/* Sets one attribute of a device. */
static int link_set(const char *name, int type, const void *value, size_t len)
{
	struct request req;

	request_init(&req, RTM_NEWLINK, 0, sizeof(req.link));
	req.link.ifi_index = if_nametoindex(name);
	attr_put(&req, type, value, len);
	return request_run(&req);
}

int link_rename(const char *name, const char *to)
{
	return link_set(name, IFLA_IFNAME, to, strlen(to) + 1);
}

int link_move(const char *name, int ns)
{
	return link_set(name, IFLA_NET_NS_FD, &ns, sizeof(ns));
}

static int device_ioctl(unsigned long op, const char *name, struct ifreq *ifr)
{
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	ret = ioctl(fd, op, ifr) ? -errno : 0;
	close(fd);
	return ret;
}

int link_up(const char *name, bool up)
{
	struct ifreq ifr = {};
	int ret;

	ret = device_ioctl(SIOCGIFFLAGS, name, &ifr);
	if (ret)
		return ret;
	if (up)
		ifr.ifr_flags |= IFF_UP;
	else
		ifr.ifr_flags &= ~IFF_UP;
	return device_ioctl(SIOCSIFFLAGS, name, &ifr);
}

bool link_running(const char *name)
{
	struct ifreq ifr = {};

	return !device_ioctl(SIOCGIFFLAGS, name, &ifr) &&
	       (ifr.ifr_flags & IFF_RUNNING);
}

bool link_exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

int link_mtu(const char *name)
{
	struct ifreq ifr = {};
	int ret = device_ioctl(SIOCGIFMTU, name, &ifr);

	return ret ?: ifr.ifr_mtu;
}

int link_mac(const char *name, unsigned char mac[ETH_ALEN])
{
	struct ifreq ifr = {};
	int ret = device_ioctl(SIOCGIFHWADDR, name, &ifr);

	if (!ret)
		memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	return ret;
}

int link_set_mtu(const char *name, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return device_ioctl(SIOCSIFMTU, name, &ifr);
}

int link_speed(const char *name, unsigned int mbps)
{
	struct {
		struct ethtool_link_settings base;
		__u32 masks[3 * 128];
	} settings = { .base.cmd = ETHTOOL_GLINKSETTINGS };
	struct ifreq ifr = { .ifr_data = (void *)&settings };
	int ret;

	/* The first call only tells how long the masks are, as -words. */
	ret = device_ioctl(SIOCETHTOOL, name, &ifr);
	if (ret)
		return ret;
	settings.base.link_mode_masks_nwords *= -1;
	settings.base.cmd = ETHTOOL_GLINKSETTINGS;
	ret = device_ioctl(SIOCETHTOOL, name, &ifr);
	if (ret)
		return ret;

	settings.base.cmd = ETHTOOL_SLINKSETTINGS;
	settings.base.speed = mbps;
	settings.base.duplex = DUPLEX_FULL;
	settings.base.autoneg = AUTONEG_DISABLE;
	return device_ioctl(SIOCETHTOOL, name, &ifr);
}

int link_stats(const char *name, struct link_stats *stats)
{
	FILE *file = fopen("/proc/thread-self/net/dev", "re");
	char line[512], found[IFNAMSIZ];
	int ret = -ENODEV;

	if (!file)
		return -errno;
	while (ret && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %15[^:]: %lld%lld%lld%lld %*d%*d%*d%*d %lld%lld%lld%lld", found,
			   &stats->rx_bytes, &stats->rx_packets, &stats->rx_errors,
			   &stats->rx_dropped, &stats->tx_bytes, &stats->tx_packets,
			   &stats->tx_errors, &stats->tx_dropped) == 9 &&
		    !strcmp(found, name))
			ret = 0;
	}
	fclose(file);
	return ret;
}

int link_rings(const char *name, struct shape *shape)
{
	struct ethtool_ringparam param = { .cmd = ETHTOOL_GRINGPARAM };
	struct ifreq ifr = { .ifr_data = (void *)&param };
	int ret = device_ioctl(SIOCETHTOOL, name, &ifr);

	*shape = (struct shape){ param.rx_pending, param.tx_pending };
	return ret;
}

int link_set_rings(const char *name, struct shape shape)
{
	struct ethtool_ringparam param = {
		.cmd = ETHTOOL_SRINGPARAM,
		.rx_pending = shape.rx,
		.tx_pending = shape.tx,
	};
	struct ifreq ifr = { .ifr_data = (void *)&param };

	return device_ioctl(SIOCETHTOOL, name, &ifr);
}

int link_channels(const char *name, struct shape *shape)
{
	struct ethtool_channels param = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq ifr = { .ifr_data = (void *)&param };
	int ret = device_ioctl(SIOCETHTOOL, name, &ifr);

	*shape = (struct shape){ param.rx_count, param.tx_count };
	return ret;
}

int link_set_channels(const char *name, struct shape shape)
{
	struct ethtool_channels param = {
		.cmd = ETHTOOL_SCHANNELS,
		.rx_count = shape.rx,
		.tx_count = shape.tx,
	};
	struct ifreq ifr = { .ifr_data = (void *)&param };

	return device_ioctl(SIOCETHTOOL, name, &ifr);
}

static void qdisc_request(struct request *req, int type, int flags,
			  const char *name)
{
	request_init(req, type, flags, sizeof(req->tc));
	req->tc.tcm_family = AF_UNSPEC;
	req->tc.tcm_ifindex = if_nametoindex(name);
	req->tc.tcm_parent = TC_H_ROOT;
	req->tc.tcm_handle = TC_H_MAKE(1 << 16, 0);
}

int qdisc_pfifo(const char *name, unsigned int packets)
{
	struct tc_fifo_qopt opt = { .limit = packets };
	struct request req;

	qdisc_request(&req, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, name);
	attr_put(&req, TCA_KIND, "pfifo", sizeof("pfifo"));
	attr_put(&req, TCA_OPTIONS, &opt, sizeof(opt));
	return request_run(&req);
}

int qdisc_tbf(const char *name, unsigned int bytes_per_second)
{
	struct tc_tbf_qopt opt = {
		.rate.rate = bytes_per_second,
		.rate.linklayer = TC_LINKLAYER_ETHERNET,
		.limit = 16 << 20,
	};
	__u32 burst = BURST_BYTES;
	struct rtattr *options;
	struct request req;

	qdisc_request(&req, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, name);
	attr_put(&req, TCA_KIND, "tbf", sizeof("tbf"));
	options = nest_begin(&req, TCA_OPTIONS, NULL, 0);
	attr_put(&req, TCA_TBF_PARMS, &opt, sizeof(opt));
	attr_put(&req, TCA_TBF_BURST, &burst, sizeof(burst));
	nest_end(&req, options);
	return request_run(&req);
}

int qdisc_del(const char *name)
{
	struct request req;

	qdisc_request(&req, RTM_DELQDISC, 0, name);
	return request_run(&req);
}

int ns_enter(int ns)
{
	int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (old < 0 || setns(ns, CLONE_NEWNET)) {
		perror("# setns");
		exit(1);
	}
	return old;
}

void ns_leave(int old)
{
	close(ns_enter(old));
	close(old);
}

/* Tests count packets: IPv6 must not send any of its own. */
static void no_ipv6(void)
{
	static const char * const conf[] = { "all", "default" };
	char path[64];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(conf); i++) {
		snprintf(path, sizeof(path),
			 "/proc/sys/net/ipv6/conf/%s/disable_ipv6", conf[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) != 1)
			perror("# disable_ipv6");
		close(fd);
	}
}

int ns_new(void)
{
	int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int ns;

	if (old < 0 || unshare(CLONE_NEWNET))
		return -errno;
	no_ipv6();
	ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ns_leave(old);
	return ns < 0 ? -errno : ns;
}

/* WREN_PHYS_A and WREN_PHYS_B say "<file of the namespace>:<device>". */
static int phys_end(struct end *end, const char *variable)
{
	const char *value = getenv(variable), *colon;
	char path[128];

	colon = value ? strrchr(value, ':') : NULL;
	if (!colon || !colon[1])
		return -ENODEV;

	snprintf(path, sizeof(path), "%.*s", (int)(colon - value), value);
	snprintf(end->name, sizeof(end->name), "%s", colon + 1);
	end->ns = open(path, O_RDONLY | O_CLOEXEC);
	return end->ns < 0 ? -errno : 0;
}

static int end_up(struct end *end)
{
	int old = ns_enter(end->ns);
	int ret;

	ret = link_up(end->name, true);
	if (!ret)
		ret = link_mac(end->name, end->mac);
	end->index = if_nametoindex(end->name);
	ns_leave(old);
	return ret;
}

bool link_there(enum link_kind kind)
{
	return kind == LINK_WREN ||
	       (getenv("WREN_PHYS_A") && getenv("WREN_PHYS_B"));
}

int link_setup(struct link *link, enum link_kind kind)
{
	int ret;

	memset(link, 0, sizeof(*link));
	link->kind = kind;

	if (kind == LINK_PHYS) {
		ret = phys_end(&link->a, "WREN_PHYS_A") ?:
		      phys_end(&link->b, "WREN_PHYS_B");
		if (ret)
			return ret;
	} else {
		link->a.ns = ns_new();
		link->b.ns = ns_new();
		if (link->a.ns < 0 || link->b.ns < 0)
			return -EMFILE;
		snprintf(link->a.name, sizeof(link->a.name), "wren-a");
		snprintf(link->b.name, sizeof(link->b.name), "wren-b");
	}

	ns_enter(link->a.ns);
	if (kind == LINK_WREN)
		ret = link_add_pair(link->a.name, link->b.name, link->b.ns, 1);
	else
		ret = 0;
	ret = ret ?: end_up(&link->a) ?: end_up(&link->b);
	if (ret)
		return ret;

	if (!eventually(link_running(link->a.name)))
		return -ENETDOWN;
	return kind == LINK_WREN ? qdisc_pfifo(link->a.name, 1000) : 0;
}

void link_teardown(struct link *link)
{
	if (link->a.ns <= 0)
		return;

	ns_enter(link->a.ns);
	if (link->kind == LINK_PHYS) {
		qdisc_del(link->a.name);
		end_up(&link->a);
		end_up(&link->b);
	} else {
		link_del(link->a.name);
	}
}

/* A frame of a type that nobody listens to; it starts the qdisc's engine. */
static int kick(struct link *link)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(WREN_ETHERTYPE_DEFAULT + 1),
		.sll_ifindex = link->a.index,
		.sll_halen = ETH_ALEN,
	};
	char payload[ETH_DATA_LEN] = {};
	int fd, ret;

	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(to.sll_addr, link->b.mac, ETH_ALEN);
	ret = sendto(fd, payload, sizeof(payload), 0, (void *)&to, sizeof(to));
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int wire_rate(struct link *link, unsigned int mbps)
{
	int old = ns_enter(link->a.ns);
	int ret;

	if (link->kind == LINK_WREN) {
		ret = link_speed(link->a.name, mbps);
		goto leave;
	}

	/*
	 * A real NIC has no brake: the token bucket in front of it is one. At a
	 * byte a second its first packet, which is ours, is also its last.
	 */
	if (mbps == WIRE_FAST)
		ret = qdisc_tbf(link->a.name, 1000000000);
	else if (mbps)
		ret = qdisc_tbf(link->a.name, mbps * 125000);
	else
		ret = qdisc_tbf(link->a.name, 1);
	if (!ret)
		ret = kick(link);
leave:
	ns_leave(old);
	return ret;
}

int wire_stop(struct link *link)
{
	return wire_rate(link, 0);
}

int wire_slow(struct link *link)
{
	return wire_rate(link, WIRE_SLOW_MBPS);
}

int wire_run(struct link *link)
{
	return wire_rate(link, WIRE_FAST);
}
