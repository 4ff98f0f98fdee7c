//! Misuses the locks of `crates/ring` in their checked form. Each misuse has to end in a bug check.

use core::sync::atomic::{AtomicU64, Ordering};

use irqlog_nt::{NtStatus, STATUS_INVALID_DEVICE_REQUEST};
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

use crate::system::{at_irql, bug_check, move_to, processor};

/// What a lock asks of the machine: a clock, the processor, and a bug check.
#[derive(Clone, Copy)]
struct Machine;

impl Clock for Machine {
    fn now(&self) -> u64 {
        // Each call adds a tick, so a budget is exhausted after a fixed number of calls, on any machine.
        static TIME: AtomicU64 = AtomicU64::new(0);
        TIME.fetch_add(1, Ordering::Relaxed)
    }
}

impl Judge for Machine {
    fn processor(&self) -> u32 {
        processor()
    }

    fn violation(&self, violation: Violation, lock: usize, owner: Option<u32>) -> ! {
        let [kind, owner, current] = bugcheck::parameters(violation as u8, owner, self.processor());
        bug_check(bugcheck::LOCK_VIOLATION, [kind as usize, lock, owner as usize, current as usize])
    }
}

/// The longest time that a waiter waits, in ticks.
const BUDGET: u64 = 10_000;

static SWAP: Checked<SwapLock<AtomicU64, Machine>, AtomicU64, Machine> =
    Checked::new(SwapLock::new(AtomicU64::new(0), Machine, BUDGET), AtomicU64::new(0), Machine);
static QUEUED: Checked<QueuedLock<AtomicU64, Machine>, AtomicU64, Machine> =
    Checked::new(QueuedLock::new(AtomicU64::new(0), Machine, BUDGET), AtomicU64::new(0), Machine);

/// How often [`Misuse::None`] acquires the lock.
const TURNS: u64 = 100;

/// Address of one of the two locks. IRQL: any.
pub fn address(queued: bool) -> usize {
    if queued { QUEUED.address() } else { SWAP.address() }
}

/// Misuses one of the two locks; all but [`Misuse::None`] should not return. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_INVALID_DEVICE_REQUEST if the misuse went unnoticed, or the lock did not exclude.
pub fn misuse(what: Misuse, queued: bool) -> Result<(), NtStatus> {
    if queued { misuse_of(&QUEUED, what) } else { misuse_of(&SWAP, what) }
}

fn misuse_of<L: RawLock>(lock: &Checked<L, AtomicU64, Machine>, what: Misuse) -> Result<(), NtStatus> {
    let (node, other) = (L::Node::default(), L::Node::default());
    match what {
        Misuse::None => {
            static VALUE: AtomicU64 = AtomicU64::new(0);
            let before = VALUE.load(Ordering::Relaxed);
            for turn in 0..TURNS {
                move_to(turn as usize % 2);
                at_high_level(|| {
                    acquire(lock, &node);
                    VALUE.store(VALUE.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    release(lock, &node);
                });
            }
            let all = VALUE.load(Ordering::Relaxed) == before + TURNS;
            return if all { Ok(()) } else { Err(STATUS_INVALID_DEVICE_REQUEST) };
        }
        Misuse::Recursion => at_high_level(|| {
            acquire(lock, &node);
            acquire(lock, &other);
        }),
        Misuse::NotHeld => at_high_level(|| release(lock, &node)),
        Misuse::WrongProcessor => {
            move_to(0);
            at_high_level(|| acquire(lock, &node));
            move_to(1);
            at_high_level(|| release(lock, &node));
        }
        Misuse::Budget => {
            move_to(0);
            at_high_level(|| acquire(lock, &node));
            move_to(1);
            at_high_level(|| acquire(lock, &other));
        }
    }
    Err(STATUS_INVALID_DEVICE_REQUEST)
}

/// Acquires the lock, whether this is right or not. IRQL: HIGH_LEVEL.
fn acquire<L: RawLock>(lock: &Checked<L, AtomicU64, Machine>, node: &L::Node) {
    // SAFETY: a checked lock ends each breach of its contract in a bug check, before it has an effect. The node lies on the
    // stack of `misuse_of`, which returns only if the misuse went unnoticed; then the scenario fails and the rig exits.
    let _ = unsafe { lock.acquire(node) };
}

/// Releases the lock, whether this is right or not. IRQL: HIGH_LEVEL.
fn release<L: RawLock>(lock: &Checked<L, AtomicU64, Machine>, node: &L::Node) {
    // SAFETY: as in `acquire`.
    unsafe { lock.release(node) };
}

fn at_high_level(work: impl FnOnce()) {
    at_irql(HIGH_LEVEL, work);
}
