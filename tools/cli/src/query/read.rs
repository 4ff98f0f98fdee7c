//! `read` and `decode`: the records of a log.

use std::path::Path;

use anyhow::Result;
use irqlog_filter::{
    checkpoint::Resumed,
    names::check_names,
    options::Filter,
    selection::{Last, RecordSelection, Selected},
};
use irqlog_reader::log::Log;

use crate::{
    args::{Form, Look},
    cursor_file::CursorFile,
    output::Printer,
    source::{self, OpenLog},
};

/// Shows the records that pass the filter, and what is missing between them; with a cursor file, only what is new.
pub fn run(log: &mut OpenLog, filter: &Filter, look: Look, form: Form, cursor: Option<&Path>) -> Result<()> {
    check_names(filter, log.tables())?;
    let selection = RecordSelection::new(filter, log.tables(), || source::end_of(log))?;
    let printer = Printer::of_records(form, look)?;
    let last = filter.last.map(Last::new);
    let Some(cursor) = cursor else { return show(log, selection, printer, last) };
    let (mut file, resume) = CursorFile::open(cursor, log.tables())?;
    let mut resumed = Resumed::new(log, resume);
    show(&mut resumed, selection, printer, last)?;
    file.write(&mut resumed.resume)
}

fn show(
    log: &mut impl Log,
    mut selection: RecordSelection<'_>,
    mut printer: Printer,
    mut last: Option<Last>,
) -> Result<()> {
    let mut ready = Vec::new();
    loop {
        let item = log.next()?;
        let is_end = item.is_none();
        match item {
            Some(item) => selection.take(log.tables(), item, |selected| ready.push(selected)),
            None => selection.end(|selected| ready.push(selected)),
        }
        for selected in std::mem::take(&mut ready) {
            match &mut last {
                Some(last) => last.push(selected),
                None => printer.selected(log.tables(), &selected)?,
            }
        }
        if is_end {
            break;
        }
    }
    let items = last.into_iter().flat_map(|last| last.items);
    // A gap before the first record that is left says nothing.
    for selected in items.skip_while(|selected| *selected == Selected::Gap) {
        printer.selected(log.tables(), &selected)?;
    }
    printer.end()
}
