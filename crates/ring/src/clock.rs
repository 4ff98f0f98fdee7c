//! The clock that stamps records, and by which a waiter measures its wait and an owner its hold.

/// A clock that all processors share, and that may be read at any IRQL.
pub trait Clock {
    /// The time in ticks. It wraps around; a difference of two readings is a duration.
    fn now(&self) -> u64;
}
