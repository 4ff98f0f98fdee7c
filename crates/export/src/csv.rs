//! A table for spreadsheets and data frames: a row for each record and each loss, by RFC 4180.
//!
//! Cells that a person reads are escaped as in the text output, and do not begin as a formula does: a spreadsheet would
//! compute what a hostile driver wrote (OWASP, "CSV Injection"). The cell `content` has everything exactly, as JSON. At
//! the end is a row of kind `balance` for each lane.

use std::io::{Error, Result, Write};

use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownContent, ShownLoss, ShownRecord},
    text,
};
use serde_json::Value;

use crate::{
    json,
    sink::{ExportSummary, Provenance, Sink, balance_message, cause, escaped, loss_message, marks},
};

/// The columns.
pub const COLUMNS: [&str; 25] = [
    "utc",
    "seconds",
    "start",
    "lane",
    "seq",
    "tick",
    "cpu",
    "irql",
    "irql_name",
    "nmi",
    "level",
    "kind",
    "count",
    "thread",
    "process",
    "provider",
    "module",
    "file",
    "line",
    "text",
    "format",
    "marks",
    "to_tick",
    "content",
    "filtered",
];

/// Writes CSV.
pub struct Csv<W: Write> {
    out: ::csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    /// Into a stream.
    pub fn new(out: W) -> Self {
        Self { out: ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out) }
    }

    fn row(&mut self, cells: &[(&str, String)]) -> Result<()> {
        debug_assert!(cells.iter().all(|(name, _)| COLUMNS.contains(name)), "a cell without a column");
        let cell = |column: &&str| cells.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell.as_str());
        self.out.write_record(COLUMNS.iter().map(cell)).map_err(Error::from)
    }
}

/// A cell that no spreadsheet takes for a formula.
fn plain(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

/// What a record holds, exactly, as JSON; and the cells of an event's site.
fn content(record: &ShownRecord<'_>) -> Result<(Value, Vec<(&'static str, String)>)> {
    let mut value = serde_json::to_value(&record.content)?;
    let mut site = Vec::new();
    if let ShownContent::Event(event) = &record.content {
        if let Some(provider) = event.provider {
            site.push(("provider", plain(provider.to_string())));
        }
        for name in ["module", "file", "format"] {
            if let Some(Value::String(text)) = value.get(name) {
                site.push((name, plain(escaped(text.as_bytes()))));
            }
        }
        if let Some(line) = value.get("line") {
            site.push(("line", line.to_string()));
        }
        // The rest has cells of its own.
        value = value.get_mut("arguments").map_or(Value::Null, Value::take);
    } else if let Some(text) = value.get_mut("text") {
        value = text.take();
    }
    Ok((value, site))
}

impl<W: Write> Sink for Csv<W> {
    fn begin(&mut self, _: &[Provenance<'_>]) -> Result<()> {
        self.out.write_record(COLUMNS).map_err(Error::from)
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let shown = ShownRecord::new(log.tables, record);
        let (value, site) = content(&shown)?;
        let mut cells = site;
        cells.extend([
            ("utc", log.clock().utc(shown.tick).unwrap_or_default()),
            ("seconds", format!("{:.9}", shown.seconds)),
            ("start", log.start()),
            ("lane", shown.lane.to_string()),
            ("seq", shown.seq.to_string()),
            ("tick", shown.tick.to_string()),
            ("cpu", shown.cpu.to_string()),
            ("irql", shown.irql.to_string()),
            ("irql_name", shown.irql_name.to_owned()),
            ("nmi", shown.nmi.to_string()),
            ("level", shown.level.to_string()),
            ("kind", shown.kind.to_string()),
            ("text", plain(text::message(&shown))),
            ("marks", marks(&shown).join(" ")),
            ("content", json::line(value)),
        ]);
        if let Some(thread) = shown.thread {
            cells.extend([("thread", thread.thread.to_string()), ("process", thread.process.to_string())]);
        }
        self.row(&cells)
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let tick = |tick: Option<u64>| tick.map(|tick| tick.to_string()).unwrap_or_default();
        let shown = ShownLoss::new(log.tables, loss);
        self.row(&[
            ("utc", loss.to_tick.or(loss.from_tick).and_then(|tick| log.clock().utc(tick)).unwrap_or_default()),
            ("seconds", shown.to.or(shown.from).map(|seconds| format!("{seconds:.9}")).unwrap_or_default()),
            ("start", log.start()),
            ("lane", loss.lane.to_string()),
            ("seq", loss.first_seq.to_string()),
            ("tick", tick(loss.from_tick)),
            ("to_tick", tick(loss.to_tick)),
            ("kind", "loss".to_owned()),
            ("count", loss.count.to_string()),
            ("marks", cause(loss).to_owned()),
            ("text", loss_message(log, loss)),
        ])
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        for (log, lanes) in logs.iter().zip(&summary.balances) {
            for lane in lanes {
                self.row(&[
                    ("start", log.start()),
                    ("lane", lane.lane.to_string()),
                    ("kind", "balance".to_owned()),
                    ("count", lane.exported.to_string()),
                    ("text", balance_message(lane)),
                    ("content", json::line(serde_json::to_value(lane)?)),
                    ("filtered", summary.is_filtered.to_string()),
                ])?;
            }
        }
        self.out.flush()
    }
}
