// SPDX-License-Identifier: GPL-2.0

//! `drivers/af_wren/flow`, as it is compiled into the module: without `std`, without unsafe code.
//! The tests are what it is here for.

#![cfg_attr(not(test), no_std, allow(dead_code, unused_imports))]
#![forbid(unsafe_code)]

#[path = "../../../drivers/af_wren"]
mod af_wren {
    pub(crate) mod flow;
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod host;
#[cfg(test)]
mod net;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod wire;
