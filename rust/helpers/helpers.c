// SPDX-License-Identifier: GPL-2.0
/*
 * C that Rust cannot call by itself: static inline functions and macros, one
 * file a header. Nothing else is written in C.
 *
 * Sorted alphabetically.
 */

#include <linux/compiler_types.h>

#ifdef __BINDGEN__
/* bindgen ignores inline functions. */
#define __knet_helper
#else
#define __knet_helper notrace
#endif

#include "bottom_half.c"
#include "if_vlan.c"
#include "interrupt.c"
#include "irqflags.c"
#include "mm.c"
#include "net.c"
#include "netdevice.c"
#include "percpu.c"
#include "refcount.c"
#include "skbuff.c"
#include "sock.c"
#include "workqueue.c"
