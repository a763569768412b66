// SPDX-License-Identifier: GPL-2.0

//! Files below `/proc/net`, one in each network namespace.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::Namespace;
use crate::bindings;
use core::{
    marker::PhantomData,
    pin::Pin,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    seq_file::SeqFile,
    str::CStr,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Release, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// What a file shows.
pub trait ProcNet: Sized + Send + Sync + 'static {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Returns the `static` that belongs to this file, the same each time.
    fn entry() -> &'static ProcEntry<Self>;

    /// Writes the file of one namespace. If the result does not fit it is asked again, with more
    /// room.
    ///
    /// Context: process.
    fn show(&self, net: &Namespace, file: &SeqFile);
}

/// What C knows of a file: a `static` of the driver.
///
/// # Invariants
///
/// `data` is null, or points to the data in a live [`ProcRegistration`]. That stays alive for as
/// long as `readers`, added to before `data` was loaded, is not 0.
pub struct ProcEntry<P: ProcNet> {
    ops: Opaque<bindings::pernet_operations>,
    data: Atomic<*mut c_void>,
    readers: Atomic<i32>,
    _data: PhantomData<P>,
}

// SAFETY: The operations change only while they are not registered; the data is shared.
unsafe impl<P: ProcNet> Sync for ProcEntry<P> {}

impl<P: ProcNet> ProcEntry<P> {
    /// Makes one that is not registered.
    pub const fn new() -> Self {
        Self {
            ops: Opaque::zeroed(),
            data: Atomic::new(ptr::null_mut()),
            readers: Atomic::new(0),
            _data: PhantomData,
        }
    }

    /// Calls `f` with the data, if there is any, which stays for that time.
    fn with_data<R>(&self, f: impl FnOnce(&P) -> R) -> Option<R> {
        // Ordered against `withdraw`: either it sees the reader, or the reader does not see the
        // data.
        self.readers.fetch_add(1, Full);
        // SAFETY: By the type invariant.
        let data = unsafe { self.data.load(Acquire).cast::<P>().as_ref() };
        let result = data.map(f);
        self.readers.fetch_add(-1, Release);
        result
    }

    /// Takes the data away: when this returns nobody has it.
    ///
    /// Context: process; sleeps.
    fn withdraw(&self) {
        self.data.xchg(ptr::null_mut(), Full);
        // Those who read the file are gone with it. What is waited for are those of another one, if
        // `P::entry` was not true to its word.
        while self.readers.load(Acquire) != 0 {
            fsleep(Delta::from_millis(1));
        }
    }
}

impl<P: ProcNet> Default for ProcEntry<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// A file in each namespace, in those that are there and those that come. Dropping it removes them.
///
/// # Invariants
///
/// The operations of `entry` are registered, and its data is `data`.
#[pin_data(PinnedDrop)]
pub struct ProcRegistration<P: ProcNet> {
    entry: &'static ProcEntry<P>,
    data: Pin<KBox<P>>,
}

// SAFETY: The list of namespaces has its own locks; the data is shared.
unsafe impl<P: ProcNet> Send for ProcRegistration<P> {}
// SAFETY: As above.
unsafe impl<P: ProcNet> Sync for ProcRegistration<P> {}

impl<P: ProcNet> ProcRegistration<P> {
    /// Makes the files.
    ///
    /// # Errors
    ///
    /// `EBUSY` if they are there already, `ENOMEM`.
    ///
    /// C: [`register_pernet_subsys`](srctree/net/core/net_namespace.c),
    /// `proc_create_net_single`
    pub fn register(data: P) -> Result<Self> {
        let entry = P::entry();
        let data = KBox::pin(data, GFP_KERNEL)?;
        let pointer: *const P = &*data;
        // Whoever comes second must not write to what the first one has registered.
        entry
            .data
            .cmpxchg(ptr::null_mut(), pointer.cast_mut().cast(), Full)
            .map_err(|_| EBUSY)?;
        // SAFETY: Nothing is registered, so nobody reads it; zeroes are valid for the rest.
        let registered = to_result(unsafe {
            let ops = entry.ops.get();
            (&raw mut (*ops).init).write(Some(Self::init));
            (&raw mut (*ops).exit).write(Some(Self::exit));
            bindings::register_pernet_subsys(ops)
        });
        if let Err(e) = registered {
            entry.withdraw();
            return Err(e);
        }
        // INVARIANT: They are registered.
        Ok(Self { entry, data })
    }

    /// What the files show.
    pub fn data(&self) -> &P {
        &self.data
    }

    /// # Safety
    ///
    /// Called by the core for a namespace that comes.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        // SAFETY: The namespace is valid, and has its directory.
        let file = unsafe {
            bindings::proc_create_net_single(
                P::NAME.as_char_ptr(),
                0o444,
                (*net).proc_net,
                Some(Self::show),
                ptr::null_mut(),
            )
        };
        if file.is_null() {
            return ENOMEM.to_errno();
        }
        0
    }

    /// # Safety
    ///
    /// Called by the core for a namespace that goes.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: The namespace is valid. This waits for those who read the file.
        unsafe { bindings::remove_proc_entry(P::NAME.as_char_ptr(), (*net).proc_net) };
    }

    /// # Safety
    ///
    /// Called by the core for a file that is there.
    unsafe extern "C" fn show(file: *mut kernel::bindings::seq_file, _v: *mut c_void) -> c_int {
        // SAFETY: The file is valid, and who reads it holds the namespace.
        let (net, file) = unsafe {
            (
                Namespace::from_raw(bindings::seq_file_single_net(file)),
                SeqFile::from_raw(file),
            )
        };
        // C hands on nothing that could tell the entry, and this need not be the one that was
        // registered: nothing but its data is used.
        match P::entry().with_data(|data| data.show(net, file)) {
            Some(()) => 0,
            None => ENOENT.to_errno(),
        }
    }
}

#[pinned_drop]
impl<P: ProcNet> PinnedDrop for ProcRegistration<P> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is registered by the type invariant.
        unsafe { bindings::unregister_pernet_subsys(self.entry.ops.get()) };
        self.entry.withdraw();
    }
}
