//! The JSON format of Chrome's tracing: for chrome://tracing, Perfetto's UI, speedscope and others.
//!
//! A processor is a process and an IRQL is a thread of it, NMI lanes on top. A record is an instant event whose
//! arguments are the object of `irqlog read --json`. Losses are slices of a process of their own, with a thread for each
//! lane. ("Trace Event Format", the document that chrome://tracing links to.)

use std::{
    collections::BTreeSet,
    io::{Result, Write},
};

use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownContent, ShownLoss, ShownRecord},
    text,
};
use irqlog_wire::irql;
use serde_json::{Value, json};

use crate::{
    drawings::{Drawing, Drawings},
    json, jsonl,
    sink::{ExportSummary, Provenance, Sink, loss_message},
    timeline::Timeline,
};

/// Number of the thread for records of NMIs: above all numbers that a record can have as its IRQL.
const NMI: u32 = 256;

/// Process ids of each log: its losses, then its processors.
const PROCESSES: u64 = 1 << 17;

/// Writes Chrome's JSON.
#[derive(Debug)]
pub struct Chrome<W> {
    out: W,
    timeline: Timeline,
    /// An event was written, so the next one needs a comma.
    has_events: bool,
    /// Processes, and threads of the losses, whose names were written.
    named: BTreeSet<(u64, u32)>,
    drawings: Drawings,
}

impl<W: Write> Chrome<W> {
    /// Into a stream.
    pub fn new(out: W) -> Self {
        Self {
            out,
            timeline: Timeline::default(),
            has_events: false,
            named: BTreeSet::new(),
            drawings: Drawings::default(),
        }
    }

    fn raw(&mut self, event: &str) -> Result<()> {
        let separator = if std::mem::replace(&mut self.has_events, true) { "," } else { "" };
        write!(self.out, "{separator}\n{event}")
    }

    /// An event with a time: microseconds with three decimals, which `Value` would round.
    fn event(&mut self, head: Value, nanoseconds: u64, length: Option<u64>, args: Value) -> Result<()> {
        let microseconds = |time: u64| format!("{}.{:03}", time / 1000, time % 1000);
        let head = json::line(head);
        let head = head.trim_end_matches('}');
        let length = length.map(|length| format!(",\"dur\":{}", microseconds(length))).unwrap_or_default();
        let args = json::line(args);
        self.raw(&format!("{head},\"ts\":{}{length},\"args\":{args}}}", microseconds(nanoseconds)))
    }

    fn name(&mut self, what: &str, process: u64, thread: u32, name: &str) -> Result<()> {
        let event = json!({ "ph": "M", "name": what, "pid": process, "tid": thread, "args": { "name": name } });
        self.raw(&json::line(event))
    }

    fn sort(&mut self, what: &str, process: u64, thread: u32, index: u64) -> Result<()> {
        let event = json!({ "ph": "M", "name": what, "pid": process, "tid": thread, "args": { "sort_index": index } });
        self.raw(&json::line(event))
    }

    /// Names the process of a processor and the thread of an IRQL, before the first event there.
    fn track(&mut self, log: &Provenance<'_>, process: u64, cpu: u16, thread: u32) -> Result<()> {
        if self.named.insert((process, u32::MAX)) {
            self.name("process_name", process, 0, &format!("irqlog {}, cpu {cpu}", log.start()))?;
            self.sort("process_sort_index", process, 0, process)?;
        }
        if self.named.insert((process, thread)) {
            let name = if thread == NMI { "NMI" } else { irql::name(thread as u8) };
            self.name("thread_name", process, thread, name)?;
            // From high to low.
            self.sort("thread_sort_index", process, thread, u64::from(NMI - thread))?;
        }
        Ok(())
    }
}

impl<W: Write> Chrome<W> {
    /// Draws the span that ends with a record, or the value of its counter, in a process of its own.
    fn draw(&mut self, log: &Provenance<'_>, record: &Record, time: u64) -> Result<()> {
        let Some(drawing) = self.drawings.next(log, record, &mut self.timeline) else { return Ok(()) };
        let process = (log.number as u64 + 1) * PROCESSES - 1;
        if self.named.insert((process, u32::MAX)) {
            self.name("process_name", process, 0, &format!("irqlog {}, spans and counters", log.start()))?;
            self.sort("process_sort_index", process, 0, process)?;
        }
        match drawing {
            Drawing::Slice { begin, from, to, writer, track } => {
                if self.named.insert((process, track)) {
                    self.name("thread_name", process, track, &writer.name())?;
                }
                let head = json!({ "ph": "X", "name": begin.text, "cat": "span", "pid": process, "tid": track });
                let args = json!({
                    "lane": begin.lane, "begin_seq": begin.seq, "end_lane": record.lane,
                    "end_seq": record.header.seq.get(),
                });
                self.event(head, from, Some(to - from), args)
            }
            Drawing::Value { name, value, .. } => {
                let head = json!({ "ph": "C", "name": name, "cat": "counter", "pid": process });
                self.event(head, time, None, json!({ "value": value }))
            }
        }
    }
}

impl<W: Write> Sink for Chrome<W> {
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()> {
        self.timeline = Timeline::new(logs);
        write!(self.out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let shown = ShownRecord::new(log.tables, record);
        let process = log.number as u64 * PROCESSES + 2 + u64::from(shown.cpu);
        let thread = if shown.is_nmi() { NMI } else { shown.irql.into() };
        self.track(log, process, shown.cpu, thread)?;
        let category = match &shown.content {
            ShownContent::Event(event) => event.provider.map_or("event", |provider| provider.into_raw()),
            _ => shown.kind.name.unwrap_or("unknown"),
        };
        let head = json!({
            "ph": "i", "s": "t", "name": text::message(&shown), "cat": category, "pid": process, "tid": thread,
        });
        let time = self.timeline.time(log, shown.tick);
        let args = jsonl::placed(log, Some(shown.tick), &shown)?;
        self.event(head, time, None, args)?;
        self.draw(log, record, time)
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let process = log.number as u64 * PROCESSES + 1;
        if self.named.insert((process, u32::MAX)) {
            self.name("process_name", process, 0, &format!("irqlog {}, lost records", log.start()))?;
            self.sort("process_sort_index", process, 0, process)?;
        }
        if self.named.insert((process, loss.lane)) {
            self.name("thread_name", process, loss.lane, &log.lane_name(loss.lane))?;
        }
        let (from, to) = self.timeline.span(log, loss);
        let head = json!({
            "ph": "X", "name": loss_message(log, loss), "cat": "loss", "pid": process, "tid": loss.lane,
        });
        let args = jsonl::placed(log, loss.to_tick.or(loss.from_tick), &ShownLoss::new(log.tables, loss))?;
        self.event(head, from, Some(to - from), args)
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        let about = json!({ "logs": jsonl::logs(logs)?, "end": jsonl::end(logs, summary)? });
        writeln!(self.out, "\n],\"otherData\":{}}}", json::line(about))?;
        self.out.flush()
    }
}
