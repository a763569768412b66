// SPDX-License-Identifier: GPL-2.0

#include <linux/refcount.h>

__knet_helper void knet_helper_refcount_add(int i, refcount_t *r)
{
	refcount_add(i, r);
}

__knet_helper bool knet_helper_refcount_add_not_zero(int i, refcount_t *r)
{
	return refcount_add_not_zero(i, r);
}

__knet_helper bool knet_helper_refcount_sub_and_test(int i, refcount_t *r)
{
	return refcount_sub_and_test(i, r);
}
