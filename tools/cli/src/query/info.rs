//! `info` and `stats`: what runs, and its counters.

use anyhow::Result;
use irqlog_reader::image::Tables;

use crate::{
    args::Form,
    output::{self, Printer},
};

/// Shows version, engine, lock, lanes and settings.
pub fn info(tables: &Tables, form: Form) -> Result<()> {
    show(tables, output::info_text, form)
}

/// Shows the counters.
pub fn stats(tables: &Tables, form: Form) -> Result<()> {
    show(tables, output::stats_text, form)
}

fn show(tables: &Tables, text: fn(&Tables) -> String, form: Form) -> Result<()> {
    let mut printer = Printer::new(form);
    match form {
        Form::Text => printer.line(text(tables).trim_end())?,
        Form::Json => printer.json(output::info_json(tables))?,
    }
    printer.flush()
}
