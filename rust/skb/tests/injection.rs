// SPDX-License-Identifier: GPL-2.0

//! Failing allocations: `fail_nth` of the running thread chooses the one that fails, as
//! `/proc/<pid>/fail-nth` does for a program.

use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

/// No case has so many allocations.
const MAX_FAILURES: u32 = 100;

/// A knob of fault injection that is turned for as long as this lives.
///
/// The files are in debugfs, and which variable one of them stands for is in its inode.
///
/// # Invariants
///
/// `variable` is that of the file, which is as old as the kernel and never goes.
pub(super) struct Knob<T: Copy> {
    variable: *mut T,
    before: T,
}

impl<T: Copy> Knob<T> {
    /// Turns the knob in the directory `dir`.
    ///
    /// # Safety
    ///
    /// The file is for a variable of type `T`.
    unsafe fn turn(dir: &CStr, file: &CStr, value: T) -> Result<Self> {
        // SAFETY: C checks what there is.
        let dir = unsafe { bindings::debugfs_lookup(dir.as_char_ptr(), ptr::null_mut()) };
        if dir.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: The references that C takes are given back. The variable is static.
        unsafe {
            let file = bindings::debugfs_lookup(file.as_char_ptr(), dir);
            bindings::dput(dir);
            if file.is_null() {
                return Err(ENOENT);
            }
            let variable: *mut T = (*(*file).d_inode).i_private.cast();
            bindings::dput(file);
            let before = variable.read_volatile();
            variable.write_volatile(value);
            // INVARIANT: It was found under its name.
            Ok(Self { variable, before })
        }
    }
}

impl<T: Copy> Drop for Knob<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { self.variable.write_volatile(self.before) };
    }
}

pub(super) type Knobs = (
    Knob<bool>,
    Knob<c_ulong>,
    Knob<bool>,
    Knob<c_ulong>,
    Knob<u32>,
);

/// Lets allocations fail that may sleep, and those of single pages, without a word in the log.
pub(super) fn all_allocations() -> Result<Knobs> {
    // SAFETY: The types are those of mm/failslab.c, mm/fail_page_alloc.c and `struct fault_attr`.
    unsafe {
        Ok((
            Knob::turn(c"failslab", c"ignore-gfp-wait", false)?,
            Knob::turn(c"failslab", c"verbose", 0)?,
            Knob::turn(c"fail_page_alloc", c"ignore-gfp-wait", false)?,
            Knob::turn(c"fail_page_alloc", c"verbose", 0)?,
            Knob::turn(c"fail_page_alloc", c"min-order", 0)?,
        ))
    }
}

/// Lets C move the buffer of a packet whenever it may, as it does when memory is short.
#[cfg(CONFIG_FAIL_SKB_REALLOC)]
pub(super) fn all_buffers_move() -> Result<(Knob<c_ulong>, Knob<i32>, Knob<c_ulong>)> {
    const DIR: &CStr = c"fail_skb_realloc";
    // SAFETY: The types are those of `struct fault_attr`.
    unsafe {
        Ok((
            Knob::turn(DIR, c"verbose", 0)?,
            Knob::turn(DIR, c"times", -1)?,
            Knob::turn(DIR, c"probability", 100)?,
        ))
    }
}

/// The allocation that is to fail.
pub(crate) struct Fault {
    nth: u32,
    happened: bool,
}

impl Fault {
    /// The `nth` one from the start of a step, counted from 1.
    pub(super) fn new(nth: u32) -> Self {
        Self {
            nth,
            happened: false,
        }
    }

    /// Whether there was one.
    pub(super) fn happened(&self) -> bool {
        self.happened
    }

    /// Calls `step` with that allocation failing.
    pub(crate) fn inject<R>(&mut self, step: impl FnOnce() -> R) -> R {
        let task = Task::current_raw();
        // SAFETY: A thread may write its own field at any time.
        unsafe { (&raw mut (*task).fail_nth).write_volatile(self.nth) };
        let result = step();
        // SAFETY: As above. What is left to count down is nothing if the failure has happened.
        unsafe {
            self.happened = (&raw const (*task).fail_nth).read_volatile() == 0;
            (&raw mut (*task).fail_nth).write_volatile(0);
        }
        result
    }
}

/// Runs `case` with one failure after the other until nothing is left to fail.
///
/// A case returns whether its step has succeeded; an error is one of the case itself. Returns how
/// many of the allocations made the step fail, which are at least one: else nothing was tested.
pub(crate) fn each_failure(mut case: impl FnMut(&mut Fault) -> Result<bool>) -> Result<u32> {
    // The allocator itself allocates now and then, and so do those who watch it. That moves the
    // others, and one of them may be missed; but not each time.
    const SWEEPS: u32 = 4;

    let _knobs = all_allocations()?;
    let mut most = 0;
    for _ in 0..SWEEPS {
        most = most.max(sweep(&mut case)?);
    }
    if most > 0 {
        Ok(most)
    } else {
        Err(EINVAL)
    }
}

/// Runs `case` with the first, the second ... failure, and without one in the end.
fn sweep(case: &mut impl FnMut(&mut Fault) -> Result<bool>) -> Result<u32> {
    let mut failed = 0;
    for nth in 1..MAX_FAILURES {
        let mut fault = Fault::new(nth);
        let ok = case(&mut fault)?;
        if !fault.happened() {
            return if ok { Ok(failed) } else { Err(EINVAL) };
        }
        failed += u32::from(!ok);
    }
    Err(ETIMEDOUT)
}
