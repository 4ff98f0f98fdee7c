//! The word of a lock, and the clock by which a waiter measures its wait.

use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering},
};

/// A word that makes a lock.
///
/// It is a trait for the same reason as [`Word`](crate::word::Word): the model supplies its own. Each function has the
/// ordering that irqlog's locks need, and no more.
pub trait LockWord {
    /// Loads the word, with no ordering.
    fn load(&self) -> u64;
    /// Loads the word; later accesses stay behind the load (acquire).
    fn load_acquire(&self) -> u64;
    /// Stores the word, with no ordering.
    fn store(&self, value: u64);
    /// Stores the word; earlier accesses stay before the store (release).
    fn store_release(&self, value: u64);
    /// Exchanges the word; later accesses stay behind it (acquire).
    fn swap_acquire(&self, value: u64) -> u64;
    /// Exchanges the word; earlier accesses stay before it, later ones behind it (acquire and release).
    fn swap_acquire_release(&self, value: u64) -> u64;
    /// Replaces `current` by `value`; earlier accesses stay before it (release). Answers false if the word was
    /// something else.
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool;
    /// Tells the processor, or the model, that this thread waits, so that other threads run first.
    fn pause(&self) {
        spin_loop();
    }
}

impl LockWord for AtomicU64 {
    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline]
    fn load_acquire(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }

    #[inline]
    fn store_release(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn swap_acquire(&self, value: u64) -> u64 {
        self.swap(value, Ordering::Acquire)
    }

    #[inline]
    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.swap(value, Ordering::AcqRel)
    }

    #[inline]
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.compare_exchange(current, value, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

/// A word alone on 128 bytes: two lines of 64, which an adjacent-line prefetcher pairs, or one of 128.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct Alone<W>(pub W);

/// A clock that may be read at any IRQL.
pub trait Clock {
    /// The current time, in ticks.
    fn now(&self) -> u64;
}

/// The budget of a waiter: how long it has waited, and how long it may.
#[derive(Debug)]
pub(super) struct Patience<'c, C> {
    clock: &'c C,
    budget: u64,
    since: Option<u64>,
}

impl<'c, C: Clock> Patience<'c, C> {
    /// A waiter that waits for `budget` ticks from its first look at the clock; 0 for ever.
    pub const fn new(clock: &'c C, budget: u64) -> Self {
        Self { clock, budget, since: None }
    }

    /// Reads the clock; answers whether the budget is exhausted.
    pub fn is_gone(&mut self) -> bool {
        if self.budget == 0 {
            return false;
        }
        let now = self.clock.now();
        now.wrapping_sub(*self.since.get_or_insert(now)) > self.budget
    }
}
