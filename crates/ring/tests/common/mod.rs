//! A word under loom, and a clock for locks without a budget.

use irqlog_ring::{clock::Clock, word::Word};
use loom::{
    sync::atomic::{AtomicU64, Ordering, fence},
    thread,
};

/// A word with the orderings that it is asked for.
pub struct LoomWord(pub AtomicU64);

impl Default for LoomWord {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Word for LoomWord {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn load_acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
    fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    fn store_release(&self, value: u64) {
        // As an exchange: `loom_locks.rs` says why.
        self.0.swap(value, Ordering::Release);
    }
    fn fetch_add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Ordering::Relaxed)
    }
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange(current, value, Ordering::Release, Ordering::Relaxed).is_ok()
    }
    fn swap_acquire(&self, value: u64) -> u64 {
        self.0.swap(value, Ordering::Acquire)
    }
    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.0.swap(value, Ordering::AcqRel)
    }
    fn release_fence(&self) {
        fence(Ordering::Release);
    }
    fn acquire_fence(&self) {
        fence(Ordering::Acquire);
    }
    fn pause(&self) {
        thread::yield_now();
    }
}

/// Nobody's patience ends.
pub struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> u64 {
        0
    }
}
