//! The WinDbg script: put together out of its parts and the tables of the format, and run in Node for tests.
//!
//! | Module | What |
//! |---|---|
//! | [`tables`] | `debugger/src/tables.js`: layout, names and grammar, out of `crates/wire` and `crates/reader` |
//! | [`script`] | `debugger/irqlog.js`: all parts, one behind the other |
//! | [`host`] | Node with a host in it that mimics WinDbg's script provider (`debugger/tests`) |

pub mod host;
pub mod script;
pub mod tables;
