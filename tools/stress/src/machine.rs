//! The machine under the recorder: a processor is a thread, its IRQL a number of the thread.

use std::{
    cell::Cell,
    sync::atomic::{Ordering, compiler_fence},
    time::Instant,
};

use irqlog_recorder::Platform;
use irqlog_ring::{
    clock::Clock,
    lock::{Irql, either::Either, queued::QueuedLock, swap::SwapLock},
};

use crate::words::Yielding;

/// The IRQL at which only NMIs interrupt.
pub const HIGH: u8 = 15;

thread_local! {
    static IRQL: Cell<u8> = const { Cell::new(0) };
    static PROCESSOR: Cell<u32> = const { Cell::new(0) };
}

/// The IRQL of the processor that the calling thread is.
pub fn irql() -> u8 {
    IRQL.get()
}

/// Sets it. A signal handler sees the number as it is between two statements, so the compiler keeps it there.
pub fn set_irql(irql: u8) {
    compiler_fence(Ordering::SeqCst);
    IRQL.set(irql);
    compiler_fence(Ordering::SeqCst);
}

/// Makes the calling thread the processor with this number, at PASSIVE_LEVEL.
pub fn become_processor(number: u32) {
    PROCESSOR.set(number);
    set_irql(0);
}

/// The ids of thread and process that a processor answers.
pub const fn ids(processor: u16) -> (u32, u32) {
    (0x1000 + processor as u32, 0x5000 + processor as u32)
}

/// The processors, as the recorder sees them.
#[derive(Clone, Copy, Debug)]
pub struct Processors(Instant);

impl Processors {
    /// Processors whose clock starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

// SAFETY: what the recorder needs of HIGH_LEVEL holds for a thread as it is: no other thread is the same processor.
// Signal handlers that wait for a lock look at the number first, as a device interrupt is masked.
unsafe impl Irql for Processors {
    fn raise(&self) -> u8 {
        let old = irql();
        set_irql(HIGH);
        old
    }

    unsafe fn lower(&self, old: u8) {
        set_irql(old);
    }
}

impl Platform for Processors {
    fn irql(&self) -> u8 {
        irql()
    }

    fn processor(&self) -> u32 {
        PROCESSOR.get()
    }

    fn thread_and_process(&self) -> (u32, u32) {
        ids(PROCESSOR.get() as u16)
    }
}

impl Clock for Processors {
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// irqlog's own locks.
pub type OwnLock = Either<SwapLock<Yielding, Processors>, QueuedLock<Yielding, Processors>>;
