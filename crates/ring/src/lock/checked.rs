//! A lock that knows its owner, for checked builds.
//!
//! What a lock of ours cannot survive, and what a free build therefore answers with a hang or a torn record, is found where
//! it happens: taking it again on the processor that holds it, giving it back when nobody or another processor holds it,
//! and waiting for longer than the budget. The owner is written after the acquisition and cleared before the release, by
//! the owner alone, and stands on a line of its own, so the lock itself behaves as it does in a free build.

use super::{
    RawLock,
    word::{Alone, LockWord},
};

/// What was done to a lock. The numbers are the first parameter of the bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Violation {
    /// Acquired by the processor that holds it: it would wait for itself.
    Recursion = 1,
    /// Released while nobody holds it.
    NotHeld = 2,
    /// Released by another processor than the one that holds it.
    WrongProcessor = 3,
    /// Waited for it for longer than the budget.
    BudgetExhausted = 4,
}

/// Where a violation is reported.
pub trait Judge {
    /// Index of the current processor.
    fn processor(&self) -> u32;
    /// Stops the system. `lock` is the address of the lock; `owner` is the processor that holds it, if one does.
    fn violation(&self, violation: Violation, lock: usize, owner: Option<u32>) -> !;
}

/// A lock with an owner. `owner` is a word that is 0.
#[derive(Debug)]
pub struct Checked<L, W, J> {
    lock: L,
    owner: Alone<W>,
    judge: J,
}

const NOBODY: u64 = 0;

impl<L: RawLock, W: LockWord, J: Judge> Checked<L, W, J> {
    /// A free lock with no owner.
    pub const fn new(lock: L, owner: W, judge: J) -> Self {
        Self { lock, owner: Alone(owner), judge }
    }

    /// The address that a violation names.
    pub fn address(&self) -> usize {
        core::ptr::from_ref(&self.lock).addr()
    }

    fn mark(&self) -> u64 {
        u64::from(self.judge.processor()) + 1
    }

    fn owner(&self) -> Option<u32> {
        self.owner.0.load().checked_sub(1).map(|processor| processor as u32)
    }

    #[cold]
    fn complain(&self, violation: Violation) -> ! {
        self.judge.violation(violation, self.address(), self.owner())
    }
}

// SAFETY: the inner lock excludes and orders; what is added is done by its owner while it is the owner, or ends here.
unsafe impl<L: RawLock, W: LockWord, J: Judge> RawLock for Checked<L, W, J> {
    type Node = L::Node;

    #[inline]
    fn has_try(&self) -> bool {
        self.lock.has_try()
    }

    unsafe fn acquire(&self, node: &Self::Node) -> bool {
        // Only this processor stores its own mark, so if it is there now it is there because we hold the lock.
        if self.owner.0.load() == self.mark() {
            self.complain(Violation::Recursion);
        }
        // SAFETY: as the caller promises.
        let is_ours = unsafe { self.lock.acquire_watched(node, || self.complain(Violation::BudgetExhausted)) };
        if !is_ours {
            self.complain(Violation::BudgetExhausted);
        }
        self.owner.0.store(self.mark());
        true
    }

    fn try_acquire(&self) -> bool {
        let is_ours = self.lock.try_acquire();
        if is_ours {
            self.owner.0.store(self.mark());
        }
        is_ours
    }

    unsafe fn release(&self, node: &Self::Node) {
        match self.owner.0.load() {
            NOBODY => self.complain(Violation::NotHeld),
            owner if owner != self.mark() => self.complain(Violation::WrongProcessor),
            _ => {}
        }
        self.owner.0.store(NOBODY);
        // SAFETY: as the caller promises, and as was just checked.
        unsafe { self.lock.release(node) }
    }
}
