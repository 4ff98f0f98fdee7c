//! Threads and their ids.

use std::{
    ffi::c_void,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use irqlog_nt::{Kevent, NtStatus, STATUS_SUCCESS};

use super::{
    import::routines,
    machine::{current, run_thread, thread},
    report, time,
};
use crate::mutex::lock;

/// Addresses of thread objects: each is like an event that is signalled once its thread has ended, and stays for ever.
static THREADS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
/// The handle of the first one; those of other objects are smaller.
const FIRST_HANDLE: usize = 0x10_0000;
/// References to thread objects that were not given back.
static REFERENCES: AtomicUsize = AtomicUsize::new(0);

/// Whether a handle is that of a thread.
pub fn is_thread(handle: usize) -> bool {
    handle.checked_sub(FIRST_HANDLE).is_some_and(|offset| offset / 4 < lock(&THREADS).len())
}

/// Gives a reference to a thread object back, if it is one.
pub fn dereference_thread(object: usize) -> bool {
    let is_thread = lock(&THREADS).contains(&object);
    if is_thread && REFERENCES.fetch_sub(1, Ordering::SeqCst) == 0 {
        report::broken("a thread object is dereferenced more often than it was referenced");
    }
    is_thread
}

/// References to thread objects that were not given back.
pub fn references() -> usize {
    REFERENCES.load(Ordering::SeqCst)
}

/// System threads that have not ended.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// System threads that drivers have started and that have not ended.
pub fn running() -> usize {
    RUNNING.load(Ordering::SeqCst)
}

routines! {
    /// The handle of a thread.
    fn ObReferenceObjectByHandle(handle: usize, _access: u32, _kind: usize, _mode: i8, object: *mut usize, _information: usize) -> NtStatus {
        let offset = handle.checked_sub(FIRST_HANDLE);
        let Some(thread) = offset.and_then(|offset| lock(&THREADS).get(offset / 4).copied()) else {
            return irqlog_nt::STATUS_INVALID_PARAMETER;
        };
        REFERENCES.fetch_add(1, Ordering::SeqCst);
        // SAFETY: memory of the driver's.
        unsafe { object.write(thread) };
        STATUS_SUCCESS
    }

    /// Only as irqlog calls it: the system's own generator.
    fn BCryptGenRandom(provider: usize, buffer: *mut u8, length: u32, flags: u32) -> NtStatus {
        const USE_SYSTEM_PREFERRED_RNG: u32 = 2;
        if provider != 0 || flags != USE_SYSTEM_PREFERRED_RNG {
            return irqlog_nt::STATUS_INVALID_PARAMETER;
        }
        // SAFETY: memory of the driver's, of the length it gives.
        let filled = unsafe { libc::getrandom(buffer.cast(), length as usize, 0) };
        if filled == length as isize { STATUS_SUCCESS } else { report::broken("getrandom gave too little") }
    }

    fn KeEnterCriticalRegion() {
        let regions = &thread().critical_regions;
        regions.set(regions.get() + 1);
    }

    fn KeLeaveCriticalRegion() {
        let regions = &thread().critical_regions;
        match regions.get().checked_sub(1) {
            Some(left) => regions.set(left),
            None => report::broken("KeLeaveCriticalRegion without KeEnterCriticalRegion"),
        }
    }

    fn KeAreApcsDisabled() -> u8 {
        u8::from(thread().critical_regions.get() != 0)
    }

    fn PsGetCurrentThreadId() -> usize {
        current().map_or(0, |thread| thread.id as usize)
    }

    fn PsGetCurrentProcessId() -> usize {
        current().map_or(0, |thread| thread.process as usize)
    }

    /// The thread ends when its routine returns, which the documentation allows.
    fn PsCreateSystemThread(handle: *mut *mut c_void, _access: u32, _attributes: usize, _process: usize, _client: usize, start: usize, context: usize) -> NtStatus {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        let mut threads = lock(&THREADS);
        // SAFETY: all-zero is a valid event: one that stays signalled, and is not yet.
        let object: *mut Kevent = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        let ended = object.expose_provenance();
        let handle_value = FIRST_HANDLE + threads.len() * 4;
        threads.push(ended);
        drop(threads);
        std::thread::spawn(move || {
            run_thread(4, 0, true, |thread| {
                // SAFETY: a start routine of a loaded driver.
                unsafe {
                    let start: extern "efiapi" fn(usize) = std::mem::transmute(start);
                    start(context);
                }
                let irql = thread.processor().irql.load(Ordering::Relaxed);
                if irql != 0 {
                    report::broken(&format!("a system thread ended at IRQL {irql}"));
                }
                if thread.critical_regions.get() != 0 {
                    report::broken("a system thread ended inside a critical region");
                }
            });
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            time::set_event(std::ptr::with_exposed_provenance_mut(ended));
        });
        // SAFETY: memory of the driver's.
        unsafe { handle.write(std::ptr::without_provenance_mut(handle_value)) };
        STATUS_SUCCESS
    }
}
