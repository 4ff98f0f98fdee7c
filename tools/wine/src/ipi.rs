//! KeIpiGenericCall: one call at a time, run once on every processor at IPI_LEVEL.
//!
//! A processor that nobody holds is taken by its own thread (`dpc`), which serves the call. One that is held serves it
//! when its holder lowers below IPI_LEVEL, waits for a spin lock below it, or waits for a call of its own: each of those
//! is a moment at which a machine would let the interrupt in. So two callers never wait for each other.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use irqlog_nt::irql::IPI_LEVEL;

use crate::{
    dpc, host,
    processor::{COUNT, ThreadState, lower, raise},
    routines,
};

/// Whether a call is under way.
static BUSY: AtomicBool = AtomicBool::new(false);
static WORKER: AtomicUsize = AtomicUsize::new(0);
static ARGUMENT: AtomicUsize = AtomicUsize::new(0);
/// A bit for each processor that has not begun.
static PENDING: AtomicU32 = AtomicU32::new(0);
/// Processors that have not ended.
static REMAINING: AtomicUsize = AtomicUsize::new(0);

type Worker = unsafe extern "system" fn(usize) -> usize;

/// Runs the worker of the call that is under way.
///
/// # Safety
/// [`WORKER`] has been set by that call, and is seen.
unsafe fn call() -> usize {
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

routines! {
    fn KeIpiGenericCall(worker: Worker, argument: usize) -> usize {
        dpc::start_threads();
        let old = raise(IPI_LEVEL);
        while BUSY.swap(true, Ordering::Acquire) {
            serve();
            host::give_way();
        }
        WORKER.store(worker as usize, Ordering::Relaxed);
        ARGUMENT.store(argument, Ordering::Relaxed);
        REMAINING.store(COUNT - 1, Ordering::Relaxed);
        let own = ThreadState::current().processor().map_or(0, |index| 1_u32 << index);
        PENDING.store(!own & ((1 << COUNT) - 1), Ordering::Release);
        // SAFETY: this call has set the worker, on this thread.
        let result = unsafe { call() };
        while REMAINING.load(Ordering::Acquire) != 0 {
            host::give_way();
        }
        BUSY.store(false, Ordering::Release);
        lower(old);
        result
    }
}
