//! The nesting count of a processor: how a log call finds out that it interrupted another one.
//!
//! At `HIGH_LEVEL` only an NMI or a machine check can interrupt a processor, and it runs to its end before what it
//! interrupted goes on. So a plain load and store are enough to count: whoever interrupts between them puts the count
//! back before it returns. Nobody has to ask whether he runs in an NMI:
//!
//! | Count found | Who is that | Where it writes |
//! |---|---|---|
//! | 0 | the first one on this processor | the engine's lane |
//! | 1 | it interrupted the first one | the processor's NMI lane |
//! | 2 or more | it interrupted a write of the NMI lane | nowhere: a counted drop |
//!
//! The one who found 0 but could not have the engine's lane (single try failed) writes the NMI lane too, and that lane
//! has no lock: it first sets the count to 2 ([`Entered::claim_nmi_lane`]), so that whoever interrupts it drops instead
//! of writing the same lane in its middle.
//!
//! No ordering is needed: the words of a processor are used by that processor alone, in program order. The compiler may
//! not move a lane's stores across them either, since they are atomic stores to the same memory that a signal-like
//! interruption sees; a compiler fence says so.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::word::Word;

/// A place to write, as the nesting count tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Nobody on this processor is writing.
    First,
    /// One is, in the engine's lane.
    Nested,
    /// One is, in the NMI lane.
    TooDeep,
}

/// A log call that has been counted on its processor. Leaving is explicit in the type: dropping it takes the count back.
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

    /// What the count says about where to write.
    #[inline]
    pub const fn depth(&self) -> Depth {
        match self.found {
            0 => Depth::First,
            1 => Depth::Nested,
            _ => Depth::TooDeep,
        }
    }

    /// Makes everyone who interrupts from here on a counted drop, so that a caller at depth 0 may write the NMI lane.
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
