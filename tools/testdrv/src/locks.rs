//! Misuse of the locks of `crates/ring`, as a checked build has them: each of these has to end in a bug check.

use core::{
    ptr::null_mut,
    sync::atomic::{AtomicU64, Ordering},
};

use irqlog_nt::{GroupAffinity, NtStatus, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS};
use irqlog_ring::{
    clock::Clock,
    lock::{
        RawLock,
        checked::{Checked, Judge, Violation},
        queued::QueuedLock,
        swap::SwapLock,
    },
};
use irqlog_storm::Misuse;
use irqlog_wire::{bugcheck, irql::HIGH_LEVEL};

use crate::nt;

/// The machine, for a lock.
#[derive(Clone, Copy)]
struct Machine;

impl Clock for Machine {
    fn now(&self) -> u64 {
        // A look at the clock is a tick, so a budget is gone after a fixed number of looks, on any machine.
        static TIME: AtomicU64 = AtomicU64::new(0);
        TIME.fetch_add(1, Ordering::Relaxed)
    }
}

impl Judge for Machine {
    fn processor(&self) -> u32 {
        unsafe { nt::KeGetCurrentProcessorNumberEx(null_mut()) }
    }

    fn violation(&self, violation: Violation, lock: usize, owner: Option<u32>) -> ! {
        let [kind, owner, current] = bugcheck::parameters(violation as u8, owner, self.processor());
        unsafe { nt::KeBugCheckEx(bugcheck::LOCK_VIOLATION, kind as usize, lock, owner as usize, current as usize) }
    }
}

/// Ticks that a waiter waits.
const BUDGET: u64 = 10_000;

static SWAP: Checked<SwapLock<AtomicU64, Machine>, AtomicU64, Machine> =
    Checked::new(SwapLock::new(AtomicU64::new(0), Machine, BUDGET), AtomicU64::new(0), Machine);
static QUEUED: Checked<QueuedLock<AtomicU64, Machine>, AtomicU64, Machine> =
    Checked::new(QueuedLock::new(AtomicU64::new(0), Machine, BUDGET), AtomicU64::new(0), Machine);

/// Takes it properly that often.
const TURNS: u64 = 100;

/// Address of one of the two locks.
pub fn address(queued: bool) -> usize {
    if queued { QUEUED.address() } else { SWAP.address() }
}

/// Does it, and mostly does not come back.
pub fn misuse(what: Misuse, queued: bool) -> NtStatus {
    if queued { misuse_of(&QUEUED, what) } else { misuse_of(&SWAP, what) }
}

fn misuse_of<L: RawLock>(lock: &Checked<L, AtomicU64, Machine>, what: Misuse) -> NtStatus {
    let (node, other) = (L::Node::default(), L::Node::default());
    match what {
        Misuse::None => {
            static VALUE: AtomicU64 = AtomicU64::new(0);
            let before = VALUE.load(Ordering::Relaxed);
            for turn in 0..TURNS {
                on_processor(turn as usize % 2);
                at_high_level(|| unsafe {
                    lock.acquire(&node);
                    VALUE.store(VALUE.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    lock.release(&node);
                });
            }
            let all = VALUE.load(Ordering::Relaxed) == before + TURNS;
            return if all { STATUS_SUCCESS } else { STATUS_INVALID_DEVICE_REQUEST };
        }
        Misuse::Recursion => at_high_level(|| unsafe {
            lock.acquire(&node);
            lock.acquire(&other);
        }),
        Misuse::NotHeld => at_high_level(|| unsafe { lock.release(&node) }),
        Misuse::WrongProcessor => {
            on_processor(0);
            at_high_level(|| unsafe { lock.acquire(&node) });
            on_processor(1);
            at_high_level(|| unsafe { lock.release(&node) });
        }
        Misuse::Budget => {
            on_processor(0);
            at_high_level(|| unsafe { lock.acquire(&node) });
            on_processor(1);
            at_high_level(|| unsafe { lock.acquire(&other) });
        }
    }
    STATUS_INVALID_DEVICE_REQUEST
}

fn at_high_level<T>(work: impl FnOnce() -> T) -> T {
    let old = unsafe { nt::KfRaiseIrql(HIGH_LEVEL) };
    let result = work();
    unsafe { nt::KeLowerIrql(old) };
    result
}

/// Goes on on that processor.
fn on_processor(index: usize) {
    let mut affinity = GroupAffinity { Mask: 1 << index, Group: 0, Reserved: [0; 3] };
    unsafe { nt::KeSetSystemGroupAffinityThread(&raw mut affinity, null_mut()) };
}
