//! How things are shown: as text for a person, or as JSON for a program.

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

use crate::args::Form;

/// Says something on standard error, in one line.
pub fn say(message: &str) {
    // Whoever has closed it, or has no room for it, does not want to know.
    let _ = writeln!(std::io::stderr().lock(), "{}", Untrusted::new(message));
}

/// Standard output, in one form.
pub struct Printer {
    form: Form,
    out: Box<dyn Write>,
}

impl Printer {
    /// Standard output in that form. Text is coloured on a terminal only; JSON goes out byte for byte.
    pub fn new(form: Form) -> Self {
        let out = std::io::stdout().lock();
        match form {
            Form::Text => Self { form, out: Box::new(anstream::AutoStream::auto(out)) },
            Form::Json => Self { form, out: Box::new(out) },
        }
    }

    /// Shows a record of the log with these tables, or what is missing there.
    pub fn item(&mut self, tables: &Tables, item: &Item) -> Result<()> {
        match item {
            Item::Record(record) => self.show(&ShownRecord::new(tables, record)),
            Item::Loss(loss) => self.show(&ShownLoss::new(tables, *loss)),
        }
    }

    /// Shows something in the form of this printer.
    pub fn show(&mut self, shown: &impl Show) -> Result<()> {
        match self.form {
            Form::Text => shown.text(&mut self.out)?,
            Form::Json => self.json(serde_json::to_value(shown)?)?,
        }
        Ok(())
    }

    /// Writes a line that only text has, such as a heading.
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

    /// Lets a reader of a pipe see what there is.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        Ok(())
    }
}
