//! The NT kernel that the drivers run on, as far as they use it.
//!
//! | Module | What |
//! |---|---|
//! | [`machine`] | processors, threads that hold them, and what is pending on each |
//! | [`interrupt`] | how interrupts, DPCs, IPIs and NMIs come in between any two instructions |
//! | [`report`] | a broken rule: what is said, and how the run ends |
//! | [`exports`] | the table of routines that images import |
//! | [`ke`], [`time`], [`pool`], [`io`], [`irp`], [`registry`], [`ps`] | the routines |
//!
//! Every routine checks its IRQL rule (`tools/nt`) before it does anything, and on its way back into the image lets in
//! what has become pending.

pub mod exports;
pub mod interrupt;
pub mod io;
pub mod irp;
pub mod ke;
pub mod machine;
pub mod pool;
pub mod ps;
pub mod registry;
pub mod report;
pub mod time;
