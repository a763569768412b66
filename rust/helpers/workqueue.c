// SPDX-License-Identifier: GPL-2.0

#include <linux/workqueue.h>

__knet_helper void knet_helper_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

__knet_helper bool knet_helper_queue_bh_work(struct work_struct *work)
{
	return queue_work(system_bh_wq, work);
}
