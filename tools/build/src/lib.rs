//! Builds drivers and programs, and installs what the builds need.
//!
//! | Module | What |
//! |---|---|
//! | [`shell`] | runs other programs, and announces steps |
//! | [`stamp`] | files that say what a result was made from |
//! | [`host`] | tools that this machine must have, and their installation |
//! | [`readers`] | programs of others that read what irqlog exports |
//! | [`nightly`] | the nightly that sanitizers, Miri and the fuzzer need |
//! | `vendor` | the driver's crates, as a machine without Windows needs them |
//! | [`reproducible`] | makes a build independent of the folder it is made in |
//! | `setup` | what a driver build needs besides the sources |
//! | [`drivers`] | the drivers, and irqlog.exe |
//! | [`new`] | writes a new driver |
//! | [`outside`] | drivers that are no part of this workspace |
//!
//! A module uses those above it and no other.

pub mod drivers;
pub mod host;
pub mod new;
pub mod nightly;
pub mod outside;
pub mod readers;
pub mod reproducible;
mod setup;
pub mod shell;
pub mod stamp;
mod vendor;
