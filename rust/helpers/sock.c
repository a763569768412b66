// SPDX-License-Identifier: GPL-2.0

#include <linux/rcupdate.h>
#include <net/sock.h>

__knet_helper void knet_helper_lock_sock(struct sock *sk)
{
	lock_sock(sk);
}

__knet_helper void knet_helper_bh_lock_sock(struct sock *sk)
{
	bh_lock_sock(sk);
}

__knet_helper void knet_helper_bh_unlock_sock(struct sock *sk)
{
	bh_unlock_sock(sk);
}

__knet_helper bool knet_helper_sock_owned_by_user(const struct sock *sk)
{
	return sock_owned_by_user(sk);
}

__knet_helper bool knet_helper_sk_fullsock(const struct sock *sk)
{
	return sk_fullsock(sk);
}

__knet_helper void knet_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

/* The second half of __sock_queue_rcv_skb(): the packet is charged already. */
__knet_helper void knet_helper_sock_queue_charged_skb(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff_head *list = &sk->sk_receive_queue;
	unsigned long flags;

	/* The device may go while the packet waits, and so may a route without a reference. */
	skb->dev = NULL;
	skb_dst_force(skb);

	spin_lock_irqsave(&list->lock, flags);
	sock_skb_set_dropcount(sk, skb);
	__skb_queue_tail(list, skb);
	spin_unlock_irqrestore(&list->lock, flags);

	if (!sock_flag(sk, SOCK_DEAD))
		sk->sk_data_ready(sk);
}

__knet_helper void knet_helper_sock_orphan(struct sock *sk)
{
	sock_orphan(sk);
}

__knet_helper void knet_helper_sock_set_rcu_free(struct sock *sk)
{
	sock_set_flag(sk, SOCK_RCU_FREE);
}

/* The counters of a namespace go with it, and a socket of the kernel does not hold it. */
__knet_helper void knet_helper_sock_prot_inuse_add(struct sock *sk, int val)
{
	if (sk->sk_net_refcnt)
		sock_prot_inuse_add(sock_net(sk), sk->sk_prot, val);
}

__knet_helper void knet_helper_sock_recv_cmsgs(struct msghdr *msg, struct sock *sk,
					       struct sk_buff *skb)
{
	sock_recv_cmsgs(msg, sk, skb);
}

__knet_helper void knet_helper_sk_add_node_rcu(struct sock *sk, struct hlist_head *list)
{
	sk_add_node_rcu(sk, list);
}

__knet_helper void knet_helper_sk_del_node_init_rcu(struct sock *sk)
{
	sk_del_node_init_rcu(sk);
}

__knet_helper void knet_helper_sk_add_bind_node(struct sock *sk, struct hlist_head *list)
{
	sk_add_bind_node(sk, list);
}

/* __sk_del_bind_node() leaves a node that looks as if it were in a list. */
__knet_helper void knet_helper_sk_del_bind_node_init(struct sock *sk)
{
	hlist_del_init(&sk->sk_bind_node);
}

/* A macro, and nothing where the kernel is preempted anyway. */
__knet_helper void knet_helper_cond_resched(void)
{
	cond_resched();
}

/* A macro where tasks are not preempted. */
__knet_helper void knet_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

__knet_helper int knet_helper_copy_from_sockptr(void *dst, sockptr_t src, size_t size)
{
	/* From user space it returns how many bytes are left. */
	return copy_from_sockptr(dst, src, size) ? -EFAULT : 0;
}

__knet_helper int knet_helper_sk_drops_read(const struct sock *sk)
{
	return sk_drops_read(sk);
}

__knet_helper void knet_helper_sk_drops_inc(struct sock *sk)
{
	sk_drops_inc(sk);
}

/* Time stamps and the time of departure, for a packet that is not sent yet. */
__knet_helper void knet_helper_skb_set_tx_time(struct sk_buff *skb, struct sock *sk,
					       const struct sockcm_cookie *sockc)
{
	if (sockc->transmit_time)
		skb_set_delivery_type_by_clockid(skb, sockc->transmit_time,
						 READ_ONCE(sk->sk_clockid));
	_sock_tx_timestamp(sk, sockc, &skb_shinfo(skb)->tx_flags, &skb_shinfo(skb)->tskey);
}
