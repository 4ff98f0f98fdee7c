//! Writes to standard output, as text for a person or as JSON for a program, and to standard error.

mod pipe;
mod progress;

use std::io::Write;

use anyhow::Result;
use irqlog_export::json;
use irqlog_reader::{
    image::Tables,
    log::Item,
    shown::{
        Show,
        record::{ShownLoss, ShownRecord},
    },
    untrusted::Untrusted,
};
use serde_json::Value;

pub use irqlog_export::json::escaped as escaped_json;
pub use pipe::when_reader_has_gone;
pub use progress::Progress;

use crate::{args::Form, filter::Selected};

/// Writes a message to standard error, as one line.
pub fn say(message: &str) {
    // If standard error is closed or full, no place is left to tell it.
    let _ = writeln!(std::io::stderr().lock(), "{}", Untrusted::new(message));
}

/// Standard output, in the form that the user chose.
pub struct Printer {
    form: Form,
    out: Box<dyn Write>,
}

impl Printer {
    /// Opens standard output. Text is coloured only on a terminal; JSON goes out byte for byte.
    pub fn new(form: Form) -> Self {
        let out = std::io::stdout().lock();
        match form {
            Form::Text => Self { form, out: Box::new(anstream::AutoStream::auto(out)) },
            Form::Json => Self { form, out: Box::new(out) },
        }
    }

    /// Shows a record, or a loss, of the log with these tables.
    pub fn item(&mut self, tables: &Tables, item: &Item) -> Result<()> {
        match item {
            Item::Record(record) => self.show(&ShownRecord::new(tables, record)),
            Item::Loss(loss) => self.show(&ShownLoss::new(tables, *loss)),
        }
    }

    /// Shows what a filter has selected.
    pub fn selected(&mut self, tables: &Tables, selected: &Selected) -> Result<()> {
        match selected {
            Selected::Item(item) => self.item(tables, item),
            // As grep does.
            Selected::Gap => self.heading("--"),
        }
    }

    /// Shows a value, as text or as one JSON object.
    pub fn show(&mut self, shown: &impl Show) -> Result<()> {
        match self.form {
            Form::Text => shown.text(&mut self.out)?,
            Form::Json => self.json(serde_json::to_value(shown)?)?,
        }
        Ok(())
    }

    /// Writes a line that JSON does not have, such as a heading.
    pub fn heading(&mut self, line: &str) -> Result<()> {
        match self.form {
            Form::Text => self.line(line),
            Form::Json => Ok(()),
        }
    }

    /// Writes one JSON object.
    pub fn json(&mut self, object: Value) -> Result<()> {
        self.line(&json::line(object))
    }

    /// Writes a line as it is.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    /// Hands on all that was written, so that the reader of a pipe sees it.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        Ok(())
    }
}
