//! The log out of a crash dump: the kinds of dump that Windows writes, their secondary data, and their memory.
//!
//! | Module | What |
//! |---|---|
//! | [`source`] | the bytes of a file, read by offset |
//! | [`header`] | the dump's header, and the files that are refused, each with a sentence |
//! | [`pages`] | where in the file each page of physical memory lies |
//! | [`secondary`] | blocks that drivers have added, by GUID |
//! | [`triage`] | the memory in a small dump |
//! | [`paging`] | virtual addresses, by the page tables in the dump |
//! | `modules` | irqlog.sys in the list of loaded drivers |
//! | [`bugcheck`] | names of bug checks, and what their parameters say |
//! | [`find`] | irqlog's log: secondary data, else the anchor, else a scan of memory |
//! | [`report`] | what is shown of a crash |
//!
//! No offset or count of a file is believed: each is clamped to the length of the file before anything is read or
//! allocated by it.

#![forbid(unsafe_code)]

pub mod bugcheck;
pub mod find;
pub mod header;
mod hex;
mod modules;
pub mod pages;
pub mod paging;
pub mod report;
pub mod secondary;
pub mod source;
pub mod triage;

pub use find::{FoundLog, Origin, find};
pub use header::{DumpError, DumpKind, Header, is_dump};
pub use source::DumpBytes;
