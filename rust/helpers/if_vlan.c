// SPDX-License-Identifier: GPL-2.0

#include <linux/if_vlan.h>

__knet_helper int knet_helper___vlan_insert_tag(struct sk_buff *skb, __be16 vlan_proto,
						u16 vlan_tci)
{
	return __vlan_insert_tag(skb, vlan_proto, vlan_tci);
}
