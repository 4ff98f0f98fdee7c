//! A log in the formats that other tools read.
//!
//! | Module | What |
//! |---|---|
//! | [`sink`] | what takes the items of a log: one for each format |
//! | [`run`] | logs, merged by time and filtered, into a sink |
//! | [`forks`] | numbers with two ticks, in several logs of one start |
//! | [`balance`] | what became of each record that was written |
//! | [`wall_clock`] | ticks as time of day |
//! | [`json`] | JSON in which nothing is hidden and no digit is lost |
//! | [`jsonl`] | JSON lines |
//! | [`csv`] | a table for spreadsheets |
//! | [`chrome`] | the JSON format of Chrome's tracing |
//! | [`perfetto`] | Perfetto's own format |
//! | [`ctf`] | the Common Trace Format |
//! | `parquet` | Apache Parquet, with the feature of that name |
//! | [`journal`] | the Journal Export Format of systemd |
//!
//! Nothing here opens a file: a sink writes into what it is given. Nothing is invented: what is between two records is in
//! no export. `docs/exports.md` shows how each is opened in its tool.

#![forbid(unsafe_code)]

pub mod balance;
pub mod chrome;
pub mod csv;
pub mod ctf;
mod drawings;
pub mod forks;
pub mod journal;
pub mod json;
pub mod jsonl;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod perfetto;
pub mod run;
pub mod sink;
mod timeline;
pub mod wall_clock;
