/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's kselftest harness, with what all tests of sockets share. */
#ifndef WREN_TEST_HARNESS_H
#define WREN_TEST_HARNESS_H

#include "kselftest_harness.h"

#include "sock.h"

/* A kernel with KASAN on an emulated machine is slow, not broken. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 90

#endif
