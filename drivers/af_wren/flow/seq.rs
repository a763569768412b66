// SPDX-License-Identifier: GPL-2.0

//! Numbers on a circle.

use core::ops::{
    Add,
    Sub, //
};

/// A number modulo 2^32: a sequence number or a time stamp. It is before those of the half circle
/// that follows it. That is not an order: of three numbers each may be before the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seq(u32);

impl Seq {
    pub(crate) const fn new(value: u32) -> Self {
        Self(value)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// As the macro `before()` of TCP.
    pub(crate) const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Steps from `earlier` to here.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Steps from `other` to here, or 0 if it is not before.
    pub(crate) const fn beyond(self, other: Self) -> u32 {
        if self.after(other) {
            self.since(other)
        } else {
            0
        }
    }

    pub(crate) const fn later(self, other: Self) -> Self {
        if self.before(other) {
            other
        } else {
            self
        }
    }

    pub(crate) const fn earlier(self, other: Self) -> Self {
        if self.after(other) {
            other
        } else {
            self
        }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, steps: u32) -> Self {
        Self(self.0.wrapping_add(steps))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, steps: u32) -> Self {
        Self(self.0.wrapping_sub(steps))
    }
}
