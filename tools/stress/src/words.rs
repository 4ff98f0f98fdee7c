//! Words of the image and of the locks, whose threads give others time to come between.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use irqlog_ring::word::Word;

/// A word of the image. Now and then its thread dawdles before an access, so that the others do much between any two
/// steps of the protocol, which take nanoseconds otherwise.
#[derive(Debug, Default)]
pub struct Dawdling(AtomicU64);

thread_local! {
    /// Accesses until the thread dawdles again, and how often it has.
    static PATIENCE: Cell<(u32, u32)> = const { Cell::new((1, 0)) };
}

impl Dawdling {
    /// The word, read by somebody who takes no part.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores a word, as somebody who has no business there.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    fn access(&self) -> &AtomicU64 {
        let (left, times) = PATIENCE.get();
        if left != 0 {
            PATIENCE.set((left - 1, times));
        } else {
            // Numbers that no period of the protocol fits.
            let mixed = times.wrapping_add(1).wrapping_mul(0x9e37_79b9);
            PATIENCE.set((64 + (mixed >> 22), times.wrapping_add(1)));
            if mixed.is_multiple_of(16) {
                std::thread::yield_now();
            }
            for _ in 0..mixed >> 27 {
                std::hint::spin_loop();
            }
        }
        &self.0
    }
}

impl Word for Dawdling {
    fn load(&self) -> u64 {
        Word::load(self.access())
    }

    fn load_acquire(&self) -> u64 {
        Word::load_acquire(self.access())
    }

    fn store(&self, value: u64) {
        Word::store(self.access(), value);
    }

    fn store_release(&self, value: u64) {
        Word::store_release(self.access(), value);
    }

    fn fetch_add(&self, value: u64) -> u64 {
        Word::fetch_add(self.access(), value)
    }

    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        Word::compare_exchange(self.access(), current, value)
    }

    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.access().compare_exchange_release(current, value)
    }

    fn swap_acquire(&self, value: u64) -> u64 {
        self.access().swap_acquire(value)
    }

    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.access().swap_acquire_release(value)
    }

    fn release_fence(&self) {
        self.access().release_fence();
    }

    fn acquire_fence(&self) {
        self.access().acquire_fence();
    }
}

/// A word of a lock whose waiters give up the host's processor: there are more threads than processors, and an owner
/// that the host does not run would be waited for in vain.
#[derive(Debug, Default)]
pub struct Yielding(AtomicU64);

impl Word for Yielding {
    fn load(&self) -> u64 {
        Word::load(&self.0)
    }

    fn load_acquire(&self) -> u64 {
        Word::load_acquire(&self.0)
    }

    fn store(&self, value: u64) {
        Word::store(&self.0, value);
    }

    fn store_release(&self, value: u64) {
        Word::store_release(&self.0, value);
    }

    fn fetch_add(&self, value: u64) -> u64 {
        Word::fetch_add(&self.0, value)
    }

    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        Word::compare_exchange(&self.0, current, value)
    }

    fn swap_acquire(&self, value: u64) -> u64 {
        self.0.swap_acquire(value)
    }

    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.0.swap_acquire_release(value)
    }

    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange_release(current, value)
    }

    fn release_fence(&self) {
        self.0.release_fence();
    }

    fn acquire_fence(&self) {
        self.0.acquire_fence();
    }

    fn pause(&self) {
        std::thread::yield_now();
    }
}
