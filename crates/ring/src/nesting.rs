//! The nesting count of a processor: how a log call finds out that it interrupted another one.
//!
//! At `HIGH_LEVEL` only an NMI or a machine check can interrupt a processor, and its callback runs to its end before
//! the interrupted code continues. So a plain load and store are enough to count: a callback that interrupts between
//! them restores the count before it returns. No caller has to ask whether it runs in an NMI:
//!
//! | Count found | The caller | Where it writes |
//! |---|---|---|
//! | 0 | is the first on this processor | the main lane of the engine |
//! | 1 | interrupted the first | the processor's NMI lane |
//! | 2 or more | interrupted a write of the NMI lane | nowhere: a counted drop |
//!
//! A caller that found 0 but could not have the main lane (its single try failed) writes the NMI lane too, and that
//! lane has no lock. So the caller first sets the count to 2 ([`Entered::claim_nmi_lane`]): a call that interrupts it
//! then drops its record, instead of writing into the middle of the record in the same lane.
//!
//! No ordering is needed: only the processor itself uses its words, in program order. The compiler may not move a
//! lane's stores across them either, since an interruption sees the same memory, like a signal; a compiler fence says
//! so.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::word::Word;

/// How deep a log call is nested on its processor, which decides where it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// No other call on this processor is writing.
    First,
    /// One other call is writing, in the main lane.
    Nested,
    /// Another call is writing the NMI lane.
    TooDeep,
}

/// A log call that has been counted on its processor; dropping the value takes the count back.
#[derive(Debug)]
#[must_use]
pub struct Entered<'m, W: Word> {
    count: &'m W,
    found: u64,
}

impl<'m, W: Word> Entered<'m, W> {
    /// Counts a log call on the processor whose nesting count is `count`.
    ///
    /// # Safety
    /// The caller runs on that processor at `HIGH_LEVEL` until the value is dropped.
    #[inline]
    pub unsafe fn enter(count: &'m W) -> Self {
        let found = count.load();
        count.store(found.wrapping_add(1));
        compiler_fence(Ordering::SeqCst);
        Self { count, found }
    }

    /// The same for a call that only goes on if it is the first on its processor: otherwise it is not counted, and the
    /// answer is `None`.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter).
    #[inline]
    pub unsafe fn enter_first(count: &'m W) -> Option<Self> {
        if count.load() != 0 {
            return None;
        }
        count.store(1);
        compiler_fence(Ordering::SeqCst);
        Some(Self { count, found: 0 })
    }

    /// The depth that the count found by [`enter`](Self::enter) means.
    #[inline]
    pub const fn depth(&self) -> Depth {
        match self.found {
            0 => Depth::First,
            1 => Depth::Nested,
            _ => Depth::TooDeep,
        }
    }

    /// Sets the count to 2, so that a caller that found 0 may write the NMI lane: a call that interrupts it is dropped.
    #[inline]
    pub fn claim_nmi_lane(&self) {
        self.count.store(self.found.wrapping_add(2));
        compiler_fence(Ordering::SeqCst);
    }
}

impl<W: Word> Drop for Entered<'_, W> {
    #[inline]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.count.store(self.found);
    }
}
