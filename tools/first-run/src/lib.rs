//! `irqlog first-run`: tries irqlog on a Windows test machine, and writes one report.
//!
//! | Module | What |
//! |---|---|
//! | [`run`] | the stages of a first run, and how it goes on after a restart or a crash |
//! | [`steps`] | the steps of each stage |
//! | [`report`] | what was seen: kept as JSON, which a later run reads, and shown as Markdown |
//! | [`exports`] | the exports of a module's file, forwarders included |
//! | [`host`] | the machine: programs, files, and the time of its start |
//!
//! The report is on the disk before a step begins and after it has ended. So a machine that crashes in a step leaves a
//! report that says so, and the next run goes on behind it.

pub mod exports;
pub mod host;
pub mod report;
pub mod run;
pub mod steps;
