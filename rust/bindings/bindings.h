/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for knet, see Kbuild.
 */

#include <asm/ioctls.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/interrupt.h>
#include <linux/kallsyms.h>
#include <linux/mman.h>
#include <linux/mmzone.h>
#include <linux/if_vlan.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/page_frag_cache.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/workqueue.h>
#include <net/busy_poll.h>
#include <net/checksum.h>
#include <net/dropreason.h>
#include <net/gso.h>
#include <net/net_namespace.h>
#include <net/netdev_queues.h>
#include <net/netlink.h>
#include <net/netmem.h>
#include <net/rtnetlink.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <linux/wren.h>

/* Values that bindgen cannot compute from their macros. */
static const u32 ETHTOOL_COALESCE_USECS_VALUE = ETHTOOL_COALESCE_USECS;
static const u32 ETHTOOL_COALESCE_MAX_FRAMES_VALUE = ETHTOOL_COALESCE_MAX_FRAMES;
static const gfp_t GFP_ATOMIC_VALUE = GFP_ATOMIC;
static const gfp_t GFP_KERNEL_VALUE = GFP_KERNEL;
static const netdev_features_t NETIF_F_GSO_SOFTWARE_VALUE = NETIF_F_GSO_SOFTWARE;
static const netdev_features_t NETIF_F_GSO_ENCAP_ALL_VALUE = NETIF_F_GSO_ENCAP_ALL;
static const unsigned int KSYM_SYMBOL_LEN_VALUE = KSYM_SYMBOL_LEN;
static const size_t KMALLOC_MAX_SIZE_VALUE = KMALLOC_MAX_SIZE;
static const unsigned int MIN_NAPI_ID_VALUE = MIN_NAPI_ID;
static const unsigned int L1_CACHE_BYTES_VALUE = L1_CACHE_BYTES;
static const unsigned int MAX_TCP_HEADER_VALUE = MAX_TCP_HEADER;
static const unsigned int MAX_PAGE_ORDER_VALUE = MAX_PAGE_ORDER;
static const unsigned int SIOCINQ_VALUE = SIOCINQ;
static const unsigned int SIOCOUTQ_VALUE = SIOCOUTQ;
static const unsigned int SKB_CB_SIZE_VALUE = sizeof_field(struct sk_buff, cb);
static const unsigned int SK_BUFF_TRUESIZE_VALUE = SKB_DATA_ALIGN(sizeof(struct sk_buff));
static const unsigned int SKB_TRUESIZE_VALUE = SKB_TRUESIZE(0);
