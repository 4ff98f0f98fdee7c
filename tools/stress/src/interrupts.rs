//! Signals as NMIs: what interrupts a thread that is a processor.
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
        atomic::{Ordering, compiler_fence},
    },
};

use irqlog_storm::Context;

use crate::{load::Writer, machine::become_processor};

/// The signals, and the writers that they are.
const SIGNALS: [(libc::c_int, Context); 2] = [(libc::SIGUSR1, Context::Nmi), (libc::SIGUSR2, Context::Ipi)];

thread_local! {
    /// What a signal handler of this thread writes with; null where no round is.
    static WRITER: Cell<*const Writer<'static>> = const { Cell::new(std::ptr::null()) };
}

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
        become_processor(writer.processor);
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
