//! A ring of variable-size records, with one writer at a time and any number of readers that take no lock.
//!
//! | Module | What |
//! |---|---|
//! | [`word`] | the memory: 64-bit words read and written atomically; loom and fault injection supply their own |
//! | [`clock`] | the time, as records and waiters have it |
//! | [`lane`] | the protocol between the writer and the readers of one lane |
//! | [`lock`] | how a shared lane gets a single writer: the lock trait, its guards, and irqlog's own locks |
//! | [`nesting`] | how a writer finds out that it interrupted another writer on its own processor |
//!
//! Nothing here allocates, formats or panics, and only [`lock::RawLock::acquire`] waits. The crate does not depend on
//! Windows: the driver supplies the lock, the IRQL and the memory.

#![no_std]

pub mod clock;
pub mod lane;
pub mod lock;
pub mod nesting;
pub mod word;
