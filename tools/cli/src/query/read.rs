//! `read` and `decode`: the records of a log.

use anyhow::Result;
use irqlog_reader::log::Log;

use crate::{
    args::{Filter, Form},
    filter::{Last, check_names, passes_item},
    output::Printer,
};

/// Shows the records that pass the filter, and what is missing between them.
pub fn run(log: &mut impl Log, filter: &Filter, form: Form) -> Result<()> {
    check_names(filter, log.tables())?;
    let mut printer = Printer::new(form);
    let mut last = filter.last.map(Last::new);
    while let Some(item) = log.next()? {
        if !passes_item(filter, log.tables(), &item) {
            continue;
        }
        match &mut last {
            Some(last) => last.push(item),
            None => printer.item(log.tables(), &item)?,
        }
    }
    for item in last.into_iter().flat_map(|last| last.items) {
        printer.item(log.tables(), &item)?;
    }
    printer.flush()
}
