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
 * @zero: sent as zero; a frame with another value is dropped
 */
struct wrenhdr {
	__u8	version;
	__u8	type;
	__be16	sport;
	__be16	dport;
	__be16	len;
	__be32	zero;
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
