//! The recorder: everything in irqlog.sys that does not need Windows.
//!
//! | Module | What |
//! |---|---|
//! | [`layout`] | where everything lies in the ring image, and its first initialisation |
//! | [`memory`] | the words of the image, and the pieces of processors that are added later |
//! | [`draft`] | a record as it is encoded on the caller's stack |
//! | [`event`], [`pointers`] | the arguments of events |
//! | [`gate`] | level and pause, in one word |
//! | [`words`] | bytes as words |
//! | [`sites`] | the site table, and the registered providers |
//! | [`room`] | where a new entry goes in the site table |
//! | [`log`] | the record path: raise, choose a lane, stamp, publish, lower |
//! | [`request`] | the control device's requests, parsed before anything is done: a crate of its own |
//! | [`answer`] | the answers to those requests |
//! | [`notes`] | the texts of the records about changed settings |
//! | [`crash`] | the log at a bug check: the header, the own record, the parts of the secondary data |
//! | [`waiting`] | pended WAITs: their limits, their timer |
//!
//! The crate is generic over its outside ([`Platform`], [`RawLock`](irqlog_ring::lock::RawLock),
//! [`Memory`](memory::Memory)), so that tests, models and the rig run the same code as the driver. It does not
//! allocate, format or panic.

#![no_std]

pub mod answer;
pub mod crash;
pub mod draft;
mod event;
mod gate;
pub mod layout;
pub mod log;
pub mod memory;
mod notes;
pub mod pointers;
mod room;
pub mod sites;
pub mod waiting;
mod words;

pub use irqlog_request as request;
use irqlog_ring::{clock::Clock, lock::Irql};
/// The service parameters, which irqlog.exe writes and the driver reads.
pub use irqlog_wire::config;
pub use log::Recorder;

/// The services of the system that the recorder uses, besides the clock and raising and lowering the IRQL.
///
/// Every function may be called at any IRQL unless it says otherwise.
pub trait Platform: Irql + Clock {
    /// The current IRQL.
    fn irql(&self) -> u8;
    /// System-wide index of the current processor; stable only at `DISPATCH_LEVEL` or above.
    fn processor(&self) -> u32;
    /// Ids of the current thread and process. IRQL: at most `DISPATCH_LEVEL`.
    fn thread_and_process(&self) -> (u32, u32);
}
