//! The machine under the recorder: a processor is a thread, its IRQL a number of the thread, an NMI a signal.
//!
//! A signal handler runs to its end before the thread goes on, and no other thread sees that it was interrupted: just
//! what an NMI does to a processor. Two signals are used, and each may interrupt the handler of the other, so calls are
//! nested up to three deep, which the recorder has to drop.
//!
//! A handler does only what is async-signal-safe: it reads and writes numbers of its own thread, makes a log call (which
//! allocates nothing and locks nothing), reads the clock, and gives up the host's processor where it waits.

use std::{
    cell::Cell,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering, compiler_fence},
    },
    time::Instant,
};

use irqlog_recorder::Platform;
use irqlog_ring::{
    clock::Clock,
    lock::{Irql, either::Either, queued::QueuedLock, swap::SwapLock},
    word::Word,
};
use irqlog_storm::Context;

use crate::load::{self, Writer};

/// The IRQL at which only NMIs interrupt.
pub const HIGH: u8 = 15;

/// The signals, and the writers that they are.
const SIGNALS: [(libc::c_int, Context); 2] = [(libc::SIGUSR1, Context::Nmi), (libc::SIGUSR2, Context::Ipi)];

thread_local! {
    static IRQL: Cell<u8> = const { Cell::new(0) };
    static PROCESSOR: Cell<u32> = const { Cell::new(0) };
    /// What a signal handler of this thread writes with; null where no round is.
    static WRITER: Cell<*const Writer<'static>> = const { Cell::new(std::ptr::null()) };
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
        load::ids(PROCESSOR.get() as u16)
    }
}

impl Clock for Processors {
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A word of the image. Now and then its thread dawdles before an access, so that the others do much between any two
/// steps of the protocol, which take nanoseconds otherwise.
#[derive(Debug, Default)]
pub struct Dawdling(AtomicU64);

thread_local! {
    /// Accesses until the thread dawdles again, and how often it has.
    static PATIENCE: Cell<(u32, u32)> = const { Cell::new((1, 0)) };
}

impl Dawdling {
    /// The word, read by somebody who takes no part.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores a word, as somebody who has no business there.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    fn access(&self) -> &AtomicU64 {
        let (left, times) = PATIENCE.get();
        if left != 0 {
            PATIENCE.set((left - 1, times));
        } else {
            // Numbers that no period of the protocol fits.
            let mixed = times.wrapping_add(1).wrapping_mul(0x9e37_79b9);
            PATIENCE.set((64 + (mixed >> 22), times.wrapping_add(1)));
            if mixed.is_multiple_of(16) {
                std::thread::yield_now();
            }
            for _ in 0..mixed >> 27 {
                std::hint::spin_loop();
            }
        }
        &self.0
    }
}

impl Word for Dawdling {
    fn load(&self) -> u64 {
        Word::load(self.access())
    }

    fn load_acquire(&self) -> u64 {
        Word::load_acquire(self.access())
    }

    fn store(&self, value: u64) {
        Word::store(self.access(), value);
    }

    fn store_release(&self, value: u64) {
        Word::store_release(self.access(), value);
    }

    fn fetch_add(&self, value: u64) -> u64 {
        Word::fetch_add(self.access(), value)
    }

    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        Word::compare_exchange(self.access(), current, value)
    }

    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.access().compare_exchange_release(current, value)
    }

    fn swap_acquire(&self, value: u64) -> u64 {
        self.access().swap_acquire(value)
    }

    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.access().swap_acquire_release(value)
    }

    fn release_fence(&self) {
        self.access().release_fence();
    }

    fn acquire_fence(&self) {
        self.access().acquire_fence();
    }
}

/// A word of a lock whose waiters give up the host's processor: there are more threads than processors, and an owner
/// that the host does not run would be waited for in vain.
#[derive(Debug, Default)]
pub struct Yielding(AtomicU64);

impl Word for Yielding {
    fn load(&self) -> u64 {
        Word::load(&self.0)
    }

    fn load_acquire(&self) -> u64 {
        Word::load_acquire(&self.0)
    }

    fn store(&self, value: u64) {
        Word::store(&self.0, value);
    }

    fn store_release(&self, value: u64) {
        Word::store_release(&self.0, value);
    }

    fn fetch_add(&self, value: u64) -> u64 {
        Word::fetch_add(&self.0, value)
    }

    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        Word::compare_exchange(&self.0, current, value)
    }

    fn swap_acquire(&self, value: u64) -> u64 {
        self.0.swap_acquire(value)
    }

    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.0.swap_acquire_release(value)
    }

    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange_release(current, value)
    }

    fn release_fence(&self) {
        self.0.release_fence();
    }

    fn acquire_fence(&self) {
        self.0.acquire_fence();
    }

    fn pause(&self) {
        std::thread::yield_now();
    }
}

/// irqlog's own locks.
pub type OwnLock = Either<SwapLock<Yielding, Processors>, QueuedLock<Yielding, Processors>>;

/// The calling thread as a processor: from now on until this is dropped it may be interrupted.
#[derive(Debug)]
pub struct ProcessorThread {
    thread: libc::pthread_t,
}

impl ProcessorThread {
    /// Makes the calling thread the processor of `writer`.
    ///
    /// # Safety
    /// `writer` is valid until the result has been dropped, on this thread.
    pub unsafe fn begin(writer: &Writer<'_>) -> Self {
        install();
        PROCESSOR.set(writer.processor);
        set_irql(0);
        WRITER.set(std::ptr::from_ref(writer).cast());
        compiler_fence(Ordering::SeqCst);
        // SAFETY: it has no conditions.
        Self { thread: unsafe { libc::pthread_self() } }
    }

    /// What [`interrupt`] takes.
    pub const fn thread(&self) -> libc::pthread_t {
        self.thread
    }
}

impl Drop for ProcessorThread {
    fn drop(&mut self) {
        WRITER.set(std::ptr::null());
        compiler_fence(Ordering::SeqCst);
    }
}

/// Sends a signal to a processor; `which` chooses one of the two.
///
/// # Panics
/// If the system does not send it.
///
/// # Safety
/// The thread has not ended.
pub unsafe fn interrupt(thread: libc::pthread_t, which: usize) {
    // SAFETY: as the caller promises; the signals have handlers.
    let error = unsafe { libc::pthread_kill(thread, SIGNALS[which % SIGNALS.len()].0) };
    assert_eq!(error, 0, "pthread_kill");
}

/// Installs the handlers, once.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (signal, _) in SIGNALS {
            // SAFETY: all zeros is a valid value of this structure: no flags, no signals masked.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESTART;
            // SAFETY: the structure is filled; the handler does only what a handler may.
            let failed = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
            assert_eq!(failed, 0, "sigaction");
        }
    });
}

extern "C" fn on_signal(signal: libc::c_int) {
    let writer = WRITER.get();
    // SAFETY: null, or valid until this thread has dropped its `ProcessorThread`.
    if let Some(writer) = unsafe { writer.as_ref() }
        && let Some((_, context)) = SIGNALS.iter().find(|(number, _)| *number == signal)
    {
        writer.interrupt(*context);
    }
}
