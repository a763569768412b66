// SPDX-License-Identifier: GPL-2.0

#include <linux/interrupt.h>

__knet_helper void knet_helper_tasklet_schedule(struct tasklet_struct *t)
{
	tasklet_schedule(t);
}
