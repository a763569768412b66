/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two sockets over a link: what most tests of datagrams begin with. Included
 * behind harness.h.
 */
#ifndef WREN_TEST_PAIR_H
#define WREN_TEST_PAIR_H

#include "sock.h"

/* The port of the socket at b */
#define PORT	1000
/* Payload of a datagram of which two fill the smallest send buffer */
#define LEN	1400

#define PAIR_MEMBERS							\
	struct link link;						\
	/* Where tx reaches rx */					\
	struct sockaddr_wren to;					\
	/* At a: bound to the device, with any port */			\
	int tx;								\
	/* At b: bound to the device, receives for LONG_MS */		\
	int rx

struct pair {
	PAIR_MEMBERS;
};

/* In FIXTURE(): the members by name, and all of them as self->pair */
#define PAIR_FIXTURE							\
	union {								\
		struct pair pair;					\
		struct {						\
			PAIR_MEMBERS;					\
		};							\
	}

/* Behind FIXTURE(): the variants of what runs over each kind of link */
#define OVER_EACH_LINK(fixture)						\
	FIXTURE_VARIANT(fixture) {					\
		enum link_kind kind;					\
	};								\
	FIXTURE_VARIANT_ADD(fixture, wren) {				\
		.kind = LINK_WREN,					\
	};								\
	FIXTURE_VARIANT_ADD(fixture, phys) {				\
		.kind = LINK_PHYS,					\
	}

/* 0 or -errno */
int pair_open(struct pair *pair, enum link_kind kind);

/* Sends LEN bytes from tx to rx: as wren_sendto(). */
int pair_send(const struct pair *pair, int flags);
/* Sends until nothing fits any more: the number of datagrams, or -errno. */
int pair_fill(const struct pair *pair);
/* Stops the wire and fills the smallest send buffer: as pair_fill(). */
int pair_jam(struct pair *pair);
/* Who sends from tx to rx */
struct writer pair_writer(const struct pair *pair);

#endif
