//! How a shared lane gets a single writer: the writer raises the IRQL, then acquires a lock.
//!
//! The order is always: [`Raised`] (saves the IRQL on the caller's stack and restores it when dropped), then [`Held`]
//! (the lock). The saved IRQL is the acquirer's own state, so it lives in the acquirer's guard. In the lock word it
//! would dirty the line on which all waiters spin, and turn the release into a read-modify-write.
//!
//! A lock is a [`RawLock`]: one of Windows' (`kernel` and `os-queued`, in the driver) or one of irqlog's own ([`swap`]
//! and [`queued`]). Its contract is mutual exclusion with acquire and release ordering at `HIGH_LEVEL`, nothing more.
//! In a checked build irqlog's own locks are [`checked`].

pub mod checked;
pub mod either;
mod patience;
pub mod queued;
pub mod swap;

use irqlog_wire::irql::HIGH_LEVEL;

/// Raises and lowers the IRQL of the current processor.
///
/// # Safety
/// `raise` leaves the processor at `HIGH_LEVEL`, where only NMI and machine check interrupt it and no thread switch
/// happens; `lower` restores exactly the level given.
pub unsafe trait Irql {
    /// Raises to `HIGH_LEVEL`, and answers the level before. IRQL: any.
    fn raise(&self) -> u8;
    /// Lowers to a level that [`raise`](Self::raise) answered. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// `old` is the answer of the matching raise on this processor.
    unsafe fn lower(&self, old: u8);
}

/// A processor at `HIGH_LEVEL`; dropping it restores the level before.
///
/// A caller that was at `HIGH_LEVEL` already is not lowered: it may be an NMI callback, in which nothing that waits for
/// a lower level must run.
#[derive(Debug)]
#[must_use]
pub struct Raised<'i, I: Irql> {
    irql: &'i I,
    saved: u8,
}

impl<'i, I: Irql> Raised<'i, I> {
    /// Raises the current processor to `HIGH_LEVEL`. IRQL: any.
    #[inline]
    pub fn new(irql: &'i I) -> Self {
        Self { irql, saved: irql.raise() }
    }

    /// The same for a caller that knows its level: if that is `HIGH_LEVEL`, nothing is called. IRQL: any.
    #[inline]
    pub fn from(irql: &'i I, current: u8) -> Self {
        if current < HIGH_LEVEL { Self::new(irql) } else { Self { irql, saved: current } }
    }

    /// The IRQL before the raise.
    #[inline]
    pub const fn saved(&self) -> u8 {
        self.saved
    }
}

impl<I: Irql> Drop for Raised<'_, I> {
    #[inline]
    fn drop(&mut self) {
        if self.saved < HIGH_LEVEL {
            // SAFETY: `saved` is what the raise in `new` gave, and the guard is dropped once, on the processor that
            // raised: nothing moves a thread at HIGH_LEVEL.
            unsafe { self.irql.lower(self.saved) }
        }
    }
}

/// The result of an attempt to acquire a lock without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Attempt<T> {
    /// The caller owns the lock now.
    Acquired(T),
    /// Another owner has it.
    Busy,
    /// The lock has no try. A queue lock has none: its release may wait for a successor that has not linked itself yet.
    Impossible,
}

impl<T> Attempt<T> {
    /// The same with something else for the acquisition, made only if there was one.
    #[inline]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Self::Acquired(acquired) => Attempt::Acquired(make(acquired)),
            Self::Busy => Attempt::Busy,
            Self::Impossible => Attempt::Impossible,
        }
    }
}

impl Attempt<()> {
    /// Of a lock that can be tried: whether it is the caller's now.
    #[inline]
    pub const fn of(is_ours: bool) -> Self {
        if is_ours { Self::Acquired(()) } else { Self::Busy }
    }
}

/// A spin lock that may be acquired at `HIGH_LEVEL`.
///
/// # Safety
/// At most one caller is between an acquisition and its release at any time; an acquisition sees everything that was
/// stored before the release that it follows.
pub unsafe trait RawLock {
    /// State that an acquirer supplies: its node in the queue, or nothing.
    type Node: Default;
    /// Spins until the lock is free, and acquires it; answers false if the lock has a budget and the wait exhausted it.
    /// IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// If the answer is true, the node stays where it is, and is used for nothing else, until the release.
    unsafe fn acquire(&self, node: &Self::Node) -> bool;
    /// The same as [`acquire`](Self::acquire), but a waiter that cannot give up calls `overdue` when its budget is
    /// exhausted. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// As for [`acquire`](Self::acquire).
    unsafe fn acquire_watched(&self, node: &Self::Node, overdue: impl Fn()) -> bool {
        let _ = overdue;
        // SAFETY: as the caller promises.
        unsafe { self.acquire(node) }
    }
    /// Acquires the lock if it is free right now; never waits. IRQL: `HIGH_LEVEL`.
    fn try_acquire(&self) -> Attempt<()>;
    /// Releases the lock. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// The caller owns the lock, and acquired it on this processor, with this node.
    unsafe fn release(&self, node: &Self::Node);
}

/// A lock that the caller owns; dropping it releases the lock.
#[derive(Debug)]
#[must_use]
pub struct Held<'l, L: RawLock> {
    lock: &'l L,
    node: &'l L::Node,
}

impl<'l, L: RawLock> Held<'l, L> {
    /// Waits for the lock; `None` if its budget is exhausted. The [`Raised`] proves that meanwhile nothing on this
    /// processor can wait for the caller.
    ///
    /// # Safety
    /// The node is used for nothing else, and the result is dropped, not forgotten: other waiters may refer to the node
    /// until then.
    #[inline]
    pub unsafe fn acquire<I: Irql>(lock: &'l L, node: &'l L::Node, _high: &Raised<'_, I>) -> Option<Self> {
        // SAFETY: the guard borrows the node, so nobody moves it until the guard is dropped; the rest the caller
        // promises.
        let is_ours = unsafe { lock.acquire(node) };
        is_ours.then(|| Self { lock, node })
    }

    /// Acquires the lock if it is free; never waits. A lock with a try does not use the node.
    #[inline]
    pub fn try_acquire<I: Irql>(lock: &'l L, node: &'l L::Node, _high: &Raised<'_, I>) -> Attempt<Self> {
        // Lazily: a guard that is made and thrown away would release a lock that it never had.
        lock.try_acquire().map(|()| Self { lock, node })
    }
}

impl<L: RawLock> Drop for Held<'_, L> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard exists only after an acquisition with that node, and is dropped once.
        unsafe { self.lock.release(self.node) }
    }
}
