//! How the writer of a shared lane comes to be the only one: a raised IRQL, then a lock.
//!
//! The order is always: [`Raised`] (saves the IRQL on the caller's stack and restores it when dropped), then [`Held`]
//! (the lock). The saved IRQL is the acquirer's own state, so it lives in its guard, never in the lock word, where it
//! would dirty the line that everyone spins on and turn the release into a read-modify-write.
//!
//! A lock is a [`RawLock`]: what Windows gives (`kernel` and `os-queued`, in the driver) or our own ([`swap`] and
//! [`queued`]). Its contract is mutual exclusion with acquire and release ordering at `HIGH_LEVEL`, nothing more. In a
//! checked build ours are [`checked`].

pub mod checked;
pub mod either;
pub mod queued;
pub mod swap;
pub mod word;

/// Raising and lowering the IRQL.
///
/// # Safety
/// `raise` leaves the processor at `HIGH_LEVEL`, where only NMI and machine check interrupt it and no thread switch
/// happens; `lower` restores exactly the level given.
pub unsafe trait Irql {
    /// Raises to `HIGH_LEVEL` and gives the level before. IRQL: any.
    fn raise(&self) -> u8;
    /// Lowers to a level that [`raise`](Self::raise) gave. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// `old` is what the matching raise on this processor gave.
    unsafe fn lower(&self, old: u8);
}

/// A processor at `HIGH_LEVEL`; dropping it restores the level before.
#[derive(Debug)]
#[must_use]
pub struct Raised<'i, I: Irql> {
    irql: &'i I,
    saved: u8,
}

impl<'i, I: Irql> Raised<'i, I> {
    /// Raises. IRQL: any.
    #[inline]
    pub fn new(irql: &'i I) -> Self {
        Self { irql, saved: irql.raise() }
    }

    /// The level before.
    #[inline]
    pub const fn saved(&self) -> u8 {
        self.saved
    }
}

impl<I: Irql> Drop for Raised<'_, I> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `saved` is what the raise in `new` gave, and the guard is dropped once, on the processor that raised:
        // nothing moves a thread at HIGH_LEVEL.
        unsafe { self.irql.lower(self.saved) }
    }
}

/// A spin lock that may be taken at `HIGH_LEVEL`.
///
/// # Safety
/// At most one caller is between an acquisition and its release at any time; an acquisition sees everything that was
/// stored before the release that it follows.
pub unsafe trait RawLock {
    /// What an acquirer brings: its place in a queue, or nothing.
    type Node: Default;
    /// Whether [`try_acquire`](Self::try_acquire) can succeed. A queue lock has no try: its release may wait for a
    /// successor that has not linked itself yet.
    fn has_try(&self) -> bool;
    /// Spins until the lock is free and takes it; false if the lock has a budget and it is exhausted. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// If this gives true, the node stays where it is, and is used for nothing else, until the release.
    unsafe fn acquire(&self, node: &Self::Node) -> bool;
    /// The same; a waiter that cannot give up calls `overdue` when its budget is exhausted. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// As for [`acquire`](Self::acquire).
    unsafe fn acquire_watched(&self, node: &Self::Node, overdue: impl Fn()) -> bool {
        let _ = overdue;
        // SAFETY: as the caller promises.
        unsafe { self.acquire(node) }
    }
    /// Takes the lock if it is free right now; never waits. IRQL: `HIGH_LEVEL`.
    fn try_acquire(&self) -> bool;
    /// Gives the lock back. IRQL: `HIGH_LEVEL`.
    ///
    /// # Safety
    /// The caller holds the lock and acquired it on this processor, with that node.
    unsafe fn release(&self, node: &Self::Node);
}

/// A held lock; dropping it releases.
#[derive(Debug)]
#[must_use]
pub struct Held<'l, L: RawLock> {
    lock: &'l L,
    node: &'l L::Node,
}

impl<'l, L: RawLock> Held<'l, L> {
    /// Waits for the lock; `None` if its budget is exhausted. The [`Raised`] is the proof that nothing on this processor
    /// can wait for us meanwhile.
    ///
    /// # Safety
    /// The node is used for nothing else, and the result is dropped, not forgotten: others may refer to it until then.
    #[inline]
    pub unsafe fn acquire<I: Irql>(lock: &'l L, node: &'l L::Node, _high: &Raised<'_, I>) -> Option<Self> {
        // SAFETY: the guard borrows the node, so nobody moves it until the guard is dropped; the rest the caller promises.
        let is_ours = unsafe { lock.acquire(node) };
        is_ours.then(|| Self { lock, node })
    }

    /// Takes the lock if it is free. A lock with a try has no use for the node.
    #[inline]
    pub fn try_acquire<I: Irql>(lock: &'l L, node: &'l L::Node, _high: &Raised<'_, I>) -> Option<Self> {
        // Lazily: a guard that is made and thrown away would release a lock that it never had.
        lock.try_acquire().then(|| Self { lock, node })
    }
}

impl<L: RawLock> Drop for Held<'_, L> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard exists only after an acquisition with that node, and is dropped once.
        unsafe { self.lock.release(self.node) }
    }
}
