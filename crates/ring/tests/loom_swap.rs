//! The lock `swap` under loom: two owners exclude each other and see each other's stores; without acquire or release not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use irqlog_ring::lock::{
    RawLock,
    swap::{Clock, LockWord, SwapLock},
};
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    /// swap:A
    Acquire,
    /// swap:B
    Release,
    /// The exchange: a load and a store instead
    Atomicity,
}

struct Word(AtomicU64, Without);

impl LockWord for Word {
    fn swap_acquire(&self, value: u64) -> u64 {
        match self.1 {
            Without::Acquire => self.0.swap(value, Ordering::Relaxed),
            Without::Atomicity => {
                let before = self.0.load(Ordering::Acquire);
                self.0.store(value, Ordering::Relaxed);
                before
            }
            _ => self.0.swap(value, Ordering::Acquire),
        }
    }
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn store_release(&self, value: u64) {
        let order = if self.1 == Without::Release { Ordering::Relaxed } else { Ordering::Release };
        self.0.store(value, order);
    }
}

struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> u64 {
        0
    }
}

/// What the lock guards, and the lock.
struct Guarded(SwapLock<Word, NoClock>, UnsafeCell<u64>);

// SAFETY: loom's cell says so if two threads touch it at once.
unsafe impl Sync for Guarded {}

/// Tries once. Waiting is trying again when the word looks free, so what holds for tries holds for it; a loop without a
/// bound is not something that loom explores.
fn add(guarded: &Guarded) -> u64 {
    let owns = guarded.0.try_acquire();
    if owns {
        // SAFETY: we own the lock; loom checks just that.
        guarded.1.with_mut(|value| unsafe { *value += 1 });
        // SAFETY: acquired above.
        unsafe { guarded.0.release() };
    }
    owns.into()
}

fn model(without: Without) {
    let builder = loom::model::Builder::new();
    builder.check(move || {
        let lock = SwapLock::new(Word(AtomicU64::new(0), without), NoClock, 0);
        let guarded = Arc::new(Guarded(lock, UnsafeCell::new(0)));
        let other = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || add(&guarded) + add(&guarded))
        };
        let own = add(&guarded) + add(&guarded);
        let sum = own + other.join().unwrap();
        // SAFETY: the other thread has ended.
        guarded.1.with(|value| assert_eq!(unsafe { *value }, sum));
    });
}

#[test]
fn owners_exclude_and_see_each_other() {
    model(Without::Nothing);
    for step in [Without::Acquire, Without::Release, Without::Atomicity] {
        let result = catch_unwind(AssertUnwindSafe(|| model(step)));
        assert!(result.is_err(), "the model does not notice that {step:?} is missing");
    }
}

/// Time that passes with every look at it.
struct Ticking(std::cell::Cell<u64>);

impl Clock for Ticking {
    fn now(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

#[test]
fn a_waiter_gives_up_when_its_budget_is_gone() {
    let lock = SwapLock::new(irqlog_ring::lock::swap::AloneWord::default(), Ticking(std::cell::Cell::new(0)), 10);
    assert!(lock.try_acquire());
    assert!(!lock.try_acquire());
    assert!(!lock.acquire());
    // SAFETY: acquired first.
    unsafe { lock.release() };
    assert!(lock.acquire());
    assert_eq!(align_of::<irqlog_ring::lock::swap::AloneWord>(), 128);
}
