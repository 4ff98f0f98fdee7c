//! One of two locks, chosen when the lock is made.
//!
//! A choice between more than two locks would become a jump table, which the check of the linked driver cannot follow
//! (`cargo xtask verify-sys`). More than two locks are a choice between choices.

use super::{Attempt, RawLock};

/// One of two locks.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The lock is of the first type.
    First(A),
    /// The lock is of the second type.
    Second(B),
}

// SAFETY: which one it is never changes, and each is a lock.
unsafe impl<A: RawLock, B: RawLock> RawLock for Either<A, B> {
    type Node = (A::Node, B::Node);

    #[inline]
    unsafe fn acquire(&self, (first, second): &Self::Node) -> bool {
        match self {
            // SAFETY: the caller promises for the node what each lock asks for its part of it.
            Self::First(lock) => unsafe { lock.acquire(first) },
            // SAFETY: as above.
            Self::Second(lock) => unsafe { lock.acquire(second) },
        }
    }

    #[inline]
    fn try_acquire(&self) -> Attempt<()> {
        match self {
            Self::First(lock) => lock.try_acquire(),
            Self::Second(lock) => lock.try_acquire(),
        }
    }

    #[inline]
    unsafe fn release(&self, (first, second): &Self::Node) {
        match self {
            // SAFETY: the caller holds this lock with that node.
            Self::First(lock) => unsafe { lock.release(first) },
            // SAFETY: as above.
            Self::Second(lock) => unsafe { lock.release(second) },
        }
    }
}
