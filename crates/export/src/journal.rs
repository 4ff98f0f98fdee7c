//! The Journal Export Format of systemd, for `systemd-journal-remote` and everything that reads a journal.
//!
//! An entry is a record: its text is `MESSAGE`, its level `PRIORITY`, its provider `SYSLOG_IDENTIFIER`, its place
//! `CODE_FILE` and `CODE_LINE`. Fields that begin with `IRQLOG_` have the rest, `IRQLOG_RECORD` the object of
//! `irqlog read --json`. A loss is an entry with `IRQLOG_LOST`, and the last entries are the balance of each log.
//!
//! ("Journal Export Formats", systemd.io/JOURNAL_EXPORT_FORMATS; "systemd.journal-fields".)

use std::io::{Result, Write};

use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownContent, ShownLoss, ShownRecord},
    text,
};
use irqlog_wire::record::Level;
use serde_json::Value;

use crate::{
    json, jsonl,
    sink::{ExportSummary, Provenance, Sink, escaped, loss_message},
};

/// Nanoseconds in the unit of the journal's times.
const MICROSECOND: i128 = 1000;
/// The latest time that a journal takes, in microseconds: `VALID_REALTIME` in systemd's sd-journal.
const LATEST: i128 = (1 << 55) - 1;

/// Writes the Journal Export Format.
#[derive(Debug)]
pub struct Journal<W> {
    out: W,
    /// The time of the last entry of each log, in ticks.
    newest: Vec<u64>,
}

impl<W: Write> Journal<W> {
    /// Into a stream.
    pub const fn new(out: W) -> Self {
        Self { out, newest: Vec::new() }
    }

    /// A field. One whose value has a line end, or another character that is no text, is written with its length.
    fn field(&mut self, name: &str, value: &str) -> Result<()> {
        if value.chars().all(|character| character >= ' ' || character == '\t') {
            return writeln!(self.out, "{name}={value}");
        }
        writeln!(self.out, "{name}")?;
        self.out.write_all(&(value.len() as u64).to_le_bytes())?;
        writeln!(self.out, "{value}")
    }

    /// What every entry begins with: times, and the start as a boot.
    fn begin_entry(&mut self, log: &Provenance<'_>, tick: u64) -> Result<()> {
        let clock = log.clock();
        // A journal has no entry at its zero.
        let microseconds = |time: i128| (time / MICROSECOND).clamp(1, LATEST);
        self.field("__REALTIME_TIMESTAMP", &microseconds(clock.nanoseconds(tick)).to_string())?;
        self.field("__MONOTONIC_TIMESTAMP", &microseconds(clock.since_counter_zero(tick)).to_string())?;
        // 128 bits that are not all zero.
        self.field("_BOOT_ID", &format!("{}{:016x}", log.start(), 1))?;
        self.field("_TRANSPORT", "irqlog")?;
        self.field("IRQLOG_START", &log.start())
    }

    fn end_entry(&mut self) -> Result<()> {
        writeln!(self.out)
    }

    fn newest(&mut self, log: &Provenance<'_>, tick: u64) {
        if let Some(newest) = self.newest.get_mut(log.number) {
            *newest = (*newest).max(tick);
        }
    }
}

/// The priority of syslog: error, warning, informational, debug.
const fn priority(level: u8) -> &'static str {
    match Level(level) {
        Level::Error => "3",
        Level::Warn => "4",
        Level::Info => "6",
        _ => "7",
    }
}

impl<W: Write> Sink for Journal<W> {
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()> {
        self.newest = logs.iter().map(|log| log.clock().tick_base()).collect();
        Ok(())
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let shown = ShownRecord::new(log.tables, record);
        self.newest(log, shown.tick);
        self.begin_entry(log, shown.tick)?;
        self.field("MESSAGE", &text::message(&shown))?;
        self.field("PRIORITY", priority(record.header.level))?;
        let numbers = [
            ("IRQLOG_LANE", u64::from(shown.lane)),
            ("IRQLOG_SEQ", shown.seq),
            ("IRQLOG_TICK", shown.tick),
            ("IRQLOG_CPU", shown.cpu.into()),
            ("IRQLOG_IRQL", shown.irql.into()),
        ];
        for (name, number) in numbers {
            self.field(name, &number.to_string())?;
        }
        self.field("IRQLOG_IRQL_NAME", if shown.is_nmi() { "NMI" } else { shown.irql_name })?;
        if let Some(thread) = shown.thread {
            self.field("TID", &thread.thread.to_string())?;
            self.field("IRQLOG_PROCESS", &thread.process.to_string())?;
        }
        let object = jsonl::placed(log, Some(shown.tick), &shown)?;
        let provider = match &shown.content {
            ShownContent::Event(event) => event.provider.map(|provider| provider.to_string()),
            _ => None,
        };
        self.field("SYSLOG_IDENTIFIER", provider.as_deref().unwrap_or("irqlog"))?;
        if let Some(Value::String(file)) = object.get("file") {
            self.field("CODE_FILE", &escaped(file.as_bytes()))?;
        }
        if let Some(line) = object.get("line") {
            self.field("CODE_LINE", &line.to_string())?;
        }
        self.field("IRQLOG_RECORD", &json::line(object))?;
        self.end_entry()
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let tick = loss.to_tick.or(loss.from_tick).unwrap_or_else(|| log.clock().tick_base());
        self.newest(log, tick);
        self.begin_entry(log, tick)?;
        self.field("MESSAGE", &loss_message(log, loss))?;
        self.field("PRIORITY", priority(Level::Warn.0))?;
        self.field("SYSLOG_IDENTIFIER", "irqlog")?;
        self.field("IRQLOG_LANE", &loss.lane.to_string())?;
        self.field("IRQLOG_LOST", &loss.count.to_string())?;
        let object = jsonl::placed(log, Some(tick), &ShownLoss::new(log.tables, loss))?;
        self.field("IRQLOG_LOSS", &json::line(object))?;
        self.end_entry()
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        let about = jsonl::end(logs, summary)?;
        for log in logs {
            let tick = self.newest.get(log.number).copied().unwrap_or_default();
            self.begin_entry(log, tick)?;
            let filtered = if summary.is_filtered { ", filtered" } else { "" };
            let (exported, lost) = (summary.exported, summary.lost);
            self.field("MESSAGE", &format!("end of the export{filtered}: {exported} records, {lost} lost"))?;
            self.field("PRIORITY", priority(Level::Info.0))?;
            self.field("SYSLOG_IDENTIFIER", "irqlog")?;
            self.field("IRQLOG_FILTERED", if summary.is_filtered { "yes" } else { "no" })?;
            self.field("IRQLOG_BALANCE", &json::line(about["balances"][log.number].clone()))?;
            self.end_entry()?;
        }
        self.out.flush()
    }
}
