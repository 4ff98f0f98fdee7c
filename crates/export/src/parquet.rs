//! Apache Parquet, for duckdb, polars, pandas, ClickHouse and others: a table like that of [`csv`](crate::csv), with types.
//!
//! A row is a record, or a loss. The balance of each lane is in the file's metadata.

use std::io::{Error, Result, Write};

use ::parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{metadata::KeyValue, properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownContent, ShownLoss, ShownRecord},
    text,
};
use serde_json::Value;

use crate::{
    json, jsonl,
    sink::{ExportSummary, Provenance, Sink, cause, loss_message, marks},
};

/// Rows that are held and written together.
const ROWS: usize = 1 << 16;

/// The columns: name, and type in the language of schemas. None has to have a value.
const COLUMNS: [(&str, &str); 25] = [
    ("start", "BYTE_ARRAY {} (STRING)"),
    ("kind", "BYTE_ARRAY {} (STRING)"),
    ("utc", "INT64 {} (TIMESTAMP(NANOS,true))"),
    ("seconds", "DOUBLE {}"),
    ("lane", "INT32 {} (INTEGER(32,false))"),
    ("seq", "INT64 {} (INTEGER(64,false))"),
    ("tick", "INT64 {} (INTEGER(64,false))"),
    ("to_tick", "INT64 {} (INTEGER(64,false))"),
    ("count", "INT64 {} (INTEGER(64,false))"),
    ("cause", "BYTE_ARRAY {} (STRING)"),
    ("cpu", "INT32 {} (INTEGER(16,false))"),
    ("irql", "INT32 {} (INTEGER(8,false))"),
    ("irql_name", "BYTE_ARRAY {} (STRING)"),
    ("nmi", "BOOLEAN {}"),
    ("level", "BYTE_ARRAY {} (STRING)"),
    ("thread", "INT32 {} (INTEGER(32,false))"),
    ("process", "INT32 {} (INTEGER(32,false))"),
    ("provider", "BYTE_ARRAY {} (STRING)"),
    ("module", "BYTE_ARRAY {} (STRING)"),
    ("file", "BYTE_ARRAY {} (STRING)"),
    ("line", "INT32 {} (INTEGER(32,false))"),
    ("format", "BYTE_ARRAY {} (STRING)"),
    ("text", "BYTE_ARRAY {} (STRING)"),
    ("marks", "BYTE_ARRAY {} (STRING)"),
    ("record", "BYTE_ARRAY {} (JSON)"),
];

/// A cell that has a value.
enum Cell {
    Text(String),
    Int32(u32),
    Int64(u64),
    Double(f64),
    Bool(bool),
}

