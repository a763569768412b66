// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of the crate knet to the modules that use it, in the way
 * of the kernel's rust/exports.c: all as GPL-only, by their mangled names.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
