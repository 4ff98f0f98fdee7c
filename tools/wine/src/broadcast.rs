//! The call of KeIpiGenericCall that is under way, and how a processor serves it.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use irqlog_nt::irql::IPI_LEVEL;

use crate::thread::ThreadState;

/// Whether a call is under way.
pub static BUSY: AtomicBool = AtomicBool::new(false);
pub static WORKER: AtomicUsize = AtomicUsize::new(0);
pub static ARGUMENT: AtomicUsize = AtomicUsize::new(0);
/// A bit for each processor that has not begun.
pub static PENDING: AtomicU32 = AtomicU32::new(0);
/// Processors that have not ended.
pub static REMAINING: AtomicUsize = AtomicUsize::new(0);

/// The routine of a call.
pub type Worker = unsafe extern "system" fn(usize) -> usize;

/// Runs the worker of the call that is under way.
///
/// # Safety
/// [`WORKER`] has been set by that call, and is seen.
pub unsafe fn call() -> usize {
    // SAFETY: the caller sees the address that KeIpiGenericCall got as a `Worker`.
    let worker: Worker = unsafe { core::mem::transmute(WORKER.load(Ordering::Relaxed)) };
    // SAFETY: a driver gave the routine, for this argument, to be called on each processor.
    unsafe { worker(ARGUMENT.load(Ordering::Relaxed)) }
}

/// Whether a processor has a call to serve.
pub fn is_pending(index: usize) -> bool {
    PENDING.load(Ordering::Relaxed) & 1 << index != 0
}

/// Runs the call that is pending for the processor that the calling thread holds, if there is one.
pub fn serve() {
    let mut thread = ThreadState::current();
    let Some(index) = thread.processor() else { return };
    // Acquire: what the caller wrote before it set the bit.
    if is_pending(index) && PENDING.fetch_and(!(1 << index), Ordering::Acquire) & 1 << index != 0 {
        let interrupted = thread.irql;
        thread.irql = IPI_LEVEL;
        thread.store();
        // SAFETY: the acquire above pairs with the release of `PENDING`, which is behind the worker.
        unsafe { call() };
        thread.irql = interrupted;
        thread.store();
        // Release: what the worker did is seen by the caller.
        REMAINING.fetch_sub(1, Ordering::Release);
    }
}
