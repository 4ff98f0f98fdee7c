//! A record as a line of text: aligned columns, coloured by level.

use std::{
    borrow::Cow,
    io::{Result, Write},
};

use anstyle::{AnsiColor, Style};
use irqlog_wire::{
    image::LaneKind,
    irql,
    record::{Level, flags},
};

use crate::{
    event::EventView,
    image::Tables,
    log::Loss,
    record::{Content, Record},
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

/// `    12.345678  cpu 3   DISPATCH      info       1a2c  text`
///
/// # Errors
/// Those of `out`.
pub fn record(out: &mut impl Write, tables: &Tables, record: &Record) -> Result<()> {
    let header = &record.header;
    let level = record.level();
    let paint = style(level);
    let level = level.name().map_or_else(|| Cow::Owned(level.0.to_string()), Cow::Borrowed);
    let lane = if tables.lanes.get(record.lane as usize).is_some_and(|lane| lane.kind.get() == LaneKind::Nmi.0) {
        "nmi"
    } else {
        "   "
    };
    write!(
        out,
        "{:13.7}  cpu {:<3} {:8} {lane}  {paint}{level:5}{paint:#}  ",
        tables.seconds(header.tick.get()),
        header.processor,
        irql::name(header.irql),
    )?;
    match record.thread() {
        Some((thread, _)) => write!(out, "{thread:6x}  ")?,
        None => out.write_all(b"     -  ")?,
    }
    // In one piece: escaped characters come one by one, and `out` may look at each write.
    out.write_all(message(tables, record).as_bytes())?;
    writeln!(out)
}

/// What stands behind the columns of a line: provider and text of an event, text, a blob's first bytes; then marks, such
/// as `[cut]`. It is what a line shows, so nothing in it is left to escape.
#[must_use]
pub fn message(tables: &Tables, record: &Record) -> String {
    let mut message = Vec::new();
    // Writing to a Vec cannot fail, and only text is written.
    let _ = write_message(&mut message, tables, record);
    String::from_utf8_lossy(&message).into_owned()
}

fn write_message(out: &mut impl Write, tables: &Tables, record: &Record) -> Result<()> {
    match record.content() {
        Content::Text(text) => write!(out, "{text}")?,
        Content::Event(_) => {
            if let Some(event) = EventView::of(tables, record) {
                if let Some(provider) = event.provider {
                    write!(out, "{provider}: ")?;
                }
                write!(out, "{}", event.text())?;
            }
        }
        Content::Blob { header, bytes } => {
            write!(
                out,
                "blob {} tag {:#x} {}+{} of {}:",
                header.blob,
                header.tag,
                header.offset,
                bytes.len(),
                header.total
            )?;
            for byte in bytes.iter().take(16) {
                write!(out, " {byte:02x}")?;
            }
            if bytes.len() > 16 {
                write!(out, " ...")?;
            }
        }
        Content::Unknown(bytes) => write!(out, "(kind {}, {} bytes)", record.header.kind, bytes.len())?,
    }
    for (flag, word) in [(flags::TRUNCATED, "cut"), (flags::USER, "user")] {
        if record.has(flag) {
            write!(out, " [{word}]")?;
        }
    }
    if record.late {
        write!(out, " [late]")?;
    }
    Ok(())
}

/// `--- lane 3: 13 records are missing, number 100 to 112, between 0.0014520 and 0.0019001 ---`
///
/// # Errors
/// Those of `out`.
pub fn loss(out: &mut impl Write, tables: &Tables, loss: &Loss) -> Result<()> {
    let Loss { lane, first_seq, count, from_tick, to_tick } = *loss;
    let last = first_seq.wrapping_add(count.wrapping_sub(1));
    write!(out, "--- lane {lane}: ")?;
    match count {
        1 => write!(out, "1 record is missing, number {first_seq}")?,
        _ => write!(out, "{count} records are missing, number {first_seq} to {last}")?,
    }
    match [from_tick, to_tick].map(|tick| tick.map(|tick| tables.seconds(tick))) {
        [Some(from), Some(to)] => write!(out, ", between {from:.7} and {to:.7}")?,
        [None, Some(to)] => write!(out, ", before {to:.7}")?,
        [Some(from), None] => write!(out, ", after {from:.7}")?,
        [None, None] => {}
    }
    writeln!(out, " ---")
}
