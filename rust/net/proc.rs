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
        Relaxed, //
    },
    types::Opaque, //
};

/// What a file shows.
pub trait ProcNet: Sized + Send + Sync + 'static {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Returns the `static` that belongs to this file.
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
/// `data` is null, or points to the data in a live [`ProcRegistration`].
pub struct ProcEntry<P: ProcNet> {
    ops: Opaque<bindings::pernet_operations>,
    data: Atomic<*mut c_void>,
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
            _data: PhantomData,
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
/// The operations of `P::entry()` are registered.
#[pin_data(PinnedDrop)]
pub struct ProcRegistration<P: ProcNet> {
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
            entry.data.store(ptr::null_mut(), Relaxed);
            return Err(e);
        }
        // INVARIANT: They are registered.
        Ok(Self { data })
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
        let data = P::entry().data.load(Acquire).cast::<P>();
        // SAFETY: By the type invariant; the file is removed, and with it the last reader gone,
        // before the registration ends. The reader holds the namespace.
        unsafe {
            let Some(data) = data.as_ref() else {
                return ENOENT.to_errno();
            };
            let net = Namespace::from_raw(bindings::seq_file_single_net(file));
            data.show(net, SeqFile::from_raw(file));
        }
        0
    }
}

#[pinned_drop]
impl<P: ProcNet> PinnedDrop for ProcRegistration<P> {
    fn drop(self: Pin<&mut Self>) {
        let entry = P::entry();
        // SAFETY: It is registered by the type invariant.
        unsafe { bindings::unregister_pernet_subsys(entry.ops.get()) };
        entry.data.store(ptr::null_mut(), Relaxed);
    }
}
