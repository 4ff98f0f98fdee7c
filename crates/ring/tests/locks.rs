//! The locks over the words that drivers use, on real threads: what the models do not have, since they bring words of
//! their own. And the checked lock: each violation is told, with lock, owner and nobody confused.

use std::{
    cell::{Cell, UnsafeCell},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use irqlog_ring::{
    clock::Clock,
    lock::{
        Attempt, RawLock,
        checked::{Checked, Judge, Violation},
        either::Either,
        queued::QueuedLock,
        swap::SwapLock,
    },
};

/// A clock that goes on by one at each look.
#[derive(Default)]
struct Looks(AtomicU64);

impl Clock for &Looks {
    fn now(&self) -> u64 {
        // It starts shortly before its end, so that it wraps.
        u64::MAX.wrapping_sub(2).wrapping_add(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

type Swap = SwapLock<AtomicU64, &'static Looks>;
type Queued = QueuedLock<AtomicU64, &'static Looks>;

fn clock() -> &'static Looks {
    Box::leak(Box::default())
}

fn swap(budget: u64) -> Swap {
    SwapLock::new(AtomicU64::new(0), clock(), budget)
}

fn queued(budget: u64) -> Queued {
    QueuedLock::new(AtomicU64::new(0), clock(), budget)
}

/// What a lock guards.
struct Guarded<L> {
    lock: L,
    count: UnsafeCell<u64>,
}

// SAFETY: the count is only touched by who holds the lock.
unsafe impl<L: Sync> Sync for Guarded<L> {}

/// Threads count under the lock; nothing is lost.
fn excludes<L: RawLock + Sync>(lock: L) {
    const TURNS: u64 = 5_000;
    let guarded = Guarded { lock, count: UnsafeCell::new(0) };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // The whole structure, not its parts: it is what is shared.
                let guarded = &guarded;
                for _ in 0..TURNS {
                    let node = L::Node::default();
                    // SAFETY: the node stays until the release.
                    assert!(unsafe { guarded.lock.acquire(&node) });
                    // SAFETY: we hold the lock.
                    let count = unsafe { &mut *guarded.count.get() };
                    let before = std::hint::black_box(*count);
                    *count = before + 1;
                    // SAFETY: acquired above with that node.
                    unsafe { guarded.lock.release(&node) };
                }
            });
        }
    });
    assert_eq!(guarded.count.into_inner(), 2 * TURNS);
}

#[test]
fn owners_exclude_each_other() {
    excludes(swap(0));
    excludes(queued(0));
    excludes(Either::<Swap, Queued>::First(swap(0)));
    excludes(Either::<Swap, Queued>::Second(queued(0)));
}

#[test]
fn a_queue_has_no_try_and_a_word_has_one() {
    let (word, queue) = (swap(0), queued(0));
    let (ours, busy) = (Attempt::Acquired(()), Attempt::Busy);
    assert_eq!([word.try_acquire(), word.try_acquire()], [ours, busy]);
    // SAFETY: acquired above.
    unsafe { word.release(&()) };
    assert_eq!(word.try_acquire(), ours);
    assert_eq!(queue.try_acquire(), Attempt::Impossible, "even when it is free");
    let (first, second) = (Either::<Swap, Queued>::First(swap(0)), Either::<Swap, Queued>::Second(queued(0)));
    assert_eq!([first.try_acquire(), first.try_acquire(), second.try_acquire()], [ours, busy, Attempt::Impossible]);
}

/// The first look at the clock begins the wait; it is over when more than the budget has gone by.
#[test]
fn a_waiter_gives_up_just_behind_its_budget() {
    for budget in [1, 5] {
        let clock = clock();
        let lock: Swap = SwapLock::new(AtomicU64::new(0), clock, budget);
        assert_eq!(lock.try_acquire(), Attempt::Acquired(()));
        // SAFETY: there is no node.
        assert!(!unsafe { lock.acquire(&()) });
        assert_eq!(clock.0.load(Ordering::Relaxed), budget + 2, "budget {budget}");
    }
}

/// Tells by unwinding.
struct Teller<'p>(&'p AtomicU32);

thread_local! {
    static TOLD: Cell<Option<(Violation, usize, Option<u32>)>> = const { Cell::new(None) };
}

impl Judge for Teller<'_> {
    fn processor(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
    fn violation(&self, violation: Violation, lock: usize, owner: Option<u32>) -> ! {
        TOLD.set(Some((violation, lock, owner)));
        panic!("{violation:?}");
    }
}

/// What is told of a misdeed.
fn told(misdeed: impl FnOnce()) -> Option<(Violation, usize, Option<u32>)> {
    TOLD.set(None);
    let _ = catch_unwind(AssertUnwindSafe(misdeed));
    TOLD.take()
}

fn is_checked<L: RawLock>(lock: L, has_try: bool) {
    let processor = AtomicU32::new(0);
    let lock = Checked::new(lock, AtomicU64::new(0), Teller(&processor));
    let on = |index| processor.store(index, Ordering::Relaxed);
    let node = L::Node::default();
    // SAFETY: the node stays until the release, here and below; misdeeds end before they touch the lock.
    let acquire = || unsafe { lock.acquire(&node) };
    // SAFETY: as above.
    let release = || unsafe { lock.release(&node) };
    for index in [0, 3] {
        on(index);
        assert!(acquire());
        assert_eq!(told(|| assert!(!acquire())), Some((Violation::Recursion, lock.address(), Some(index))));
        on(7);
        assert_eq!(told(release), Some((Violation::WrongProcessor, lock.address(), Some(index))));
        on(index);
        assert_eq!(told(release), None);
        assert_eq!(told(release), Some((Violation::NotHeld, lock.address(), None)));
        assert_eq!(lock.try_acquire(), if has_try { Attempt::Acquired(()) } else { Attempt::Impossible });
        if has_try {
            on(7);
            assert_eq!(lock.try_acquire(), Attempt::Busy);
            assert_eq!(told(|| assert!(!acquire())), Some((Violation::BudgetExhausted, lock.address(), Some(index))));
            assert_eq!(told(release), Some((Violation::WrongProcessor, lock.address(), Some(index))));
            on(index);
            release();
        }
    }
    assert_ne!(lock.address() % 128, 1, "an address");
    assert!(lock.address() > 4096);
}

#[test]
fn a_checked_lock_tells_of_each_violation() {
    is_checked(swap(3), true);
    is_checked(queued(3), false);
}

/// A waiter of the queue cannot leave it: it is told there.
#[test]
fn a_waiter_of_the_queue_is_told_of_when_its_budget_is_gone() {
    let processor = AtomicU32::new(1);
    let lock = Checked::new(queued(3), AtomicU64::new(0), Teller(&processor));
    let (first, second) = Default::default();
    // SAFETY: the node stays.
    assert!(unsafe { lock.acquire(&first) });
    processor.store(2, Ordering::Relaxed);
    // SAFETY: the node stays.
    let told = told(|| assert!(!unsafe { lock.acquire(&second) }));
    assert_eq!(told, Some((Violation::BudgetExhausted, lock.address(), Some(1))));
}
