//! Spans and counters: what the events of a site stand for besides their text.
//!
//! A span has two events, a begin and an end, whose last argument is the same **pair id**. An id is used once while its
//! driver runs, so nothing has to be guessed: neither nesting nor order pairs them. An end closes a begin only if both are
//! of one thread; or, where the recorder could not ask for a thread, of one processor. The guard that a driver holds
//! cannot go to another thread, so an end elsewhere is of something else, and is told.

use std::collections::BTreeMap;

use irqlog_reader::{
    event::{EventView, Value},
    image::Tables,
    record::Record,
};
use irqlog_wire::site::SiteRole;

/// The most spans that are remembered because they have no end yet. The oldest ones are forgotten.
const MOST_OPEN: usize = 1 << 16;

/// The begin of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBegin {
    /// Index of the lane of its record.
    pub lane: u32,
    /// Number of its record.
    pub seq: u64,
    /// Tick of its record.
    pub tick: u64,
    /// Index of the processor that wrote it.
    pub cpu: u16,
    /// Id of the thread that wrote it, if it was asked.
    pub thread: Option<u32>,
    /// What is measured: provider and text of the event, not escaped.
    pub text: String,
}

impl SpanBegin {
    /// Whether a record is of the same thread, or of the same processor where no thread was asked.
    fn is_of_writer_of(&self, record: &Record) -> bool {
        match (self.thread, record.thread()) {
            (Some(own), Some((other, _))) => own == other,
            (None, None) => self.cpu == record.header.processor.get(),
            // Between the two the IRQL has changed, and only one of them could be asked.
            _ => true,
        }
    }
}

/// What an event stands for besides its text.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanPart {
    /// A span begins.
    Begin,
    /// A span ends.
    End(SpanEnd),
    /// A counter has a value.
    Counter {
        /// Provider and name, not escaped.
        name: String,
        /// The value; what no double holds is the nearest one.
        value: f64,
    },
}

/// What is known of a span that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanEnd {
    /// It began there.
    Paired(SpanBegin),
    /// Its begin is of another thread or processor, so it does not close that span.
    Elsewhere(SpanBegin),
    /// Its begin is not among the records that were seen.
    NoBegin,
}

/// The spans of a log, paired while its records are gone through.
#[derive(Clone, Debug, Default)]
pub struct SpanPairs {
    /// By start of the driver, provider, and pair id.
    open: BTreeMap<(u64, u64, u64), SpanBegin>,
    forgotten: u64,
    without_begin: u64,
}

impl SpanPairs {
    /// What a record stands for; `None` for most of them.
    pub fn part(&mut self, tables: &Tables, record: &Record) -> Option<SpanPart> {
        let event = EventView::of(tables, record)?;
        let role = SiteRole(event.site?.header.role.get());
        let (provider, _) = tables.sites.find(record.header.site.get())?;
        let provider = tables.sites.providers().get(provider)?;
        let last = event.arguments.last();
        if role == SiteRole::Counter {
            let value = number(&last?.value)?;
            let text = event.text();
            let name = text.raw().rsplit_once(" = ").map_or_else(|| text.raw(), |(name, _)| name);
            return Some(SpanPart::Counter { name: format!("{}: {name}", provider.name.raw()), value });
        }
        if !matches!(role, SiteRole::Begin | SiteRole::End) {
            return None;
        }
        let Value::Unsigned(id, 64) = last?.value else { return None };
        let key = (tables.header.start_id.get(), provider.first_site, id as u64);
        if role == SiteRole::Begin {
            let begin = SpanBegin {
                lane: record.lane,
                seq: record.header.seq.get(),
                tick: record.header.tick.get(),
                cpu: record.header.processor.get(),
                thread: record.thread().map(|(thread, _)| thread),
                text: format!("{}: {}", provider.name.raw(), event.text().raw()),
            };
            self.open.insert(key, begin);
            if self.open.len() > MOST_OPEN && self.open.pop_first().is_some() {
                self.forgotten += 1;
            }
            return Some(SpanPart::Begin);
        }
        let end = match self.open.remove(&key) {
            Some(begin) if begin.is_of_writer_of(record) => SpanEnd::Paired(begin),
            Some(begin) => {
                self.open.insert(key, begin.clone());
                self.without_begin += 1;
                SpanEnd::Elsewhere(begin)
            }
            None => {
                self.without_begin += 1;
                SpanEnd::NoBegin
            }
        };
        Some(SpanPart::End(end))
    }

    /// Spans that have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.len() as u64 + self.forgotten
    }

    /// Ends without their begin.
    #[must_use]
    pub const fn without_begin(&self) -> u64 {
        self.without_begin
    }
}

/// A value as a counter has it.
#[expect(clippy::cast_precision_loss, reason = "a counter is drawn, and its record has every digit")]
const fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Unsigned(number, _) => Some(*number as f64),
        Value::Signed(number, _) => Some(*number as f64),
        Value::F32(number) => Some(*number as f64),
        Value::F64(number) => Some(*number),
        Value::Bool(value) => Some(if *value { 1.0 } else { 0.0 }),
        _ => None,
    }
}

/// A time in seconds as a person reads it: `12.3 us`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let magnitude = seconds.abs();
    if magnitude < 1e-3 {
        format!("{:.1} us", seconds * 1e6)
    } else if magnitude < 1.0 {
        format!("{:.3} ms", seconds * 1e3)
    } else {
        format!("{seconds:.3} s")
    }
}
