// SPDX-License-Identifier: GPL-2.0

#include <linux/bottom_half.h>

__knet_helper void knet_helper_local_bh_disable(void)
{
	local_bh_disable();
}

__knet_helper void knet_helper_local_bh_enable(void)
{
	local_bh_enable();
}
