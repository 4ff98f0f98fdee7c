//! A word of memory that processors share.
//!
//! All shared memory consists of 64-bit words, and every access to a word is one atomic operation. A reader that loads
//! while a writer stores sees the old word or the new one, never half of each, and there is no data race for the
//! compiler to exploit. [`lane`](crate::lane) defines the protocol: which word is stored before which.
//!
//! [`Word`] is a trait because the protocol is proved with other words than the real ones: loom's, which try every
//! order that the memory model allows, and words that leave a fence out, to see that the proof notices.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// A 64-bit word shared between processors.
pub trait Word {
    /// Loads the word with no ordering.
    fn load(&self) -> u64;
    /// Loads the word; later accesses stay behind the load (acquire).
    fn load_acquire(&self) -> u64;
    /// Stores the word with no ordering.
    fn store(&self, value: u64);
    /// Stores the word; earlier accesses stay before the store (release).
    fn store_release(&self, value: u64);
    /// Adds to the word in one step, with no ordering; answers the value before.
    fn fetch_add(&self, value: u64) -> u64;
    /// Replaces `current` by `value` in one step, with no ordering; answers false if the word was something else.
    fn compare_exchange(&self, current: u64, value: u64) -> bool;
    /// Release fence: a reader with an acquire fence between its loads sees the stores before this fence if it sees a
    /// store behind it. A fence belongs to no word; a model finds its own fence through the word on which it is called.
    fn release_fence(&self);
    /// Acquire fence: loads before it are done before loads after it.
    fn acquire_fence(&self);
}

impl Word for AtomicU64 {
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
    fn fetch_add(&self, value: u64) -> u64 {
        self.fetch_add(value, Ordering::Relaxed)
    }

    #[inline]
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn release_fence(&self) {
        fence(Ordering::Release);
    }

    #[inline]
    fn acquire_fence(&self) {
        fence(Ordering::Acquire);
    }
}
