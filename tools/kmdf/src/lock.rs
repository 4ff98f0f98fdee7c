//! The framework's one spin lock, and what it guards.
//!
//! [`Locked`] shows that the lock is held. A [`Guarded`] value is borrowed mutably for as long as a `Locked` is, so two
//! such borrows never overlap: there is one lock, and the compiler sees to the rest.

use core::cell::UnsafeCell;

use crate::nt;

struct Word(UnsafeCell<usize>);
// SAFETY: a KSPIN_LOCK; only the kernel's spin-lock routines, which are made for all processors, touch it.
unsafe impl Sync for Word {}
static LOCK: Word = Word(UnsafeCell::new(0));

/// The lock, held until this is dropped. Nothing is called while it is, but pool. IRQL: <= DISPATCH_LEVEL.
pub struct Locked {
    old_irql: u8,
}

impl Locked {
    /// Acquires the lock. Must not be called by a thread that holds it: it would wait for itself.
    pub fn new() -> Self {
        // SAFETY: the word is a KSPIN_LOCK in non-paged memory, initialised to zero as KeInitializeSpinLock does it.
        Self { old_irql: unsafe { nt::KeAcquireSpinLockRaiseToDpc(LOCK.0.get()) } }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: `new` acquired it, and this is the one release; `old_irql` is what that acquisition gave.
        unsafe { nt::KeReleaseSpinLock(LOCK.0.get(), self.old_irql) }
    }
}

/// A value that the lock guards.
pub struct Guarded<T>(UnsafeCell<T>);

// SAFETY: the value is reached through `get` alone, which needs the lock; so one thread at a time touches it. What is
// kept here (handles, addresses of kernel objects, callbacks) belongs to no thread.
unsafe impl<T> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    /// Keeps `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, for as long as `locked` is borrowed.
    pub const fn get<'l>(&'l self, _locked: &'l mut Locked) -> &'l mut T {
        // SAFETY: there is one lock and so one `Locked` at a time; it stays mutably borrowed while the result lives, so
        // no other reference to this value, or to any guarded value, is made meanwhile.
        unsafe { &mut *self.0.get() }
    }
}
