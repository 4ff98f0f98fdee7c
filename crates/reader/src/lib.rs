//! From bytes to records: the one decoder for everything that irqlog writes.
//!
//! | Module | What |
//! |---|---|
//! | [`record`] | a record, and records out of a run of bytes |
//! | [`log`] | a log, wherever it lies: tables, records in order, losses |
//! | [`saved`] | the log in a file |
//! | [`secondary`] | the log out of the secondary data of a crash dump |
//! | [`live`] | the log of a running recorder, as it is at one moment |
//! | [`follow`] | the log of a running recorder, as it grows |
//! | [`session`] | a running recorder, through anything that answers control requests ([`session::Source`]) |
//! | [`save`] | a log written as an image while it is read |
//! | [`checksum`] | the checksums of a saved log: which bytes were changed since |
//! | [`image`] | the tables of an image |
//! | [`sites`] | the site table: what is known of an event's call |
//! | [`event`] | an event's arguments, and its text by the format of its site |
//! | [`status`] | names of NTSTATUS values |
//! | [`untrusted`] | strings of others, which can only be printed escaped |
//!
//! Input is never trusted: sizes are checked before they are used, and damage in one place does not hide the rest.

pub mod checksum;
pub mod event;
pub mod follow;
pub mod image;
mod lanes;
pub mod live;
pub mod log;
mod merge;
pub mod record;
mod render;
pub mod save;
pub mod saved;
pub mod secondary;
pub mod session;
pub mod sites;
pub mod status;
pub mod untrusted;
