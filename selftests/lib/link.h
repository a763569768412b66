/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Links for tests: two Ethernet devices in two network namespaces that are
 * joined by a wire, and a hand on that wire.
 */
#ifndef WREN_TEST_LINK_H
#define WREN_TEST_LINK_H

#include <linux/if_ether.h>
#include <net/if.h>
#include <stdbool.h>

/* All of these work in the network namespace of the caller: 0 or -errno. */
int link_add_pair(const char *name, const char *peer, int peer_ns, int queues);
int link_del(const char *name);
int link_rename(const char *name, const char *to);
int link_move(const char *name, int ns);
int link_up(const char *name, bool up);
int link_mtu(const char *name);
int link_mac(const char *name, unsigned char mac[ETH_ALEN]);
bool link_exists(const char *name);
bool link_running(const char *name);
int link_set_mtu(const char *name, int mtu);
/* Mb/s; 0 stops the wire of a wren device, WIRE_FAST takes the limit off */
int link_speed(const char *name, unsigned int mbps);

#define WIRE_FAST	((unsigned int)-1)

/* What /proc/net/dev tells */
struct link_stats {
	long long rx_bytes;
	long long rx_packets;
	long long rx_errors;
	long long rx_dropped;
	long long tx_bytes;
	long long tx_packets;
	long long tx_errors;
	long long tx_dropped;
};

int link_stats(const char *name, struct link_stats *stats);

/* The sizes of the rings, or the channels */
struct shape {
	unsigned int rx;
	unsigned int tx;
};

int link_rings(const char *name, struct shape *shape);
int link_set_rings(const char *name, struct shape shape);
int link_channels(const char *name, struct shape *shape);
int link_set_channels(const char *name, struct shape shape);

/* Called right before and right after a request is given to the kernel */
struct link_hook {
	void (*before)(void);
	void (*after)(void);
};

extern struct link_hook link_request_hook;

/* Root qdiscs. tbf lets one packet pass at once, what follows has to wait. */
int qdisc_pfifo(const char *name, unsigned int packets);
int qdisc_tbf(const char *name, unsigned int bytes_per_second);
int qdisc_del(const char *name);

/* A new network namespace; the caller stays where it is. */
int ns_new(void);
/* Returns the namespace that the thread was in, which the caller closes. */
int ns_enter(int ns);
void ns_leave(int old);

enum link_kind {
	LINK_WREN,	/* two ends of a wren pair */
	LINK_PHYS,	/* two NICs with a cable: WREN_PHYS_A, WREN_PHYS_B */
};

struct end {
	int ns;
	int index;
	char name[IFNAMSIZ];
	unsigned char mac[ETH_ALEN];
};

struct link {
	enum link_kind kind;
	struct end a;
	struct end b;
};

/* Does this machine have such a link? */
bool link_there(enum link_kind kind);
/* Why a test of LINK_PHYS is skipped */
#define NO_NICS	"WREN_PHYS_A and WREN_PHYS_B are not set"
/* Both ends up, with carrier, and the caller in the namespace of end a. */
int link_setup(struct link *link, enum link_kind kind);
void link_teardown(struct link *link);

/* The wire in the direction from a to b. */
int wire_stop(struct link *link);
int wire_slow(struct link *link);
int wire_run(struct link *link);

/* Microseconds that a packet of so many bytes takes on the slow wire, at least */
#define WIRE_SLOW_MBPS		1
#define WIRE_SLOW_USEC(bytes)	((bytes) * 8 / WIRE_SLOW_MBPS)

#endif
