//! How records are shown.

mod json;
mod pipe;
mod text;

use std::io::Write;

use anyhow::Result;
use irqlog_reader::{
    image::Tables,
    log::{Item, Loss},
    record::Record,
    untrusted::Untrusted,
};

pub use json::{escaped as escaped_json, info as info_json};
pub use pipe::when_reader_has_gone;
pub use text::{info as info_text, stats as stats_text};

use crate::args::Form;

/// Says something on standard error, in one line.
pub fn say(message: &str) {
    // Whoever has closed it, or has no room for it, does not want to know.
    let _ = writeln!(std::io::stderr().lock(), "{}", Untrusted::new(message));
}

/// Shows records on standard output.
pub struct Printer {
    form: Form,
    out: Box<dyn Write>,
}

impl Printer {
    /// In that form. Text is coloured on a terminal only; JSON goes out byte for byte.
    pub fn new(form: Form) -> Self {
        let out = std::io::stdout().lock();
        match form {
            Form::Text => Self { form, out: Box::new(anstream::AutoStream::auto(out)) },
            Form::Json => Self { form, out: Box::new(out) },
        }
    }

    /// Shows a record, or what is missing.
    pub fn item(&mut self, tables: &Tables, item: &Item) -> Result<()> {
        match item {
            Item::Record(record) => self.record(tables, record),
            Item::Loss(loss) => self.loss(tables, loss),
        }
    }

    /// Shows a record.
    fn record(&mut self, tables: &Tables, record: &Record) -> Result<()> {
        match self.form {
            Form::Text => irqlog_reader::text::record(&mut self.out, tables, record)?,
            Form::Json => json::record(&mut self.out, tables, record)?,
        }
        Ok(())
    }

    /// Says in the stream that records are missing here.
    fn loss(&mut self, tables: &Tables, loss: &Loss) -> Result<()> {
        match self.form {
            Form::Text => irqlog_reader::text::loss(&mut self.out, tables, loss)?,
            Form::Json => self.json(serde_json::json!({ "loss": loss }))?,
        }
        Ok(())
    }

    /// One JSON object.
    pub fn json(&mut self, object: serde_json::Value) -> Result<()> {
        writeln!(self.out, "{}", json::line(object))?;
        Ok(())
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    /// Lets a reader of a pipe see what there is.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        Ok(())
    }
}

/// The driver's version.
pub fn version(tables: &Tables) -> String {
    let [major, minor, patch, _] = tables.header.driver_version.map(u16::from);
    format!("{major}.{minor}.{patch}")
}

/// Whether a lane is an NMI lane.
pub fn is_nmi(tables: &Tables, lane: u32) -> bool {
    tables.lanes.get(lane as usize).is_some_and(|lane| lane.kind.get() == irqlog_wire::image::LaneKind::Nmi.0)
}
