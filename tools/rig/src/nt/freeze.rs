//! Processors that are frozen because another one crashes.

use std::sync::atomic::{AtomicUsize, Ordering};

static FROZEN: AtomicUsize = AtomicUsize::new(0);

/// Holds the calling thread for ever: its processor is frozen where it is.
pub fn for_ever() -> ! {
    FROZEN.fetch_add(1, Ordering::SeqCst);
    loop {
        // SAFETY: waits for a signal, of which none lets this thread go on.
        unsafe { libc::pause() };
    }
}

/// The number of processors that are frozen.
pub fn count() -> usize {
    FROZEN.load(Ordering::SeqCst)
}
