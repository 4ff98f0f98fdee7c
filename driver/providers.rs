//! The registry of drivers that log events, which one thread changes at a time.
//!
//! The lock is the framework's wait lock: its owner may be moved and preempted, but not suspended, at PASSIVE_LEVEL.
//! The record path never uses the registry.

use core::{cell::UnsafeCell, sync::atomic::AtomicU32};

use irqlog_recorder::{
    request::ProviderLevel,
    sites::{Registrant, Registry},
};
use irqlog_wire::interface::{Registered, Registration};
use wdk_sys::{
    NTSTATUS, WDF_NO_OBJECT_ATTRIBUTES, WDFWAITLOCK, call_unsafe_wdf_function_binding, ntddk::MmIsAddressValid,
};

use crate::{
    pool::{PAGE_SIZE, Pages, tag},
    recorder::DriverRecorder,
    status::{self, check},
};

/// The registry, and the lock under which it is changed.
pub struct Providers {
    lock: WDFWAITLOCK,
    registry: &'static UnsafeCell<Registry>,
    /// The pages that hold `registry`.
    _pages: Pages,
}

// SAFETY: the registry is only touched by who holds the lock.
unsafe impl Sync for Providers {}

impl Providers {
    /// Makes an empty registry. The framework deletes the lock with the driver object. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// The status of the framework, or STATUS_INSUFFICIENT_RESOURCES.
    pub fn new() -> Result<Self, NTSTATUS> {
        let mut lock: WDFWAITLOCK = core::ptr::null_mut();
        // SAFETY: the handle is written to our stack. Without attributes its parent is the driver object.
        check(unsafe {
            call_unsafe_wdf_function_binding!(WdfWaitLockCreate, WDF_NO_OBJECT_ATTRIBUTES, &raw mut lock)
        })?;
        const { assert!(align_of::<Registry>() <= PAGE_SIZE) };
        let pages = Pages::allocate(size_of::<Registry>(), tag::RECORDER)?;
        // SAFETY: page-aligned, that large, and zeroed, which is a registry (it is `FromZeros`); kept for as long as
        // this.
        let registry = unsafe { pages.start().cast().as_ref() };
        Ok(Self { lock, registry, _pages: pages })
    }

    /// IRQL: PASSIVE_LEVEL.
    fn locked<T>(&self, what: impl FnOnce(&mut Registry) -> T) -> T {
        // SAFETY: created in `new`; PASSIVE_LEVEL. Without a timeout it always succeeds.
        let _status =
            unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockAcquire, self.lock, core::ptr::null_mut()) };
        // SAFETY: we hold the lock, and nobody keeps a reference beyond his turn.
        let result = what(unsafe { &mut *self.registry.get() });
        // SAFETY: acquired above.
        unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockRelease, self.lock) };
        result
    }

    /// Registers a driver. IRQL: PASSIVE_LEVEL.
    ///
    /// # Safety
    /// As [`irqlog_wire::interface::Register`] says.
    pub unsafe fn register(&self, recorder: &DriverRecorder, registration: *const Registration) -> Registered {
        // SAFETY: as the caller promises.
        let Some(provider) = (unsafe { Registrant::of(registration) }) else { return Registered::BadName };
        // SAFETY: base and level word stay until they are unregistered, as the caller promises, or else are not mapped.
        self.locked(|registry| unsafe { recorder.register(registry, &provider, is_mapped) })
    }

    /// Removes the registration that has this level word. IRQL: PASSIVE_LEVEL.
    pub fn unregister(&self, recorder: &DriverRecorder, level: *const AtomicU32) {
        self.locked(|registry| recorder.unregister(registry, level));
    }

    /// Answers SITES, while nobody registers. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// See [`irqlog_recorder::Recorder::sites`].
    pub fn sites(&self, recorder: &DriverRecorder, offset: u64, output: &mut [u8]) -> Result<usize, NTSTATUS> {
        self.locked(|_| recorder.sites(offset, output)).map_err(status::of)
    }

    /// Changes the level of a provider, and writes a record that says so. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER if there is no such provider.
    pub fn set_level(&self, recorder: &DriverRecorder, request: &ProviderLevel) -> Result<(), NTSTATUS> {
        let set = |registry: &mut Registry| {
            recorder.set_provider_level(registry, request, is_mapped)?;
            recorder.note_provider_level(registry, request);
            Ok(())
        };
        self.locked(set).map_err(status::of)
    }

    /// Writes the level word of every registered driver, after the recorder's own level has changed. IRQL:
    /// PASSIVE_LEVEL.
    pub fn pass_levels_on(&self, recorder: &DriverRecorder) {
        self.locked(|registry| recorder.pass_levels_on(registry, is_mapped));
    }
}

/// Whether a word of a provider is mapped: false once its driver has been unloaded, unless something else lies there. The
/// page warns that the answer holds only while nobody unmaps the memory, which is the provider's promise; here it is asked
/// for the sake of those who have broken it (DDI ntddk/nf-ntddk-mmisaddressvalid; docs/adr/0011). IRQL: at most
/// DISPATCH_LEVEL.
fn is_mapped(word: *const AtomicU32) -> bool {
    // SAFETY: any address may be asked for; at most DISPATCH_LEVEL.
    unsafe { MmIsAddressValid(word.cast_mut().cast()) != 0 }
}
