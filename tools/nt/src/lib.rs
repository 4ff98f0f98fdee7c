//! Facts of the NT kernel, stated once for the rig, the small KMDF, the test driver and the Wine shim.
//!
//! | Module | What |
//! |---|---|
//! | [`types`] | layouts of public structures on 64-bit Windows, and constants that go with them |
//! | [`status`] | the NTSTATUS values in use |
//! | [`irql`] | interrupt request levels, and rules over them |
//! | [`routines`] | the kernel routines that anything here calls or provides, one row each |

#![no_std]

pub mod irql;
pub mod routines;
pub mod status;
pub mod types;

pub use status::*;
pub use types::*;
