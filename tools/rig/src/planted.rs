//! Failures, interruptions and stops that a scenario plants in the simulated machine, as it would meet them only by chance.
//!
//! The kernel asks at the places where each can happen. A count of zero, which is the start, plants nothing.

use std::{
    cell::Cell,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::mutex::lock;

/// Tries to take a spin lock that fail as if another processor held it.
pub static BUSY_TRIES: AtomicUsize = AtomicUsize::new(0);
/// Tries to take a spin lock that are followed by an NMI, on the way back into the image.
pub static NMI_AFTER_TRY: AtomicUsize = AtomicUsize::new(0);
/// Queries of the clock that are followed by an NMI, likewise.
pub static NMI_AFTER_CLOCK: AtomicUsize = AtomicUsize::new(0);
/// The processor, plus one, whose next writer stops between the stamp of its record and its publication. It goes on
/// when this is zero again.
pub static STOPPED_WRITER: AtomicUsize = AtomicUsize::new(0);
/// Whether that writer has come to where it stops.
pub static HAS_STOPPED: AtomicBool = AtomicBool::new(false);
/// The index that the current processor claims to have, if not zero: one that was added later.
pub static CLAIMED_PROCESSOR: AtomicUsize = AtomicUsize::new(0);
/// Ticks that the clock advances at once; its answers are multiples of it. Zero and one plant nothing.
pub static CLOCK_GRAIN: AtomicU64 = AtomicU64::new(1);
/// Whether stepping counts only instructions during which the processor holds a spin lock.
pub static STEPS_UNDER_LOCK: AtomicBool = AtomicBool::new(false);
/// The reason of bug-check callbacks that cannot be registered; 0 for none.
pub static LACKS_REASON: AtomicUsize = AtomicUsize::new(0);
/// Allocations of irqlog.sys.
pub static ALLOCATIONS: NumberedCalls = NumberedCalls::new();
/// Calls of irqlog.sys into the framework that give a status ([`framework_calls`](crate::framework_calls)).
pub static FRAMEWORK_CALLS: NumberedCalls = NumberedCalls::new();

/// Calls of a kind, which are counted, and of which one may fail.
pub struct NumberedCalls {
    made: AtomicU64,
    /// The number of the call that fails, from 0; `u64::MAX` for none.
    failing: AtomicU64,
}

impl NumberedCalls {
    const fn new() -> Self {
        Self { made: AtomicU64::new(0), failing: AtomicU64::new(u64::MAX) }
    }

    /// Counts anew, and lets the call of that number fail; `None` lets none fail.
    pub fn plant(&self, number: Option<u64>) {
        self.failing.store(u64::MAX, Ordering::SeqCst);
        self.made.store(0, Ordering::SeqCst);
        self.failing.store(number.unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// The number of calls since [`plant`](Self::plant).
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Whether the failure that was planted has happened.
    pub fn has_failed(&self) -> bool {
        self.made() > self.failing.load(Ordering::SeqCst)
    }

    /// A call is made: whether it shall fail.
    pub fn fails(&self) -> bool {
        self.made.fetch_add(1, Ordering::SeqCst) == self.failing.load(Ordering::SeqCst)
    }
}

thread_local! {
    /// The action at a planted breakpoint.
    static AT_BREAKPOINT: Cell<Option<fn(usize)>> = const { Cell::new(None) };
}

/// The action of another driver's callback between the two passes of the bug-check callbacks; `None` for no action.
static BETWEEN_PASSES: Mutex<Option<fn()>> = Mutex::new(None);

/// Lets `action` happen between the passes of the bug-check callbacks.
pub fn at_between_passes(action: fn()) {
    *lock(&BETWEEN_PASSES) = Some(action);
}

/// Does what [`at_between_passes`] was told.
pub fn between_passes() {
    let action = *lock(&BETWEEN_PASSES);
    if let Some(action) = action {
        action();
    }
}

/// The time that a clock of this grain shows.
pub fn coarse(tick: u64) -> u64 {
    tick - tick % CLOCK_GRAIN.load(Ordering::Relaxed).max(1)
}

/// Takes one from a count; whether it was not at zero.
pub fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
}

/// Stops the calling thread here while `owner`, its processor plus one, is the writer that shall stop.
pub fn maybe_stop(owner: usize) {
    while STOPPED_WRITER.load(Ordering::SeqCst) == owner {
        HAS_STOPPED.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The fate of the next thread that gets a synchronization event; the framework makes its wait locks from such events.
static OWNER: AtomicUsize = AtomicUsize::new(OWNER_GOES);
const OWNER_GOES: usize = 0;
const OWNER_SHALL_STOP: usize = 1;
const OWNER_HAS_STOPPED: usize = 2;

/// Lets the next thread that acquires a wait lock stop with it, until [`let_owner_go`].
pub fn stop_next_owner() {
    OWNER.store(OWNER_SHALL_STOP, Ordering::SeqCst);
}

/// Whether that thread has the lock and stands.
pub fn owner_has_stopped() -> bool {
    OWNER.load(Ordering::SeqCst) == OWNER_HAS_STOPPED
}

/// The thread that stands, and every later one, goes on.
pub fn let_owner_go() {
    OWNER.store(OWNER_GOES, Ordering::SeqCst);
}

/// A thread has got a synchronization event: whether it shall stand for as long as [`owner_has_stopped`].
pub fn owner_stops() -> bool {
    OWNER.compare_exchange(OWNER_SHALL_STOP, OWNER_HAS_STOPPED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// Sets the action of the calling thread at a planted breakpoint.
pub fn at_breakpoint(action: Option<fn(usize)>) {
    AT_BREAKPOINT.set(action);
}

/// The action that [`at_breakpoint`] was given.
pub fn breakpoint_action() -> Option<fn(usize)> {
    AT_BREAKPOINT.get()
}
