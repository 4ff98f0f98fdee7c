//! Pended WAITs: how many there may be, when the timer that looks after them has to be started, and how many of them one
//! look of the timer completes.
//!
//! The driver brings the queue, the timer and the requests; what is decided about them is decided here.

use core::sync::atomic::{AtomicBool, Ordering};

use irqlog_wire::ioctl::{MAX_WAITS, MAX_WAITS_OF_A_HANDLE};

use crate::request::Refusal;

/// The most WAITs that the timer completes in one look, which it takes at DISPATCH_LEVEL.
pub const MOST_PER_TICK: usize = 64;

/// The WAITs that are pended when one more comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pended {
    all: usize,
    of_the_handle: usize,
}

impl Pended {
    /// Counts one that is there. IRQL: any.
    pub const fn count(&mut self, is_of_the_handle: bool) {
        self.all = self.all.saturating_add(1);
        self.of_the_handle = self.of_the_handle.saturating_add(is_of_the_handle as usize);
    }

    /// Whether there may be one more. IRQL: any.
    ///
    /// # Errors
    /// [`Refusal::TooManyWaits`].
    pub const fn admit(&self) -> Result<(), Refusal> {
        if self.all < MAX_WAITS && self.of_the_handle < MAX_WAITS_OF_A_HANDLE {
            Ok(())
        } else {
            Err(Refusal::TooManyWaits)
        }
    }
}

/// Whether the timer runs: it is started by the first who needs it, and by nobody else until it has ticked. A WAIT that
/// started it anew each time would push its tick back for all others.
///
/// *No wake-up is lost:* a WAIT is put into the queue first, and asks [`needs_start`](Self::needs_start) then. If it is
/// told that the timer runs, it asked before the [`tick`](Self::tick) that comes next, which acquires what the WAIT
/// released: so the look at the queue behind that tick finds it.
#[derive(Debug, Default)]
pub struct TimerState {
    runs: AtomicBool,
}

impl TimerState {
    /// A timer that does not run.
    pub const fn new() -> Self {
        Self { runs: AtomicBool::new(false) }
    }

    /// Something is in the queue. True if the caller has to start the timer, which is taken for running from now on.
    /// IRQL: any.
    #[must_use]
    pub fn needs_start(&self) -> bool {
        !self.runs.swap(true, Ordering::AcqRel)
    }

    /// The timer has ticked: before the look at the queue. IRQL: any.
    pub fn tick(&self) {
        // An exchange, so that it acquires what every caller of `needs_start` before it has released.
        self.runs.swap(false, Ordering::AcqRel);
    }
}

/// What one look of the timer may still complete.
#[derive(Debug)]
pub struct Allowance(usize);

impl Allowance {
    /// [`MOST_PER_TICK`].
    #[expect(clippy::new_without_default, reason = "it is spent, and no value to fall back on")]
    pub const fn new() -> Self {
        Self(MOST_PER_TICK)
    }

    /// Spends one; false if none is left. IRQL: any.
    #[must_use]
    pub const fn spend(&mut self) -> bool {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}
