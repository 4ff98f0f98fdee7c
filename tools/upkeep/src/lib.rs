//! What irqlog.exe keeps on a machine besides the driver.
//!
//! | Module | What |
//! |---|---|
//! | [`assignment`] | `NAME=VALUE` of the command line, as the value of a service parameter |
//! | [`holders`] | who keeps the driver from stopping |
//! | [`parameters`] | the parameters of the driver's next start: where they lie, how they are changed and shown |
//! | [`store`] | the logs of earlier starts: their names, their order, and how many of them stay |
//!
//! What touches Windows is behind a trait or in a module of its own, so that the rest is tested on any machine.

pub mod assignment;
pub mod holders;
pub mod parameters;
#[cfg(windows)]
pub mod registry;
#[cfg(windows)]
pub mod saver;
pub mod store;
