// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/netdev_queues.h>

__knet_helper void knet_helper_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

__knet_helper void knet_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

__knet_helper void knet_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

__knet_helper void knet_helper_netdev_lock(struct net_device *dev)
{
	netdev_lock(dev);
}

__knet_helper void knet_helper_netdev_unlock(struct net_device *dev)
{
	netdev_unlock(dev);
}

__knet_helper void knet_helper_netif_napi_add_locked(struct net_device *dev,
						     struct napi_struct *napi,
						     int (*poll)(struct napi_struct *, int))
{
	netif_napi_add_locked(dev, napi, poll);
}

__knet_helper void knet_helper_netif_napi_del(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

/*
 * GRO writes to the shared info of the packets that it merges, so it must not
 * get one whose data somebody else has, too: TCP keeps the original of all that
 * it sends. As veth does. What it holds names its device, which only that of
 * the instance is certain to outlive.
 */
__knet_helper void knet_helper_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	if (skb->dev != napi->dev || skb_unclone(skb, GFP_ATOMIC))
		netif_receive_skb(skb);
	else
		napi_gro_receive(napi, skb);
}

__knet_helper unsigned int knet_helper_num_possible_cpus(void)
{
	return num_possible_cpus();
}

/*
 * False if the caller has the lock already: it is in a transmit function of
 * that queue. And with interrupts disabled, as netpoll transmits: enabling BH
 * runs softirqs there, with whatever locks the caller has.
 */
__knet_helper bool knet_helper_netif_tx_lock_unless_owned(struct netdev_queue *txq)
{
	unsigned int cpu;

	if (in_hardirq() || irqs_disabled())
		return false;
	local_bh_disable();
	cpu = smp_processor_id();
	if (netif_tx_owned(txq, cpu)) {
		local_bh_enable();
		return false;
	}
	__netif_tx_lock(txq, cpu);
	return true;
}

__knet_helper void knet_helper_netif_tx_unlock_bh(struct netdev_queue *txq)
{
	__netif_tx_unlock_bh(txq);
}

__knet_helper void knet_helper_dev_core_stats_tx_dropped_inc(struct net_device *dev)
{
	dev_core_stats_tx_dropped_inc(dev);
}

/* The first half of netif_txq_try_stop(): stop, and a barrier before the recheck. */
__knet_helper void knet_helper_netif_tx_stop_queue_mb(struct netdev_queue *txq)
{
	netif_tx_stop_queue(txq);
	/* Pairs with the one in netdev_txq_completed_mb(). */
	smp_mb__after_atomic();
}

__knet_helper void knet_helper_netif_tx_start_queue(struct netdev_queue *txq)
{
	netif_tx_start_queue(txq);
}

/* Accounts, and returns whether another packet of the batch follows. */
__knet_helper bool knet_helper_netdev_tx_sent_queue_more(struct netdev_queue *txq,
							 unsigned int bytes)
{
	bool more = netdev_xmit_more();

	/* More is no packet, and dql_queued() warns of it. */
	bytes = min(bytes, DQL_MAX_OBJECT);
	__netdev_tx_sent_queue(txq, bytes, more);
	return more;
}

/* The first half of __netif_txq_completed_wake(). */
__knet_helper void knet_helper_netdev_tx_completed_queue_mb(struct netdev_queue *txq,
							    unsigned int pkts, unsigned int bytes)
{
#ifdef CONFIG_BQL
	/* dql_completed() BUGs where more is completed than was sent. */
	bytes = min(bytes, READ_ONCE(txq->dql.num_queued) - txq->dql.num_completed);
#endif
	netdev_txq_completed_mb(txq, pkts, bytes);
	if (!bytes) {
		/* As the one that is left out then: entries have become free. */
		smp_mb();
	}
}

__knet_helper void knet_helper_txq_trans_cond_update(struct netdev_queue *txq)
{
	txq_trans_cond_update(txq);
}

__knet_helper void knet_helper_netdev_tx_reset_queue(struct netdev_queue *txq)
{
	netdev_tx_reset_queue(txq);
}
