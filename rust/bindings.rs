// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `bindings/bindings.h` and `helpers/helpers.c`.
//!
//! Only knet uses this module. A driver that needs something from here needs a safe abstraction in
//! knet instead.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

// Types that the `kernel` crate hands out, see `bindings/parameters`.
use kernel::bindings::{
    file,
    iov_iter,
    module,
    poll_table_struct,
    seq_file, //
};
use kernel::ffi;

type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(concat!(env!("KNET_GENERATED"), "/bindings_generated.rs"));
include!(concat!(env!("KNET_GENERATED"), "/helpers_generated.rs"));
