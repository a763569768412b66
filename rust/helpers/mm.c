// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>

__knet_helper unsigned long knet_helper_totalram_pages(void)
{
	return totalram_pages();
}
