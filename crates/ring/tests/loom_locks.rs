//! The locks `swap` and `queued` under loom: owners exclude each other and see each other's stores, and `queued` goes
//! round in order. Each model is run again with one ordering taken out, and must then fail.

mod common;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use common::{LoomWord, NoClock};
use irqlog_ring::{
    clock::Clock,
    lock::{Attempt, RawLock, queued::QueuedLock, swap::SwapLock},
    word::{Alone, Word},
};
use loom::{
    cell::UnsafeCell,
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
};

/// A step of a lock that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    /// swap:A
    SwapAcquire,
    /// swap:B
    StoreRelease,
    /// The exchange: a load and a store instead
    Atomicity,
    /// queued:A, its acquire half
    TailAcquire,
    /// queued:A, its release half
    TailRelease,
    /// queued:B
    LinkRelease,
    /// queued:C
    HandedAcquire,
    /// queued:D
    HandOverRelease,
    /// queued:E
    LinkAcquire,
    /// queued:F
    EmptyRelease,
}

thread_local! {
    /// loom runs all its threads on one, so this is the model's.
    static WITHOUT: Cell<Without> = const { Cell::new(Without::Nothing) };
}

fn without(step: Without) -> bool {
    WITHOUT.get() == step
}

/// A word whose orderings can be left out.
#[derive(Default)]
struct ModelWord(LoomWord);

const fn order(is_weak: bool, strong: Ordering) -> Ordering {
    if is_weak { Ordering::Relaxed } else { strong }
}

impl Word for ModelWord {
    fn load(&self) -> u64 {
        self.0.load()
    }
    fn load_acquire(&self) -> u64 {
        let value = self.0.0.load(Ordering::Relaxed);
        // Of what a lock loads, an address is queued:E, and the word that becomes 0 is queued:C.
        let step = if value > 1 { Without::LinkAcquire } else { Without::HandedAcquire };
        if !without(step) {
            loom::sync::atomic::fence(Ordering::Acquire);
        }
        value
    }
    fn store(&self, value: u64) {
        self.0.store(value);
    }
    fn fetch_add(&self, value: u64) -> u64 {
        self.0.fetch_add(value)
    }
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange(current, value)
    }
    fn store_release(&self, value: u64) {
        let step = if value > 1 { Without::LinkRelease } else { Without::HandOverRelease };
        let order = order(without(Without::StoreRelease) || without(step), Ordering::Release);
        // As an exchange, whose result is not used: loom takes a plain store and another thread's exchange for unordered,
        // and a waiter of `swap` then sees its own exchange for ever. In the language's model the exchange that found
        // TAKEN follows the one before it at once, so the store that frees the lock comes after both.
        self.0.0.swap(value, order);
    }
    fn swap_acquire(&self, value: u64) -> u64 {
        if without(Without::Atomicity) {
            let before = self.0.0.load(Ordering::Acquire);
            self.0.0.store(value, Ordering::Relaxed);
            return before;
        }
        let before = self.0.0.swap(value, order(without(Without::SwapAcquire), Ordering::Acquire));
        ARRIVALS.set(ARRIVALS.get() + 1);
        before
    }
    fn swap_acquire_release(&self, value: u64) -> u64 {
        let order = match WITHOUT.get() {
            Without::TailAcquire => Ordering::Release,
            Without::TailRelease => Ordering::Acquire,
            _ => Ordering::AcqRel,
        };
        let before = self.0.0.swap(value, order);
        ARRIVALS.set(ARRIVALS.get() + 1);
        before
    }
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        let order = order(without(Without::EmptyRelease), Ordering::Release);
        self.0.0.compare_exchange(current, value, order, Ordering::Relaxed).is_ok()
    }
    fn release_fence(&self) {
        self.0.release_fence();
    }
    fn acquire_fence(&self) {
        self.0.acquire_fence();
    }
    fn pause(&self) {
        self.0.pause();
    }
}

thread_local! {
    /// Exchanges of a lock's word so far; looked at between steps of the model, which does not know of it.
    static ARRIVALS: Cell<usize> = const { Cell::new(0) };
}

/// What the lock guards, and the lock.
struct Guarded<L> {
    lock: L,
    value: UnsafeCell<u64>,
}

// SAFETY: loom's cell says so if two threads touch it at once.
unsafe impl<L: Sync> Sync for Guarded<L> {}

impl<L: RawLock> Guarded<L> {
    fn new(lock: L) -> Arc<Self> {
        Arc::new(Self { lock, value: UnsafeCell::new(0) })
    }

    fn add(&self) {
        // SAFETY: we own the lock; loom checks just that.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn value(&self) -> u64 {
        // SAFETY: all threads have ended.
        self.value.with(|value| unsafe { *value })
    }
}

/// What is expected of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    Badly,
}

/// Runs a model: whole it has to hold, and with a step left out it must not.
fn check_step(without: Without, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    check(if without == Without::Nothing { Ends::Well } else { Ends::Badly }, without, preemptions, model);
}

fn check(ends: Ends, without: Without, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    WITHOUT.set(without);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let result = catch_unwind(AssertUnwindSafe(|| builder.check(model)));
    WITHOUT.set(Without::Nothing);
    assert_eq!(result.is_ok(), ends == Ends::Well, "the model without {without:?}");
}

