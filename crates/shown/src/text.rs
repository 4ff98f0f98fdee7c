//! A record as a line of text: aligned columns, coloured by level.

use std::io::{Result, Write};

use anstyle::{AnsiColor, Style};
use irqlog_reader::log::{Loss, LossCause};
use irqlog_wire::{irql, record::Level};

use crate::{
    Hex, Show,
    record::{ShownContent, ShownLoss, ShownRecord},
};

fn style(level: Level) -> Style {
    let colour = match level {
        Level::Error => AnsiColor::Red,
        Level::Warn => AnsiColor::Yellow,
        Level::Info => AnsiColor::Green,
        Level::Debug => AnsiColor::Cyan,
        _ => AnsiColor::BrightBlack,
    };
    colour.on_default()
}

/// The higher the IRQL, the more it stands out.
fn irql_style(level: u8) -> Style {
    match level {
        irql::PASSIVE_LEVEL | irql::APC_LEVEL => Style::new(),
        irql::DISPATCH_LEVEL => AnsiColor::Blue.on_default(),
        irql::DIRQL_MIN..=irql::DIRQL_MAX => AnsiColor::Magenta.on_default(),
        _ => AnsiColor::Magenta.on_default().bold(),
    }
}

/// `    12.3456780  cpu 3   DISPATCH      info   0x1a2c  text`
impl Show for ShownRecord<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        line(out, &format!("{:13.7}", self.seconds), self)
    }
}

/// Names of the columns of a line, for the time in seconds.
pub const COLUMNS: &str = "         time  cpu     IRQL     nmi  level  thread  text";

/// Writes a record's line with that text in its first column, in place of the seconds after the driver's start.
///
/// # Errors
/// Those of `out`.
pub fn line<W: Write + ?Sized>(out: &mut W, time: &str, record: &ShownRecord<'_>) -> Result<()> {
    let ShownRecord { cpu, irql_name, level, .. } = record;
    let paint = style(Level(level.number as u8));
    let lane = if record.is_nmi() { "nmi" } else { "   " };
    let irql = irql_style(record.irql);
    write!(out, "{time}  cpu {cpu:<3} {irql}{irql_name:8}{irql:#} {lane}  {paint}{level:5}{paint:#}  ")?;
    match record.thread {
        Some(thread) => write!(out, "{:#6x}  ", thread.thread)?,
        None => out.write_all(b"     -  ")?,
    }
    // In one piece: escaped characters come one by one, and `out` may look at each write.
    out.write_all(message(record).as_bytes())?;
    writeln!(out)
}

/// What stands behind the columns of a line: provider and text of an event, text, a blob's first bytes; then marks, such
/// as `[cut]`. It is what a line shows, so nothing in it is left to escape.
#[must_use]
pub fn message(record: &ShownRecord<'_>) -> String {
    let mut message = Vec::new();
    // Writing to a Vec cannot fail, and only text is written.
    let _ = write_message(&mut message, record);
    String::from_utf8_lossy(&message).into_owned()
}

fn write_message(out: &mut impl Write, record: &ShownRecord<'_>) -> Result<()> {
    /// Number of bytes of a blob that are shown.
    const SOME: usize = 16;
    match &record.content {
        ShownContent::Text { text } => write!(out, "{text}")?,
        ShownContent::Event(event) => {
            if let Some(provider) = event.provider {
                write!(out, "{provider}: ")?;
            }
            write!(out, "{}", event.text)?;
        }
        ShownContent::Blob { blob } => {
            let Hex(bytes) = blob.bytes;
            let length = bytes.len();
            write!(out, "blob {} tag {:#x} {}+{length} of {}:", blob.blob, blob.tag, blob.offset, blob.total)?;
            for byte in bytes.iter().take(SOME) {
                write!(out, " {byte:02x}")?;
            }
            if length > SOME {
                write!(out, " ...")?;
            }
        }
        ShownContent::Unknown { bytes: Hex(bytes) } => {
            write!(out, "(kind {}, {} bytes)", record.kind.number, bytes.len())?;
        }
    }
    let is_shortened = matches!(&record.content, ShownContent::Event(event) if event.text_shortened);
    let marks = [(record.truncated, "cut"), (record.user, "user"), (record.late, "late"), (is_shortened, "shortened")];
    for (is_set, word) in marks {
        if is_set {
            write!(out, " [{word}]")?;
        }
    }
    Ok(())
}

/// `--- lane 3: 13 records were overwritten, number 100 to 112, between 0.0014520 and 0.0019001 ---`
impl Show for ShownLoss {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let Loss { lane, first_seq, count, .. } = self.loss;
        let last = first_seq.wrapping_add(count.wrapping_sub(1));
        write!(out, "--- lane {lane}: ")?;
        let what = match (self.loss.cause, self.from) {
            // The normal state of a ring that is full.
            (LossCause::Overwritten, None) => ["older record is overwritten", "older records are overwritten"],
            (LossCause::Overwritten, Some(_)) => {
                ["record was overwritten before it could be read", "records were overwritten before they could be read"]
            }
            (LossCause::NotSaved, _) => ["record was not saved", "records were not saved"],
            (LossCause::Damaged, _) => ["record is DAMAGED", "records are DAMAGED"],
            (LossCause::CutOff, _) => {
                ["record is behind the end of the file", "records are behind the end of the file"]
            }
        };
        let what = what[usize::from(count != 1)];
        write!(out, "{count} {what}, number {first_seq}")?;
        if count != 1 {
            write!(out, " to {last}")?;
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) => write!(out, ", between {from:.7} and {to:.7}")?,
            (None, Some(to)) => write!(out, ", before {to:.7}")?,
            (Some(from), None) => write!(out, ", after {from:.7}")?,
            (None, None) => {}
        }
        writeln!(out, " ---")
    }
}
