//! The word of a lock, and the clock of whoever waits for it.

use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering},
};

/// A word that processors take turns on.
///
/// A trait for the same reason as [`Word`](crate::word::Word): the model puts its
/// own here. Each function carries the ordering that a lock of ours needs, and no more.
pub trait LockWord {
    /// Looks at it, with no ordering.
    fn load(&self) -> u64;
    /// Looks at it; what comes later stays later.
    fn load_acquire(&self) -> u64;
    /// Stores it, with no ordering.
    fn store(&self, value: u64);
    /// Stores it; what came earlier stays earlier.
    fn store_release(&self, value: u64);
    /// Exchanges it; what comes later stays later.
    fn swap_acquire(&self, value: u64) -> u64;
    /// Exchanges it; what came earlier stays earlier, what comes later stays later.
    fn swap_acquire_release(&self, value: u64) -> u64;
    /// Replaces `current` by `value`; what came earlier stays earlier. False if it was something else.
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool;
    /// Lets the other side of the processor, or of the model, go first.
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
    /// Now, in ticks.
    fn now(&self) -> u64;
}

/// How long a waiter has waited.
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

    /// Looks at the clock; whether the budget is gone.
    pub fn is_gone(&mut self) -> bool {
        if self.budget == 0 {
            return false;
        }
        let now = self.clock.now();
        now.wrapping_sub(*self.since.get_or_insert(now)) > self.budget
    }
}
