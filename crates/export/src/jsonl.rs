//! JSON lines: the objects of `irqlog read --json`, each with its time of day and the start of the driver.
//!
//! The first line is about the logs, the last one about the export. Each has a time of day too: lnav takes a file for one
//! of its format by the first line. `docs/json.md` describes the objects.

use std::io::{Result, Write};

use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownLoss, ShownRecord},
    recorder::Info,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    json,
    sink::{ExportSummary, Provenance, Sink},
};

/// Writes JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
    /// The time of day of the last line.
    utc: Value,
}

impl<W: Write> JsonLines<W> {
    /// Into a stream.
    pub const fn new(out: W) -> Self {
        Self { out, utc: Value::Null }
    }

    fn line(&mut self, object: Value) -> Result<()> {
        if let Some(utc) = object.get("utc") {
            self.utc = utc.clone();
        }
        writeln!(self.out, "{}", json::line(object))
    }
}

/// An object with the fields that place it in the world in front. Fields that it has itself stay as they are.
pub(crate) fn placed(log: &Provenance<'_>, tick: Option<u64>, shown: &impl Serialize) -> Result<Value> {
    let mut object = Map::new();
    object.insert("utc".to_owned(), tick.and_then(|tick| log.clock().utc(tick)).into());
    object.insert("start".to_owned(), log.start().into());
    if let Value::Object(fields) = serde_json::to_value(shown)? {
        object.extend(fields);
    }
    Ok(Value::Object(object))
}

/// What is known of the logs before their items.
pub(crate) fn logs(logs: &[Provenance<'_>]) -> Result<Value> {
    let log = |log: &Provenance<'_>| {
        let clock = log.clock();
        let base = clock.tick_base();
        let recorder = serde_json::to_value(Info::new(log.tables, None))?;
        Ok(json!({
            "name": log.name, "start": log.start(), "utc": clock.utc(base), "tick_base": base, "recorder": recorder,
        }))
    };
    logs.iter().map(log).collect::<Result<Vec<_>>>().map(Value::Array)
}

/// How the export ended.
pub(crate) fn end(logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<Value> {
    let ExportSummary { balances, is_filtered, exported, left_out, lost, forks } = summary;
    let log = |(log, lanes): (&Provenance<'_>, &Vec<_>)| {
        let holds = lanes.iter().all(crate::balance::LaneBalance::holds);
        let lanes = serde_json::to_value(lanes)?;
        Ok(json!({ "name": log.name, "start": log.start(), "holds": holds, "lanes": lanes }))
    };
    let balances = logs.iter().zip(balances).map(log).collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "filtered": is_filtered, "exported": exported, "left_out": left_out, "lost": lost, "balances": balances, "forks": forks,
    }))
}

impl<W: Write> Sink for JsonLines<W> {
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()> {
        let utc = logs.first().and_then(|log| log.clock().utc(log.clock().tick_base()));
        let object = json!({ "utc": utc, "logs": self::logs(logs)? });
        self.line(object)
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let object = placed(log, Some(record.header.tick.get()), &ShownRecord::new(log.tables, record))?;
        self.line(object)
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let object = placed(log, loss.to_tick.or(loss.from_tick), &ShownLoss::new(log.tables, loss))?;
        self.line(object)
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        let object = json!({ "utc": self.utc, "end": self::end(logs, summary)? });
        self.line(object)?;
        self.out.flush()
    }
}
