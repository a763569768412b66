// SPDX-License-Identifier: GPL-2.0

//! Sockets that are to send on, a list for each CPU, and what goes through the list: a tasklet, or
//! a work item that runs as a bottom half.
//!
//! C headers: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h),
//! [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::Tsq;
use crate::bindings;
use core::{
    cell::UnsafeCell,
    mem::{
        align_of,
        offset_of,
        size_of, //
    },
    ptr, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
};

/// What a socket is to do that comes off a list.
///
/// # Safety
///
/// Called once for each [`push`], with bottom halves disabled.
pub(super) type Run = unsafe fn(*const Tsq);

/// The place of a socket in a list.
///
/// The fields are written by who queues the socket, before it is in the list.
pub(super) struct Node {
    next: UnsafeCell<*const Tsq>,
    run: UnsafeCell<Option<Run>>,
}

impl Node {
    pub(super) const fn new() -> Self {
        Self {
            next: UnsafeCell::new(ptr::null()),
            run: UnsafeCell::new(None),
        }
    }
}

/// What each CPU has.
///
/// # Invariants
///
/// `head` is null, or the first of a list of nodes that each were given to [`push`] and did not run
/// since.
struct Cpu {
    head: Atomic<*mut Tsq>,
    tasklet: bindings::tasklet_struct,
    work: bindings::work_struct,
    by_work: bool,
}

/// The lists of all CPUs, a pointer as `alloc_percpu` returns it: set while there is a [`Queues`].
static CPUS: Atomic<*mut Cpu> = Atomic::new(ptr::null_mut());

/// The lists, and what goes through them. There is one of these, in the module.
///
/// # Invariants
///
/// The pointer is to initialised `Cpu`s, one for each CPU that there can be, and is in [`CPUS`].
pub(crate) struct Queues(*mut Cpu);

// SAFETY: What it points to is made for all CPUs.
unsafe impl Send for Queues {}
// SAFETY: As above.
unsafe impl Sync for Queues {}

/// The CPUs that there can be.
fn possible_cpus() -> impl Iterator<Item = c_uint> {
    let next = |cpu| {
        // SAFETY: FFI calls without requirements.
        let (cpu, end) = unsafe { (bindings::next_possible_cpu(cpu), bindings::nr_cpu_ids()) };
        (cpu < end).then_some(cpu)
    };
    core::iter::successors(next(0), move |cpu| next(cpu + 1))
}

impl Queues {
    /// Makes the lists. `by_work`: work items go through them, not tasklets.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if there are such already.
    pub(crate) fn new(by_work: bool) -> Result<Self> {
        // SAFETY: An FFI call without requirements.
        let cpus = unsafe { bindings::__alloc_percpu(size_of::<Cpu>(), align_of::<Cpu>()) };
        let cpus: *mut Cpu = cpus.cast();
        if cpus.is_null() {
            return Err(ENOMEM);
        }
        for n in possible_cpus() {
            // SAFETY: The memory of each CPU is there, zeroed, and nobody else knows of it.
            unsafe {
                let cpu: *mut Cpu = bindings::per_cpu_ptr(cpus.cast(), n).cast();
                (&raw mut (*cpu).head).write(Atomic::new(ptr::null_mut()));
                (&raw mut (*cpu).by_work).write(by_work);
                bindings::tasklet_setup(&raw mut (*cpu).tasklet, Some(tasklet));
                bindings::init_work(&raw mut (*cpu).work, Some(work));
            }
        }
        // INVARIANT: They are all initialised.
        if CPUS.cmpxchg(ptr::null_mut(), cpus, Full).is_err() {
            // SAFETY: Nobody has seen it.
            unsafe { bindings::free_percpu(cpus.cast()) };
            return Err(EBUSY);
        }
        Ok(Self(cpus))
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        // The modules that queue sockets depend on this one, and are gone.
        CPUS.store(ptr::null_mut(), Relaxed);
        for n in possible_cpus() {
            // SAFETY: Both were initialised, and nobody schedules them any more.
            unsafe {
                let cpu: *mut Cpu = bindings::per_cpu_ptr(self.0.cast(), n).cast();
                bindings::tasklet_kill(&raw mut (*cpu).tasklet);
                bindings::cancel_work_sync(&raw mut (*cpu).work);
            }
        }
        // SAFETY: Nobody uses it any more.
        unsafe { bindings::free_percpu(self.0.cast()) };
    }
}

/// Puts a socket into the list of this CPU. `run` is called for it soon, in softirq.
///
/// Context: any.
///
/// # Safety
///
/// `tsq` is valid until `run` has been called, is in no list, and nobody else queues it meanwhile.
/// A module that can be loaded only after this one holds it.
pub(super) unsafe fn push(tsq: *const Tsq, run: Run) {
    // SAFETY: There are lists as long as there is a module that calls this. The task may move to
    // another CPU at any time, which does not matter: a list can be used by all.
    let cpu: &Cpu = unsafe { &*bindings::raw_cpu_ptr(CPUS.load(Relaxed).cast()).cast() };
    // SAFETY: The node is ours by the requirements of this function.
    unsafe { (*tsq).node.run.get().write(Some(run)) };
    let mut head = cpu.head.load(Relaxed);
    loop {
        // SAFETY: As above.
        unsafe { (*tsq).node.next.get().write(head) };
        // INVARIANT: The node was given to this function.
        match cpu.head.cmpxchg(head, tsq.cast_mut(), Full) {
            Ok(_) => break,
            Err(now) => head = now,
        }
    }
    if !head.is_null() {
        // Whoever was the first has seen to it.
        return;
    }
    // SAFETY: Both were initialised, and stay as long as the lists.
    unsafe {
        if cpu.by_work {
            bindings::queue_bh_work((&raw const cpu.work).cast_mut());
        } else {
            bindings::tasklet_schedule((&raw const cpu.tasklet).cast_mut());
        }
    }
}

impl Cpu {
    /// Takes all sockets off the list, and lets them run in the order in which they came.
    ///
    /// # Safety
    ///
    /// Bottom halves are disabled.
    unsafe fn run(&self) {
        let mut list: *const Tsq = self.head.xchg(ptr::null_mut(), Full);
        let mut first = ptr::null();
        while !list.is_null() {
            // SAFETY: What is in the list is valid, and ours now.
            let next = unsafe { (*list).node.next.get().replace(first) };
            first = list;
            list = next;
        }
        while !first.is_null() {
            let tsq = first;
            // SAFETY: As above. It may be queued again, or be gone, as soon as it runs.
            unsafe {
                first = *(*tsq).node.next.get();
                if let Some(run) = *(*tsq).node.run.get() {
                    run(tsq);
                }
            }
        }
    }
}

/// # Safety
///
/// Called as the tasklet of a `Cpu`. That is not always this one: what a CPU has left when it goes
/// offline another one does.
unsafe extern "C" fn tasklet(t: *mut bindings::tasklet_struct) {
    // SAFETY: By the requirements of this function.
    unsafe { (*t.byte_sub(offset_of!(Cpu, tasklet)).cast::<Cpu>()).run() };
}

/// # Safety
///
/// Called as the work of a `Cpu`, on a workqueue of bottom halves.
unsafe extern "C" fn work(w: *mut bindings::work_struct) {
    // SAFETY: By the requirements of this function.
    unsafe { (*w.byte_sub(offset_of!(Cpu, work)).cast::<Cpu>()).run() };
}
