//! The memory of a ring image, as seen by the code that shares it between processors.
//!
//! Everything that is shared is a 64-bit word, and every access to it is one atomic operation, so that a reader that
//! comes at the wrong moment sees an old word or a new one, never half of each, and there is no data race for the
//! compiler to exploit. The protocol on top (which word is stored before which) is [`lane`](crate::lane)'s.
//!
//! It is a trait because the protocol is proved with other memories than the real one: loom's, which tries every order
//! that the memory model allows, and ones that leave a fence out, to see that the proof notices.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// An array of 64-bit words shared between processors.
///
/// An index outside the array is a defect in the caller; the memory then reads as zero and ignores stores, because the
/// record path must not panic.
pub trait Words {
    /// Loads a word with no ordering.
    fn load(&self, index: usize) -> u64;
    /// Loads a word; what comes later stays later (acquire).
    fn load_acquire(&self, index: usize) -> u64;
    /// Stores a word with no ordering.
    fn store(&self, index: usize, value: u64);
    /// Stores words one after another, each in one step, with no ordering.
    #[inline]
    fn store_all(&self, first: usize, values: &[u64]) {
        for (offset, &value) in values.iter().enumerate() {
            self.store(first + offset, value);
        }
    }
    /// Stores a word; what came earlier stays earlier (release).
    fn store_release(&self, index: usize, value: u64);
    /// Adds to a word in one step, with no ordering; the value before.
    fn fetch_add(&self, index: usize, value: u64) -> u64;
    /// Replaces a word by `value` in one step if it is still `current`.
    fn compare_exchange(&self, index: usize, current: u64, value: u64) -> bool;
    /// Stores before it are seen before stores after it, by whoever has an acquire fence between its loads.
    fn release_fence(&self);
    /// Loads before it are done before loads after it.
    fn acquire_fence(&self);
}

impl Words for [AtomicU64] {
    #[inline]
    fn load(&self, index: usize) -> u64 {
        self.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline]
    fn load_acquire(&self, index: usize) -> u64 {
        self.get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline]
    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.get(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    fn store_all(&self, first: usize, values: &[u64]) {
        // One look at the bounds for all of them.
        for (word, &value) in self.get(first..).unwrap_or_default().iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    fn store_release(&self, index: usize, value: u64) {
        if let Some(word) = self.get(index) {
            word.store(value, Ordering::Release);
        }
    }

    #[inline]
    fn fetch_add(&self, index: usize, value: u64) -> u64 {
        self.get(index).map_or(0, |word| word.fetch_add(value, Ordering::Relaxed))
    }

    #[inline]
    fn compare_exchange(&self, index: usize, current: u64, value: u64) -> bool {
        self.get(index)
            .is_some_and(|word| word.compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok())
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
