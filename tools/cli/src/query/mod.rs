//! Commands that work on any log, wherever it lies: the running driver's, or a saved one.
//!
//! [`source::open_log`] opens the log, so that no command here knows where it lies.

mod crash;
mod export;
mod providers;
mod read;
mod report;
mod save;

use anyhow::Result;
use irqlog_reader::log::Log;
use irqlog_shown::{
    recorder::{Info, Stats},
    retention::Retention,
};

use crate::{
    args::{Form, Query},
    exit::Exit,
    output::Printer,
    source,
};

/// Runs the command, and says on standard error what of the log could not be read.
pub fn run(query: &Query, rig: Option<&source::Rig>, form: Form) -> Result<Exit> {
    if let Query::Export { to, out, files, filter } = query {
        return export::run(*to, out, files, filter, rig);
    }
    if let Query::Report { file, out, filter } = query {
        return report::run(file.as_ref(), out, filter, rig);
    }
    let mut log = source::open_log(query.file(), rig)?;
    let done = match query {
        Query::Export { .. } | Query::Report { .. } => Ok(()),
        Query::Info { .. } => Printer::new(form).show(&Info::new(log.tables(), log.shown_file())),
        Query::Stats { .. } => Retention::measure(&mut log)
            .map_err(Into::into)
            .and_then(|retention| Printer::new(form).show(&Stats::new(log.tables(), retention, log.shown_file()))),
        Query::Read { filter, look, .. } | Query::Decode { filter, look, .. } => {
            read::run(&mut log, filter, *look, form)
        }
        Query::Crash { last, each, .. } => crash::run(&mut log, *each, *last, form),
        Query::Providers { sites, .. } => providers::run(&mut log, *sites, form),
        Query::Save { target, .. } => save::run(&mut log, target),
    };
    done.map_err(|error| log.name_in(error))?;
    Ok(log.report_faults())
}
