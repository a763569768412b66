// SPDX-License-Identifier: GPL-2.0

#include <linux/skbuff.h>

__knet_helper void knet_helper_skb_tx_timestamp(struct sk_buff *skb)
{
	skb_tx_timestamp(skb);
}

__knet_helper void knet_helper_nf_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}

__knet_helper struct sk_buff *knet_helper_skb_get(struct sk_buff *skb)
{
	return skb_get(skb);
}

__knet_helper struct sk_buff *knet_helper_skb_share_check(struct sk_buff *skb, gfp_t pri)
{
	return skb_share_check(skb, pri);
}

__knet_helper void knet_helper_skb_queue_purge(struct sk_buff_head *list)
{
	skb_queue_purge(list);
}

/* Length of the first packet, or 0. */
__knet_helper unsigned int knet_helper_skb_queue_first_len(struct sk_buff_head *list)
{
	struct sk_buff *skb;
	unsigned int len = 0;

	spin_lock_bh(&list->lock);
	skb = skb_peek(list);
	if (skb)
		len = skb->len;
	spin_unlock_bh(&list->lock);
	return len;
}
