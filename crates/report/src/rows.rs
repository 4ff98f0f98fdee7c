//! The table of records in the page, as JSON in a block of data.
//!
//! A row of a record is `[seconds, cpu, irql, level, thread, lane, seq, message, place]`, and that of a loss
//! `[message]`. The script of the page shows those that are in sight.

use std::io::{Result, Write};

use irqlog_shown::Named;
use irqlog_wire::record::Level;
use serde_json::{Value, json};

use crate::collected::TableRow;

/// Name of a level, or its digits.
pub fn level_name(level: u8) -> String {
    Named::new(level, Level(level).name()).to_string()
}

/// The cell of the IRQL: with `nmi` for a record of an NMI.
pub fn irql_cell(irql: &str, is_nmi: bool) -> String {
    if is_nmi { format!("{irql} nmi") } else { irql.to_owned() }
}

/// The cell of the thread, as text shows it.
pub fn thread_cell(thread: Option<u32>) -> String {
    thread.map_or_else(|| "-".to_owned(), |thread| format!("{thread:#x}"))
}

/// Writes the rows as a JSON array whose text ends no block of data: `<`, `>` and `&` are escaped in it.
///
/// # Errors
/// Those of `out`.
pub fn write<'r>(out: &mut impl Write, rows: impl Iterator<Item = &'r TableRow>) -> Result<()> {
    let mut separator = "[";
    for row in rows {
        let text = irqlog_export::json::escaped(&value(row).to_string()).into_owned();
        write!(out, "{separator}{}", text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))?;
        separator = ",\n";
    }
    if separator == "[" {
        write!(out, "[")?;
    }
    write!(out, "]")
}

fn value(row: &TableRow) -> Value {
    match row {
        TableRow::Loss { message } => json!([message]),
        TableRow::Record { seconds, cpu, irql, is_nmi, level, thread, number: (lane, seq), message, place } => json!([
            format!("{seconds:.7}"),
            cpu,
            irql_cell(irql, *is_nmi),
            level_name(*level),
            thread_cell(*thread),
            lane,
            // A number of 64 bits is none of JavaScript's.
            seq.to_string(),
            message,
            place,
        ]),
    }
}
