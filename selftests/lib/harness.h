/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's kselftest harness, with what all tests of sockets share. */
#ifndef WREN_TEST_HARNESS_H
#define WREN_TEST_HARNESS_H

#include "kselftest_harness.h"

#include "sock.h"

/*
 * A kernel with KASAN on an emulated machine that has others beside it is slow,
 * not broken: longer than a test takes in which several waits come to nothing.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 400

#endif
