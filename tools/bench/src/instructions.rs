//! Number of instructions of the library for one record, counted by stepping through it.
//!
//! This figure does not depend on how busy the machine is.

use std::sync::atomic::{AtomicU64, Ordering};

static STEPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_step(_: i32) {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// Number of instructions of `work`, on average over `turns` calls; `None` where the processor cannot be stepped so.
#[cfg(target_arch = "x86_64")]
pub fn count(work: &dyn Fn(), turns: u64) -> Option<f64> {
    // SAFETY: all-zero is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_step as *const () as usize;
    // SAFETY: a valid action; the handler only counts.
    if unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) } != 0 {
        return None;
    }
    let steps = |work: &dyn Fn()| {
        let before = STEPS.load(Ordering::Relaxed);
        // SAFETY: sets the trap flag, and clears it: the stack is as before, and below it is not touched (no red zone
        // is in use across a call).
        unsafe { core::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
        work();
        // SAFETY: as above.
        unsafe { core::arch::asm!("pushfq", "and dword ptr [rsp], 0xfffffeff", "popfq") };
        STEPS.load(Ordering::Relaxed) - before
    };
    let empty = steps(std::hint::black_box(&|| ()));
    let sum: u64 = (0..turns).map(|_| steps(work).saturating_sub(empty)).sum();
    Some(sum as f64 / turns as f64)
}

/// The processor cannot be stepped so here: always `None`.
#[cfg(not(target_arch = "x86_64"))]
pub fn count(_: &dyn Fn(), _: u64) -> Option<f64> {
    None
}
