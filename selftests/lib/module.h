/* SPDX-License-Identifier: GPL-2.0 */
/* Loading and unloading the modules: 0 or -errno. */
#ifndef WREN_TEST_MODULE_H
#define WREN_TEST_MODULE_H

#include <stdbool.h>

/* From the directory that WREN_KO names */
int module_load(const char *name, const char *parameters);
/* Never waits: -EWOULDBLOCK (EAGAIN) if it is in use */
int module_unload(const char *name);
bool module_loaded(const char *name);

/* All three, in their order; stops at the first error */
int modules_load(void);
int modules_unload(void);

/* The kernel log since it was opened: does a line contain both? */
int kmsg_open(void);
bool kmsg_has(int fd, const char *one, const char *other);

#endif
