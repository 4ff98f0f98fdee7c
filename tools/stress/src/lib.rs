//! Stress of ring and recorder as libraries: threads as processors, signals as NMIs, and a checker of its own.
//!
//! | Module | What |
//! |---|---|
//! | [`machine`] | the machine under the recorder: a processor is a thread, its IRQL a number |
//! | [`words`] | words whose threads give others time to come between |
//! | [`interrupts`] | signals as NMIs |
//! | [`load`] | what a processor writes: every byte follows from the writer and the number of its record |
//! | [`bytes`] | numbers at offsets, as `docs/record-format.md` gives them |
//! | [`record`] | the check of one record, to the last byte |
//! | [`image`] | the check of an image that nobody writes |
//! | [`batch`] | the check of the answers to one reader's READs |
//! | [`plan`] | the rounds: engine, lock, policy, and what else goes on |
//! | [`round`] | one round: writers, interrupts, readers, CLEAR; then the sums |
//!
//! The checker (`bytes`, `record`, `image`, `batch`) uses neither `crates/wire` nor `crates/reader`: it has the numbers
//! of the documentation once more, so that a defect in the definitions cannot hide a defect of the ring.
//!
//! Lanes are as small as they can be and their numbers start just below the largest value, so that a lane is overwritten
//! thousands of times and everything wraps in every round.

pub mod batch;
pub mod bytes;
pub mod image;
pub mod interrupts;
pub mod load;
pub mod machine;
pub mod plan;
pub mod record;
pub mod round;
pub mod words;