fn new_swap() -> SwapLock<ModelWord, NoClock> {
    SwapLock::new(ModelWord::default(), NoClock, 0)
}

/// Two threads that try twice each.
fn tries() {
    let guarded = Guarded::new(new_swap());
    let add = |guarded: &Guarded<SwapLock<ModelWord, NoClock>>| {
        let owns = guarded.lock.try_acquire() == Attempt::Acquired(());
        if owns {
            guarded.add();
            // SAFETY: acquired above.
            unsafe { guarded.lock.release(&()) };
        }
        u64::from(owns)
    };
    let other = {
        let guarded = Arc::clone(&guarded);
        thread::spawn(move || add(&guarded) + add(&guarded))
    };
    let own = add(&guarded) + add(&guarded);
    let sum = own + other.join().unwrap();
    assert_eq!(guarded.value(), sum);
}

/// Threads that wait, and own the lock `turns` times each.
fn waits<L: RawLock + Send + Sync + 'static>(lock: L, threads: usize, turns: u64) {
    let guarded = Guarded::new(lock);
    let work = move |guarded: &Guarded<L>| {
        for _ in 0..turns {
            let node = Box::new(L::Node::default());
            // SAFETY: the node is this turn's and stays in its box.
            assert!(unsafe { guarded.lock.acquire(&node) });
            guarded.add();
            // SAFETY: acquired above, with that node.
            unsafe { guarded.lock.release(&node) };
        }
    };
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || work(&guarded))
        })
        .collect();
    work(&guarded);
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(guarded.value(), threads as u64 * turns);
}

#[test]
fn owners_of_swap_exclude_and_see_each_other() {
    use Without::{Atomicity, Nothing, StoreRelease, SwapAcquire};
    for step in [Nothing, SwapAcquire, StoreRelease, Atomicity] {
        check_step(step, None, tries);
        check_step(step, Some(3), || waits(new_swap(), 2, 2));
    }
}

fn new_queued() -> QueuedLock<ModelWord, NoClock> {
    QueuedLock::new(ModelWord::default(), NoClock, 0)
}

#[test]
fn owners_of_queued_exclude_and_see_each_other() {
    use Without::{
        EmptyRelease, HandOverRelease, HandedAcquire, LinkAcquire, LinkRelease, Nothing, TailAcquire, TailRelease,
    };
    for step in
        [Nothing, TailAcquire, TailRelease, HandedAcquire, HandOverRelease, EmptyRelease, LinkRelease, LinkAcquire]
    {
        check_step(step, Some(3), || waits(new_queued(), 2, 2));
    }
    check_step(Nothing, Some(2), || waits(new_queued(), 3, 1));
}

/// The lock is held; one comes, then another. Whether they get it in that order.
fn comes_in_order<L: RawLock + Send + Sync + 'static>(lock: L) {
    ARRIVALS.set(0);
    let (guarded, entered) = (Guarded::new(lock), Arc::new(Mutex::new(Vec::new())));
    let node = Box::new(L::Node::default());
    // SAFETY: the node stays in its box.
    assert!(unsafe { guarded.lock.acquire(&node) });
    let others = [1, 2].map(|number| {
        let (guarded, entered) = (Arc::clone(&guarded), Arc::clone(&entered));
        let other = thread::spawn(move || {
            let node = Box::new(L::Node::default());
            // SAFETY: the node stays in its box.
            assert!(unsafe { guarded.lock.acquire(&node) });
            entered.lock().unwrap().push(number);
            // SAFETY: acquired above, with that node.
            unsafe { guarded.lock.release(&node) };
        });
        while ARRIVALS.get() <= number {
            thread::yield_now();
        }
        other
    });
    // SAFETY: acquired first, with that node.
    unsafe { guarded.lock.release(&node) };
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(*entered.lock().unwrap(), [1, 2]);
}

#[test]
fn queued_goes_round_in_order_and_swap_does_not() {
    check(Ends::Well, Without::Nothing, Some(2), || comes_in_order(new_queued()));
    check(Ends::Badly, Without::Nothing, Some(2), || comes_in_order(new_swap()));
}

/// Time that passes with every look at it.
struct Ticking(Cell<u64>);

impl Clock for Ticking {
    fn now(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

#[test]
fn a_waiter_of_swap_gives_up_when_its_budget_is_gone() {
    let lock = SwapLock::new(std::sync::atomic::AtomicU64::new(0), Ticking(Cell::new(0)), 10);
    assert_eq!(lock.try_acquire(), Attempt::Acquired(()));
    assert_eq!(lock.try_acquire(), Attempt::Busy);
    // SAFETY: there is no node to speak of, here and below.
    assert!(!unsafe { lock.acquire(&()) });
    // SAFETY: acquired first.
    unsafe { lock.release(&()) };
    // SAFETY: as above.
    assert!(unsafe { lock.acquire(&()) });
}

#[test]
fn a_lock_is_alone_on_128_bytes() {
    assert_eq!((align_of::<Alone<u64>>(), size_of::<Alone<u64>>()), (128, 128));
}
