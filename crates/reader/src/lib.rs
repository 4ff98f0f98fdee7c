//! From bytes to records: the one decoder for everything that irqlog writes.
//!
//! | Module | What |
//! |---|---|
//! | [`record`] | a record, and records out of a run of bytes |
//! | [`image`] | a ring image: a saved file, a crash-dump block |
//! | [`session`] | a running recorder, through anything that answers control requests ([`session::Source`]) |
//! | [`follow`] | all lanes as one stream, in order, with nothing lost silently |
//! | [`sites`] | the site table: what is known of an event's call |
//! | [`event`] | an event's arguments, and its text by the format of its site |
//! | [`status`] | names of NTSTATUS values |
//! | [`text`] | a record as a line of text |
//! | [`untrusted`] | strings of others, which can only be printed escaped |
//! | [`rig`] | the frames in which the rig carries control requests over a socket |
//!
//! Input is never trusted: sizes are checked before they are used, and damage in one place does not hide the rest.

pub mod event;
pub mod follow;
pub mod image;
pub mod record;
mod render;
pub mod rig;
pub mod session;
pub mod sites;
pub mod status;
pub mod text;
pub mod untrusted;
