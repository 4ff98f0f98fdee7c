//! Facts of the NT kernel, stated once for the rig, the small KMDF, the test driver and the Wine shim.
//!
//! | Module | What |
//! |---|---|
//! | [`types`] | layouts of public structures on 64-bit Windows, and constants that go with them |
//! | [`status`] | the NTSTATUS values in use |
//! | [`irql`] | interrupt request levels, and rules over them |
//! | [`routines`] | the kernel routines that anything here calls or provides, one row each |
//! | [`framework`] | the rules of KMDF that a driver keeps |
//! | [`verifier`] | Driver Verifier's rules over the routines |
//!
//! # To add a routine
//!
//! 1. Look its IRQL rule up in the DDI reference, and write a row in [`routines`], at its place in the alphabet. The types
//!    of the signature have the names of wdm.h in Rust's spelling, because the kit's C declaration is made from them:
//!    `*mut DeviceObject` becomes `DEVICE_OBJECT *`. A type that no routine had before goes into [`types`], and into
//!    `tools/kit/include/km/ntddk.h`.
//! 2. Implement it in a module of `tools/rig/src/nt` with the macro `routines!`, which compares the signature with the row
//!    and checks the rule at each call. If the row says that Wine's shim has its own, implement it in `tools/wine` too.
//! 3. Call it.
//! 4. If irqlog.sys may import it, `IRQLOG_ACCEPT=1 cargo test -p irqlog-nt` writes `docs/windows-provenance.md` anew.
//!
//! Everything else that names the routine follows from the row; [`routines`] lists what.

#![no_std]

pub mod framework;
pub mod irql;
pub mod routines;
pub mod status;
pub mod types;
pub mod verifier;

pub use status::*;
pub use types::*;
