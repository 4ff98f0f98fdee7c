//! Threads and their ids.

use std::{
    ffi::c_void,
    sync::atomic::{AtomicUsize, Ordering},
};

use irqlog_ntabi::{NtStatus, STATUS_SUCCESS};

use super::{
    exports::routines,
    machine::{current, run_thread},
    report,
};

/// System threads that have not ended.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// System threads that drivers have started and that have not ended.
pub fn running() -> usize {
    RUNNING.load(Ordering::SeqCst)
}

routines! {
    /// Only as irqlog calls it: the system's own generator.
    fn BCryptGenRandom(provider: usize, buffer: *mut u8, length: u32, flags: u32) -> NtStatus {
        const USE_SYSTEM_PREFERRED_RNG: u32 = 2;
        if provider != 0 || flags != USE_SYSTEM_PREFERRED_RNG {
            return irqlog_ntabi::STATUS_INVALID_PARAMETER;
        }
        // SAFETY: memory of the driver's, of the length it gives.
        let filled = unsafe { libc::getrandom(buffer.cast(), length as usize, 0) };
        if filled == length as isize { STATUS_SUCCESS } else { report::broken("getrandom gave too little") }
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
        std::thread::spawn(move || {
            run_thread(4, 0, true, |thread| {
                // SAFETY: a start routine of a loaded driver.
                unsafe {
                    let start: extern "win64" fn(usize) = std::mem::transmute(start);
                    start(context);
                }
                let irql = thread.processor().irql.load(Ordering::Relaxed);
                if irql != 0 {
                    report::broken(&format!("a system thread ended at IRQL {irql}"));
                }
            });
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        });
        // SAFETY: memory of the driver's; the handle is good for nothing but ZwClose, which ignores it.
        unsafe { handle.write(std::ptr::without_provenance_mut(4)) };
        STATUS_SUCCESS
    }
}
