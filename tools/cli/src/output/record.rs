//! Records as the options of [`Look`] want them.

use std::io::{Result, Write};

use irqlog_export::wall_clock::WallClock;
use irqlog_reader::{image::Tables, record::Record, untrusted::Untrusted};
use irqlog_shown::{
    Hex,
    record::{ShownContent, ShownRecord},
    spans::{SpanEnd, SpanPairs, SpanPart, duration},
    text::{self, COLUMNS},
};
use jiff::{Timestamp, tz::TimeZone};

use crate::args::look::{Look, TimeColumn};

/// Width of seconds, and of a date with a time.
const SECONDS: usize = 13;
const DATE: usize = 27;

/// Writes records as lines.
pub struct Lines {
    look: Look,
    zone: TimeZone,
    /// Seconds of the record before.
    before: Option<f64>,
    /// What is folded.
    fold: Option<Fold>,
    spans: SpanPairs,
}

/// Records that are shown as one line.
struct Fold {
    /// What they have in common.
    key: FoldKey,
    /// Records behind the first one.
    more: u64,
    /// Seconds of the last one.
    until: f64,
}

/// What records have in common that are folded.
#[derive(PartialEq)]
enum FoldKey {
    /// The id of their site.
    Site(u32),
    /// What stands behind the columns.
    Message(String),
}

impl FoldKey {
    fn of(record: &ShownRecord<'_>) -> Self {
        match &record.content {
            ShownContent::Event(event) => Self::Site(event.site),
            _ => Self::Message(text::message(record)),
        }
    }
}

impl Lines {
    pub fn new(look: Look) -> Self {
        Self { look, zone: TimeZone::system(), before: None, fold: None, spans: SpanPairs::default() }
    }

    /// The names of the columns, if they are wanted.
    pub fn header(&self) -> Option<String> {
        let width = match self.look.time {
            TimeColumn::Start | TimeColumn::Delta => SECONDS,
            TimeColumn::Utc | TimeColumn::Local => DATE,
        };
        self.look.header.then(|| format!("{:>width$}{}", COLUMNS[..SECONDS].trim_start(), &COLUMNS[SECONDS..]))
    }

    /// Writes a record of the log with these tables, in both forms.
    pub fn write(
        &mut self,
        out: &mut dyn Write,
        tables: &Tables,
        raw: &Record,
        record: &ShownRecord<'_>,
    ) -> Result<()> {
        let part = self.spans.part(tables, raw);
        if self.look.fold {
            let key = FoldKey::of(record);
            if let Some(fold) = self.fold.as_mut().filter(|fold| fold.key == key) {
                fold.more += 1;
                fold.until = record.seconds;
                self.before = Some(record.seconds);
                return Ok(());
            }
            self.end_fold(out)?;
            self.fold = Some(Fold { key, more: 0, until: record.seconds });
        }
        let time = self.time(tables, record);
        let span = match &part {
            Some(SpanPart::End(end)) => span(tables, record, end),
            _ => String::new(),
        };
        if !(self.look.location || self.look.hex) && span.is_empty() {
            return text::line(out, &time, record);
        }
        let mut line = Vec::new();
        text::line(&mut line, &time, record)?;
        out.write_all(line.trim_ascii_end())?;
        write!(out, "{span}")?;
        if self.look.location
            && let ShownContent::Event(event) = &record.content
            && let Some((file, number)) = event.place()
        {
            write!(out, "  ({file}:{number})")?;
        }
        writeln!(out)?;
        match &record.content {
            ShownContent::Blob { blob } if self.look.hex => {
                let Hex(bytes) = blob.bytes;
                dump(out, u64::from(blob.offset), bytes)
            }
            _ => Ok(()),
        }
    }

    /// What of the spans that were shown is missing, if anything is.
    pub fn unpaired(&self) -> Option<String> {
        let (begins, ends) = (self.spans.open(), self.spans.without_begin());
        (begins + ends != 0).then(|| {
            format!("of the records that are shown, {begins} are begins of spans without an end, and {ends} ends without a begin")
        })
    }

    /// Says how many records are folded into the line that was written last.
    pub fn end_fold(&mut self, out: &mut dyn Write) -> Result<()> {
        match self.fold.take() {
            Some(Fold { key, more, until }) if more != 0 => {
                let of = if matches!(key, FoldKey::Site(_)) { "site" } else { "text" };
                writeln!(out, "{:SECONDS$}  ... {more} more of this {of}, until {until:.7}", "")
            }
            _ => Ok(()),
        }
    }

    fn time(&mut self, tables: &Tables, record: &ShownRecord<'_>) -> String {
        let before = self.before.replace(record.seconds);
        match self.look.time {
            TimeColumn::Start => format!("{:SECONDS$.7}", record.seconds),
            TimeColumn::Delta => format!("{:+SECONDS$.7}", record.seconds - before.unwrap_or(record.seconds)),
            TimeColumn::Utc => date(tables, record.tick, &TimeZone::UTC),
            TimeColumn::Local => date(tables, record.tick, &self.zone),
        }
    }
}

/// What an end says of its span: `  [usb: round 3: 12.3 us]`.
fn span(tables: &Tables, record: &ShownRecord<'_>, end: &SpanEnd) -> String {
    match end {
        SpanEnd::Paired(begin) => {
            let took = duration(record.seconds - tables.seconds(begin.tick));
            format!("  [{}: {took}]", Untrusted::new(&begin.text))
        }
        SpanEnd::Elsewhere(begin) => {
            let thread = begin.thread.map(|thread| format!(", thread {thread:#x}")).unwrap_or_default();
            format!("  [its begin is of cpu {}{thread}]", begin.cpu)
        }
        SpanEnd::NoBegin => "  [its begin is not shown]".to_owned(),
    }
}

/// Date and time at a tick; `-` if the log does not have the time of its start.
fn date(tables: &Tables, tick: u64, zone: &TimeZone) -> String {
    let clock = WallClock::new(tables);
    let time = clock.utc(tick).and_then(|_| Timestamp::from_nanosecond(clock.nanoseconds(tick)).ok());
    let shown = time.map(|time| time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S.%7f").to_string());
    format!("{:>DATE$}", shown.unwrap_or_else(|| "-".to_owned()))
}

/// Bytes as rows of sixteen, each with the offset of its first one: in hexadecimal, and as ASCII.
fn dump(out: &mut dyn Write, first: u64, bytes: &[u8]) -> Result<()> {
    const ROW: usize = 16;
    for (offset, row) in (first..).step_by(ROW).zip(bytes.chunks(ROW)) {
        let hex: String = row.iter().map(|byte| format!(" {byte:02x}")).collect();
        let is_shown = |byte: u8| matches!(byte, b' '..=b'~');
        let ascii: String = row.iter().map(|&byte| if is_shown(byte) { char::from(byte) } else { '.' }).collect();
        writeln!(out, "{:SECONDS$}  {offset:06x} {hex:48}  |{ascii}|", "")?;
    }
    Ok(())
}
