//! A lock that knows its owner, for checked builds.
//!
//! It reports misuse where it happens, which in a free build would end in a hang or a torn record: acquiring the lock
//! again on the processor that owns it, releasing it when nobody or another processor owns it, and waiting for longer
//! than the budget. Only the owner writes the owner word, after the acquisition, and clears it before the release. The
//! word lies on a line of its own, so the lock itself behaves as it does in a free build.

use super::{Attempt, RawLock};
use crate::word::{Alone, Word};

/// A misuse of a lock. The numbers are the first parameter of the bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Violation {
    /// The processor that owns the lock acquires it again: it would wait for itself.
    Recursion = 1,
    /// A processor releases a lock that nobody owns.
    NotHeld = 2,
    /// A processor releases a lock that another processor owns.
    WrongProcessor = 3,
    /// A waiter waited for longer than the budget.
    BudgetExhausted = 4,
}

/// The receiver of violations: the bug check of the driver, or a test.
pub trait Judge {
    /// Index of the current processor.
    fn processor(&self) -> u32;
    /// Stops the system. `lock` is the address of the lock; `owner` is the index of the processor that owns it, if any.
    fn violation(&self, violation: Violation, lock: usize, owner: Option<u32>) -> !;
}

/// A lock with an owner word, which is 0 while nobody owns the lock.
#[derive(Debug)]
pub struct Checked<L, W, J> {
    lock: L,
    owner: Alone<W>,
    judge: J,
}

const NOBODY: u64 = 0;

impl<L: RawLock, W: Word, J: Judge> Checked<L, W, J> {
    /// Makes a checked lock of a free lock, and a word that is 0.
    pub const fn new(lock: L, owner: W, judge: J) -> Self {
        Self { lock, owner: Alone(owner), judge }
    }

    /// The address of the lock, which a violation reports.
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
unsafe impl<L: RawLock, W: Word, J: Judge> RawLock for Checked<L, W, J> {
    type Node = L::Node;

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

    fn try_acquire(&self) -> Attempt<()> {
        self.lock.try_acquire().map(|()| self.owner.0.store(self.mark()))
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
