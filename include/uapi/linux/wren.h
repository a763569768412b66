/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of wren: the socket family AF_WREN and the link kind "wren".
 */
#ifndef _UAPI_LINUX_WREN_H
#define _UAPI_LINUX_WREN_H

#include <linux/types.h>
#include <linux/socket.h>
#include <linux/if_ether.h>

/*
 * There is no free address family number, so AF_WREN takes a slot that nothing
 * in the kernel uses: AF_ASH. The parameter "family" of the module af_wren
 * chooses another one; the module says in the kernel log which one it took.
 */
#define AF_WREN_DEFAULT		18

/* IEEE Std 802 - Local Experimental Ethertype 1 */
#define WREN_ETHERTYPE_DEFAULT	0x88B5

/**
 * struct sockaddr_wren - address of an AF_WREN socket
 * @swren_family: AF_WREN
 * @swren_port: port in network byte order; in bind() 0 asks for a free one
 * @swren_ifindex: interface index; in bind() 0 means any Ethernet device, in
 *	sendto() 0 means the device that the socket is bound to
 * @swren_mac: Ethernet address of the peer; in bind() it must be zero or the
 *	address of the device
 * @swren_zero: must be zero
 */
struct sockaddr_wren {
	__kernel_sa_family_t	swren_family;
	__be16			swren_port;
	__s32			swren_ifindex;
	__u8			swren_mac[ETH_ALEN];
	__u8			swren_zero[2];
};

#define WREN_VERSION		1

/* Values of wrenhdr.type */
#define WREN_TYPE_DGRAM		1

/**
 * struct wrenhdr - what follows the Ethernet header
 * @version: WREN_VERSION; a frame of another version is dropped
 * @type: WREN_TYPE_*
 * @sport: port of the sender, network byte order
 * @dport: port of the receiver, network byte order
 * @len: length of the payload in bytes, network byte order; what follows it in
 *	the frame is padding
 * @check: Internet checksum (RFC 1071) of the header and the payload, sent as
 *	0xffff where it is 0; or 0 for none
 * @zero: sent as zero; a frame with another value is dropped
 */
struct wrenhdr {
	__u8	version;
	__u8	type;
	__be16	sport;
	__be16	dport;
	__be16	len;
	__u16	check;
	__be16	zero;
};

/* Options of AF_WREN sockets: setsockopt(fd, SOL_WREN, ...) */
#define SOL_WREN		22354

/* struct wren_mreq: receive what is sent to a multicast address, or no more */
#define WREN_ADD_MEMBERSHIP	1
#define WREN_DROP_MEMBERSHIP	2
/* int: send with a checksum (1, the default) or without (0) */
#define WREN_CHECKSUM		3
/* struct wren_info: how full the buffers are; read only */
#define WREN_INFO		4
/* What recvmsg() with MSG_ERRQUEUE returns: struct sock_extended_err */
#define WREN_RECVERR		5

/**
 * struct wren_mreq - a multicast address on an interface
 * @wrenm_ifindex: interface index, or 0 for the one that the socket is bound to
 * @wrenm_mac: the multicast address
 * @wrenm_zero: must be zero
 */
struct wren_mreq {
	__s32	wrenm_ifindex;
	__u8	wrenm_mac[ETH_ALEN];
	__u8	wrenm_zero[2];
};

/* Multicast addresses that a socket may have joined at a time */
#define WREN_MAX_MEMBERSHIPS	32

/**
 * struct wren_info - how full the buffers of a socket are
 * @wreni_wmem: bytes that are charged to the send buffer: in a qdisc or a device
 * @wreni_sndbuf: size of the send buffer
 * @wreni_rmem: bytes that are charged to the receive buffer
 * @wreni_rcvbuf: size of the receive buffer
 * @wreni_drops: datagrams that came and were dropped, for want of room or by a
 *	filter
 * @wreni_memberships: multicast addresses that the socket has joined
 */
struct wren_info {
	__u32	wreni_wmem;
	__u32	wreni_sndbuf;
	__u32	wreni_rmem;
	__u32	wreni_rcvbuf;
	__u32	wreni_drops;
	__u32	wreni_memberships;
};

/* Attributes of the link kind "wren" in IFLA_INFO_DATA */
enum {
	IFLA_WREN_UNSPEC,
	IFLA_WREN_PEER,		/* struct ifinfomsg, then IFLA_* of the peer */
	IFLA_WREN_RING_SIZE,	/* u32: entries of each transmit ring */
	IFLA_WREN_SPEED,	/* u32: Mb/s away from the device, SPEED_UNKNOWN: no limit */

	__IFLA_WREN_MAX,
};

#define IFLA_WREN_MAX (__IFLA_WREN_MAX - 1)

#endif /* _UAPI_LINUX_WREN_H */