/// The values of a column in the rows that are held.
enum Values {
    Text(Vec<ByteArray>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Bool(Vec<bool>),
}

/// A column: its values, and for each row whether it has one.
struct Held {
    values: Values,
    levels: Vec<i16>,
}

impl Held {
    fn new(column: &str) -> Self {
        let values = match column.split(' ').next() {
            Some("INT32") => Values::Int32(Vec::new()),
            Some("INT64") => Values::Int64(Vec::new()),
            Some("DOUBLE") => Values::Double(Vec::new()),
            Some("BOOLEAN") => Values::Bool(Vec::new()),
            _ => Values::Text(Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    /// Adds a row. A number keeps its bits: the schema says that it has no sign.
    fn push(&mut self, cell: Option<Cell>) {
        self.levels.push(cell.is_some().into());
        match (&mut self.values, cell) {
            (Values::Text(values), Some(Cell::Text(text))) => values.push(text.into_bytes().into()),
            (Values::Int32(values), Some(Cell::Int32(number))) => values.push(number.cast_signed()),
            (Values::Int64(values), Some(Cell::Int64(number))) => values.push(number.cast_signed()),
            (Values::Double(values), Some(Cell::Double(number))) => values.push(number),
            (Values::Bool(values), Some(Cell::Bool(value))) => values.push(value),
            (_, cell) => debug_assert!(cell.is_none(), "a cell of another type than its column"),
        }
    }
}

/// Writes Parquet.
pub struct Parquet<W: Write + Send> {
    out: SerializedFileWriter<W>,
    columns: Vec<Held>,
}

fn failed(error: ParquetError) -> Error {
    Error::other(error)
}

impl<W: Write + Send> Parquet<W> {
    /// Into a stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn new(out: W) -> Result<Self> {
        let field = |(name, kind): (&str, &str)| format!("optional {};", kind.replace("{}", name));
        let fields: String = COLUMNS.map(field).concat();
        let schema = parse_message_type(&format!("message irqlog {{ {fields} }}")).map_err(failed)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let out = SerializedFileWriter::new(out, schema.into(), properties.into()).map_err(failed)?;
        Ok(Self { out, columns: Self::empty() })
    }

    fn empty() -> Vec<Held> {
        COLUMNS.iter().map(|(_, kind)| Held::new(kind)).collect()
    }

    fn row(&mut self, mut cells: Vec<(&str, Cell)>) -> Result<()> {
        debug_assert!(cells.iter().all(|(name, _)| COLUMNS.iter().any(|(column, _)| column == name)), "no such column");
        for (held, (column, _)) in self.columns.iter_mut().zip(COLUMNS) {
            let cell = cells.iter().position(|(name, _)| *name == column).map(|at| cells.swap_remove(at).1);
            held.push(cell);
        }
        if self.columns[0].levels.len() == ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes the rows that are held.
    fn flush(&mut self) -> Result<()> {
        let held = std::mem::replace(&mut self.columns, Self::empty());
        let mut group = self.out.next_row_group().map_err(failed)?;
        for Held { values, levels } in &held {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            let levels = Some(&levels[..]);
            match values {
                Values::Text(values) => column.typed::<ByteArrayType>().write_batch(values, levels, None),
                Values::Int32(values) => column.typed::<Int32Type>().write_batch(values, levels, None),
                Values::Int64(values) => column.typed::<Int64Type>().write_batch(values, levels, None),
                Values::Double(values) => column.typed::<DoubleType>().write_batch(values, levels, None),
                Values::Bool(values) => column.typed::<BoolType>().write_batch(values, levels, None),
            }
            .map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

/// The time of day as a cell; none if it is not known, or no number of nanoseconds of 64 bits.
fn utc(log: &Provenance<'_>, tick: u64) -> Option<(&'static str, Cell)> {
    let clock = log.clock();
    let nanoseconds = i64::try_from(clock.nanoseconds(tick)).ok().filter(|_| clock.has_time_of_day())?;
    Some(("utc", Cell::Int64(nanoseconds.cast_unsigned())))
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn begin(&mut self, _: &[Provenance<'_>]) -> Result<()> {
        Ok(())
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let shown = ShownRecord::new(log.tables, record);
        let object = serde_json::to_value(&shown)?;
        let mut cells = vec![
            ("start", Cell::Text(log.start())),
            ("kind", Cell::Text(shown.kind.to_string())),
            ("seconds", Cell::Double(shown.seconds)),
            ("lane", Cell::Int32(shown.lane)),
            ("seq", Cell::Int64(shown.seq)),
            ("tick", Cell::Int64(shown.tick)),
            ("cpu", Cell::Int32(shown.cpu.into())),
            ("irql", Cell::Int32(shown.irql.into())),
            ("irql_name", Cell::Text(shown.irql_name.to_owned())),
            ("nmi", Cell::Bool(shown.nmi)),
            ("level", Cell::Text(shown.level.to_string())),
            ("text", Cell::Text(text::message(&shown))),
            ("marks", Cell::Text(marks(&shown).join(" "))),
        ];
        cells.extend(utc(log, shown.tick));
        if let Some(thread) = shown.thread {
            cells.extend([("thread", Cell::Int32(thread.thread)), ("process", Cell::Int32(thread.process))]);
        }
        if let ShownContent::Event(event) = &shown.content {
            cells.extend(event.provider.map(|provider| ("provider", Cell::Text(provider.raw().to_owned()))));
            for name in ["module", "file", "format"] {
                cells.extend(object[name].as_str().map(|text| (name, Cell::Text(text.to_owned()))));
            }
            cells.extend(object["line"].as_u64().map(|line| ("line", Cell::Int32(line as u32))));
        }
        cells.push(("record", Cell::Text(json::line(object))));
        self.row(cells)
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let object = serde_json::to_value(ShownLoss::new(log.tables, loss))?;
        let mut cells = vec![
            ("start", Cell::Text(log.start())),
            ("kind", Cell::Text("loss".to_owned())),
            ("lane", Cell::Int32(loss.lane)),
            ("seq", Cell::Int64(loss.first_seq)),
            ("count", Cell::Int64(loss.count)),
            ("cause", Cell::Text(cause(loss).to_owned())),
            ("text", Cell::Text(loss_message(log, loss))),
            ("record", Cell::Text(json::line(object))),
        ];
        cells.extend(loss.from_tick.map(|tick| ("tick", Cell::Int64(tick))));
        cells.extend(loss.to_tick.map(|tick| ("to_tick", Cell::Int64(tick))));
        cells.extend(loss.to_tick.or(loss.from_tick).and_then(|tick| utc(log, tick)));
        self.row(cells)
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        self.flush()?;
        let mut note = |name: &str, value: Value| {
            self.out.append_key_value_metadata(KeyValue::new(name.to_owned(), json::line(value)));
        };
        note("irqlog.logs", jsonl::logs(logs)?);
        note("irqlog.end", jsonl::end(logs, summary)?);
        self.out.finish().map_err(failed)?;
        self.out.inner_mut().flush()
    }
}
