//! Instructions of the library for a record, counted by stepping through it, and where they lie.
//!
//! These figures do not depend on how busy the machine is.

use std::collections::BTreeMap;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The largest number of instructions that are stepped through at once.
#[cfg(target_arch = "x86_64")]
const MOST: usize = 1 << 20;

/// The addresses at which the thread stopped, in order; as many as [`STEPS`] says.
#[cfg(target_arch = "x86_64")]
static ADDRESSES: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];
#[cfg(target_arch = "x86_64")]
static STEPS: AtomicUsize = AtomicUsize::new(0);
/// Instructions before and behind the work that are the counting's own.
#[cfg(target_arch = "x86_64")]
static EMPTY: AtomicU64 = AtomicU64::new(0);

#[cfg(target_arch = "x86_64")]
extern "C" fn on_step(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the context of the interrupted thread to a handler with SA_SIGINFO.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let at = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    let step = STEPS.fetch_add(1, Ordering::Relaxed);
    if let Some(place) = ADDRESSES.get(step) {
        place.store(at, Ordering::Relaxed);
    }
}

/// Number of instructions of `work`, on average over `turns` calls; `None` where the processor cannot be stepped so.
#[cfg(target_arch = "x86_64")]
pub fn count(work: &dyn Fn(), turns: u64) -> Option<f64> {
    EMPTY.store(step_through(&|| ())?, Ordering::Relaxed);
    let mut sum = 0;
    for _ in 0..turns {
        sum += step_through(work)?.saturating_sub(EMPTY.load(Ordering::Relaxed));
    }
    Some(sum as f64 / turns as f64)
}

/// How often each instruction of `work` is executed, by its address in the program's file.
#[cfg(target_arch = "x86_64")]
pub fn addresses(work: &dyn Fn()) -> BTreeMap<usize, u64> {
    unsafe extern "C" {
        /// First byte of the program in memory: the linker's name.
        static __executable_start: u8;
    }
    let mut found = BTreeMap::new();
    if let Some(steps) = step_through(work) {
        for place in ADDRESSES.iter().take(steps as usize) {
            let address = place.load(Ordering::Relaxed).wrapping_sub((&raw const __executable_start).addr());
            *found.entry(address).or_insert(0) += 1;
        }
    }
    found
}

#[cfg(target_arch = "x86_64")]
fn step_through(work: &dyn Fn()) -> Option<u64> {
    // SAFETY: all-zero is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_step as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: a valid action; the handler only notes the address.
    if unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) } != 0 {
        return None;
    }
    STEPS.store(0, Ordering::Relaxed);
    // SAFETY: sets the trap flag, and clears it: the stack is as before, and below it is not touched (no red zone is in
    // use across a call).
    unsafe { core::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
    work();
    // SAFETY: as above.
    unsafe { core::arch::asm!("pushfq", "and dword ptr [rsp], 0xfffffeff", "popfq") };
    Some(STEPS.load(Ordering::Relaxed) as u64)
}

/// The processor cannot be stepped so here: always `None`.
#[cfg(not(target_arch = "x86_64"))]
pub fn count(_: &dyn Fn(), _: u64) -> Option<f64> {
    None
}

/// The processor cannot be stepped so here: always empty.
#[cfg(not(target_arch = "x86_64"))]
pub fn addresses(_: &dyn Fn()) -> BTreeMap<usize, u64> {
    BTreeMap::new()
}
