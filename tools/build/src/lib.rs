//! What the commands build, and what it is built with.
//!
//! | Module | What |
//! |---|---|
//! | [`shell`] | other programs are run, and steps announced |
//! | [`stamp`] | what a result was made from, so that it is made again only when that has changed |
//! | [`host`] | what this machine must have, and how it is installed |
//! | [`nightly`] | the nightly that sanitizers, Miri and the fuzzer need |
//! | `vendor` | the driver's crates, as a machine without Windows needs them |
//! | [`reproducible`] | what makes a build independent of where it is made |
//! | [`drivers`] | the drivers, and irqlog.exe |
//!
//! A module uses those above it and no other.

pub mod drivers;
pub mod host;
pub mod nightly;
pub mod reproducible;
pub mod shell;
pub mod stamp;
mod vendor;
