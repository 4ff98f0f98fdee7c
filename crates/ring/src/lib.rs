//! The lane: a ring of variable-size records with one writer at a time and any number of readers that take no lock.
//!
//! | Module | What |
//! |---|---|
//! | [`word`] | the memory: 64-bit words that are read and written atomically; loom and fault injection put theirs here |
//! | [`lane`] | the protocol between the writer and the readers of one lane |
//! | [`lock`] | how a writer of a shared lane comes to be the only one: the lock trait, its guards, and locks of our own |
//! | [`nesting`] | how a writer finds out that it interrupted another one on its own processor |
//!
//! Nothing here allocates, formats or panics, and nothing waits but [`lock::RawLock::acquire`]. The crate knows no
//! Windows: the driver brings its lock, its IRQL and its memory.

#![no_std]

pub mod lane;
pub mod lock;
pub mod nesting;
pub mod word;
