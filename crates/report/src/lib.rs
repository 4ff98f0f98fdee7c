//! A log as one file for a bug report: a page, or a picture of its timeline.
//!
//! | Module | What |
//! |---|---|
//! | [`collected`] | what is kept of a log while it is read: bounded, however large the log is |
//! | [`density`] | how many records there are where on a line of time that is not known before |
//! | [`tally`] | records by provider, level, site and IRQL |
//! | [`picture`] | the timeline by processor and IRQL, as SVG |
//! | [`page`] | the page, as HTML |
//! | [`rows`] | the table of records in the page, as JSON |
//!
//! The file asks for nothing outside of itself, and the page forbids it to the browser. Every value of the log is
//! escaped twice: what does not show as itself, by [`Untrusted`](irqlog_reader::untrusted::Untrusted), and what HTML
//! takes for markup, by maud. Nothing here opens a file.

#![forbid(unsafe_code)]

pub mod collected;
pub mod density;
pub mod page;
pub mod picture;
pub mod rows;
pub mod tally;

use std::io::{Result, Write};

use irqlog_export::sink::{ExportSummary, Provenance, Sink};
use irqlog_reader::{log::Loss, record::Record};

use crate::collected::Collected;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// A page: HTML.
    Page,
    /// The timeline: SVG.
    Picture,
}

/// Writes a report of one log.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    kind: ReportKind,
    /// What the file is that the log was read from, in a line.
    origin: String,
    collected: Collected,
}

impl<W: Write> Report<W> {
    /// Into a stream. `origin` says in a line where the log was.
    pub fn new(out: W, kind: ReportKind, origin: String) -> Self {
        Self { out, kind, origin, collected: Collected::default() }
    }
}

impl<W: Write> Sink for Report<W> {
    fn begin(&mut self, _: &[Provenance<'_>]) -> Result<()> {
        Ok(())
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        self.collected.record(log, record);
        Ok(())
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        self.collected.loss(log, loss);
        Ok(())
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        for log in logs.iter().take(1) {
            match self.kind {
                ReportKind::Page => page::write(&mut self.out, log, &self.origin, &self.collected, summary)?,
                ReportKind::Picture => picture::write(&mut self.out, log, &self.collected)?,
            }
        }
        self.out.flush()
    }
}
