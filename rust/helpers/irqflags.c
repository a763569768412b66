// SPDX-License-Identifier: GPL-2.0

#include <linux/irqflags.h>

/* Only for tests. */
#if IS_ENABLED(CONFIG_KUNIT)
__knet_helper void knet_helper_local_irq_disable(void)
{
	local_irq_disable();
}

__knet_helper void knet_helper_local_irq_enable(void)
{
	local_irq_enable();
}
#endif
