// SPDX-License-Identifier: GPL-2.0

#include <linux/cpumask.h>
#include <linux/percpu.h>

__knet_helper void __percpu *knet_helper___alloc_percpu(size_t size, size_t align)
{
	return __alloc_percpu(size, align);
}

__knet_helper void *knet_helper_per_cpu_ptr(void __percpu *ptr, unsigned int cpu)
{
	return per_cpu_ptr(ptr, cpu);
}

__knet_helper void *knet_helper_raw_cpu_ptr(void __percpu *ptr)
{
	return raw_cpu_ptr(ptr);
}

/* The first CPU from this one on that there can be, or nr_cpu_ids. */
__knet_helper unsigned int knet_helper_next_possible_cpu(unsigned int cpu)
{
	return find_next_bit(cpumask_bits(cpu_possible_mask), nr_cpu_ids, cpu);
}

__knet_helper unsigned int knet_helper_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}
