//! Waiting in a loop of the rig, while the simulated machine goes on.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{interrupt::deliver, machine::thread, report};

/// A wait of this long in a loop of the rig is a deadlock.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits in a loop, letting in what the IRQL allows, until `is_done`; a wait without end is reported as `what`.
pub fn spin_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let mut turns = 0_u32;
    let mut since = None;
    while !is_done() {
        if thread().processor().pending.load(Ordering::Relaxed) != 0 {
            deliver(None);
        }
        turns += 1;
        if turns.is_multiple_of(64) {
            std::thread::yield_now();
            if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                report::broken(&format!("waited {} s for {what}: deadlock?", PATIENCE.as_secs()));
            }
        }
        std::hint::spin_loop();
    }
}
