//! A word of memory that processors share.
//!
//! All shared memory consists of 64-bit words, and every access to a word is one atomic operation. A reader that loads
//! while a writer stores sees the old word or the new one, never half of each, and there is no data race for the
//! compiler to exploit. [`lane`](crate::lane) and [`lock`](crate::lock) define the protocols: which word is stored
//! before which.
//!
//! [`Word`] is a trait because the protocols are proved with other words than the real ones: loom's, which try every
//! order that the memory model allows, and words that leave a step out, to see that the proof notices.
//!
//! A word of the log and the word of a lock are one trait, although a lane never exchanges and a lock never adds: what
//! they share, loads and stores with and without an order, has to mean the same in both, and a model of a lane under a
//! lock runs on one memory. Each operation has one fixed ordering, which its name tells, and there is none stronger than
//! a protocol needs: an ordering as a parameter would let a caller ask for more than its argument says, and a model
//! finds the step that it leaves out by the operation. `cargo xtask verify-sys` looks for the orderings in the ARM64
//! image, where each is an instruction of its own.

use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering, fence},
};

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
    /// Replaces `current` by `value` in one step; earlier accesses stay before it (release). Answers false if the word
    /// was something else.
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool;
    /// Exchanges the word in one step; later accesses stay behind it (acquire). Answers the value before.
    fn swap_acquire(&self, value: u64) -> u64;
    /// Exchanges the word in one step; earlier accesses stay before it, later ones behind it (acquire and release).
    /// Answers the value before.
    fn swap_acquire_release(&self, value: u64) -> u64;
    /// Release fence: a reader with an acquire fence between its loads sees the stores before this fence if it sees a
    /// store behind it. A fence belongs to no word; a model finds its own fence through the word on which it is called.
    fn release_fence(&self);
    /// Acquire fence: loads before it are done before loads after it.
    fn acquire_fence(&self);
    /// Tells the processor, or the model, that this thread waits for the word, so that other threads run first.
    fn pause(&self) {
        spin_loop();
    }
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
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.compare_exchange(current, value, Ordering::Release, Ordering::Relaxed).is_ok()
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
    fn release_fence(&self) {
        fence(Ordering::Release);
    }

    #[inline]
    fn acquire_fence(&self) {
        fence(Ordering::Acquire);
    }
}

/// A word alone on 128 bytes: two lines of 64, which an adjacent-line prefetcher pairs, or one of 128.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct Alone<W>(pub W);
