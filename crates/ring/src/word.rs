//! A word of memory that processors share.
//!
//! Everything that is shared is a 64-bit word, and every access to it is one atomic operation, so that a reader that
//! comes at the wrong moment sees an old word or a new one, never half of each, and there is no data race for the
//! compiler to exploit. The protocol on top (which word is stored before which) is [`lane`](crate::lane)'s.
//!
//! It is a trait because the protocol is proved with other words than the real ones: loom's, which try every order that
//! the memory model allows, and ones that leave a fence out, to see that the proof notices.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// A 64-bit word shared between processors.
pub trait Word {
    /// Loads it with no ordering.
    fn load(&self) -> u64;
    /// Loads it; what comes later stays later (acquire).
    fn load_acquire(&self) -> u64;
    /// Stores it with no ordering.
    fn store(&self, value: u64);
    /// Stores it; what came earlier stays earlier (release).
    fn store_release(&self, value: u64);
    /// Adds in one step, with no ordering; the value before.
    fn fetch_add(&self, value: u64) -> u64;
    /// Replaces `current` by `value` in one step, with no ordering; false if it was something else.
    fn compare_exchange(&self, current: u64, value: u64) -> bool;
    /// Stores before it are seen before stores after it, by whoever has an acquire fence between its loads. It belongs to
    /// no word; a model takes it from the one that it is called on.
    fn release_fence(&self);
    /// Loads before it are done before loads after it.
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
