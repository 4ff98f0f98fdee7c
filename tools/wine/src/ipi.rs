//! KeIpiGenericCall: one call at a time, run once on every processor at IPI_LEVEL.
//!
//! A processor that nobody holds is taken by its own thread (`dpc`), which serves the call. One that is held serves it
//! when its holder lowers below IPI_LEVEL, waits for a spin lock below it, or waits for a call of its own: each of those
//! is a moment at which a machine would let the interrupt in. So two callers never wait for each other.

use core::sync::atomic::Ordering;

use irqlog_nt::irql::IPI_LEVEL;

use crate::{
    broadcast::{ARGUMENT, BUSY, PENDING, REMAINING, WORKER, Worker, call, serve},
    dpc, host,
    processor::{lower, raise, routines},
    thread::{COUNT, ThreadState},
};

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
