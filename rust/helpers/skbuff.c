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

/* Users of the page that a fragment lies in; 0 if it lies in none. */
__knet_helper int knet_helper_skb_frag_page_count(const skb_frag_t *frag)
{
	struct page *page = skb_frag_page(frag);

	return page ? page_count(page) : 0;
}

__knet_helper int knet_helper_skb_orphan_frags(struct sk_buff *skb, gfp_t gfp_mask)
{
	return skb_orphan_frags(skb, gfp_mask);
}

__knet_helper int knet_helper_skb_orphan_frags_rx(struct sk_buff *skb, gfp_t gfp_mask)
{
	return skb_orphan_frags_rx(skb, gfp_mask);
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

/* skb_add_rx_frag() for memory that is known by its address. */
__knet_helper void knet_helper_skb_add_rx_frag_virt(struct sk_buff *skb, int i, void *data,
						    int size, unsigned int truesize)
{
	struct page *page = virt_to_head_page(data);

	skb_add_rx_frag(skb, i, page, data - page_address(page), size, truesize);
}

/* Copies a part of a fragment that is made of pages. */
__knet_helper void knet_helper_skb_frag_read(const skb_frag_t *frag, u32 off, void *to, u32 len)
{
	u32 p_off, p_len, copied;
	struct page *p;
	void *vaddr;

	skb_frag_foreach_page(frag, skb_frag_off(frag) + off, len, p, p_off, p_len, copied) {
		vaddr = kmap_local_page(p);
		memcpy(to + copied, vaddr + p_off, p_len);
		kunmap_local(vaddr);
	}
}
