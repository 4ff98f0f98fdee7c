//! Writes to standard output, as text for a person or as JSON for a program, and to standard error.

mod pipe;
mod progress;
mod record;

use std::io::Write;

use anyhow::Result;
use irqlog_export::{json, wall_clock::WallClock};
use irqlog_filter::selection::Selected;
use irqlog_reader::{image::Tables, log::Item, untrusted::Untrusted};
use irqlog_shown::{
    Show,
    record::{ShownLoss, ShownRecord},
};
use serde_json::Value;

pub use irqlog_export::json::escaped as escaped_json;
pub use pipe::when_reader_has_gone;
pub use progress::Progress;

use crate::args::{Form, Look};

/// Writes a message to standard error, as one line.
pub fn say(message: &str) {
    // If standard error is closed or full, no place is left to tell it.
    let _ = writeln!(std::io::stderr().lock(), "{}", Untrusted::new(message));
}

/// Standard output, in the form that the user chose.
pub struct Printer {
    form: Form,
    out: Box<dyn Write>,
    lines: record::Lines,
}

impl Printer {
    /// Opens standard output. Text is coloured only on a terminal; JSON goes out byte for byte.
    pub fn new(form: Form) -> Self {
        let out = std::io::stdout().lock();
        let out: Box<dyn Write> = match form {
            Form::Text => Box::new(anstream::AutoStream::auto(out)),
            Form::Json => Box::new(out),
        };
        Self { form, out, lines: record::Lines::new(Look::default()) }
    }

    /// The same for records, which look as these options say.
    pub fn of_records(form: Form, look: Look) -> Result<Self> {
        let mut printer = Self { lines: record::Lines::new(look), ..Self::new(form) };
        if let Some(header) = printer.lines.header() {
            printer.heading(&header)?;
        }
        Ok(printer)
    }

    /// Shows a record, or a loss, of the log with these tables.
    pub fn item(&mut self, tables: &Tables, item: &Item) -> Result<()> {
        match item {
            Item::Record(record) => {
                let shown = ShownRecord::new(tables, record);
                match self.form {
                    Form::Text => Ok(self.lines.write(&mut self.out, tables, record, &shown)?),
                    Form::Json => self.placed(tables, Some(shown.tick), &shown),
                }
            }
            Item::Loss(loss) => {
                let shown = ShownLoss::new(tables, *loss);
                self.lines.end_fold(&mut self.out)?;
                match self.form {
                    Form::Text => self.show(&shown),
                    Form::Json => self.placed(tables, loss.to_tick.or(loss.from_tick), &shown),
                }
            }
        }
    }

    /// Writes a JSON object with what places it in the world behind its own fields: the time of day, and which start of
    /// the driver it is of. Together with lane, seq and tick the latter is the identity of a record.
    fn placed(&mut self, tables: &Tables, tick: Option<u64>, shown: &impl Show) -> Result<()> {
        let mut object = serde_json::to_value(shown)?;
        if let Value::Object(fields) = &mut object {
            let utc = tick.and_then(|tick| WallClock::new(tables).utc(tick));
            fields.insert("utc".to_owned(), utc.into());
            fields.insert("start".to_owned(), format!("{:016x}", tables.header.start_id).into());
        }
        self.json(object)
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
        self.lines.end_fold(&mut self.out)?;
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

    /// Hands on all that was written, and says what of the spans is missing.
    pub fn end(&mut self) -> Result<()> {
        self.flush()?;
        if let Some(unpaired) = self.lines.unpaired() {
            say(&format!("irqlog: {unpaired}"));
        }
        Ok(())
    }

    /// Hands on all that was written, so that the reader of a pipe sees it.
    pub fn flush(&mut self) -> Result<()> {
        self.lines.end_fold(&mut self.out)?;
        self.out.flush()?;
        Ok(())
    }
}
