// SPDX-License-Identifier: GPL-2.0

#include <linux/seq_file_net.h>

__knet_helper struct net *knet_helper_seq_file_single_net(struct seq_file *seq)
{
	return seq_file_single_net(seq);
}
