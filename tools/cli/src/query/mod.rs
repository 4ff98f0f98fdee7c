//! Commands that work on any log, wherever it lies: the running driver's, or a saved one.
//!
//! [`source::open_log`] opens the log, so that no command here knows where it lies.

mod crash;
mod export;
pub mod keep;
mod providers;
mod read;
mod report;
mod save;
mod view;

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
    source::{self, OpenLog},
};

/// Runs the command, and says on standard error what of the log could not be read.
pub fn run(query: &Query, rig: Option<&source::Rig>, form: Form) -> Result<Exit> {
    if let Query::Export { to, out, files, filter } = query {
        return export::run(*to, out, files, filter, rig);
    }
    if let Query::Report { file, out, filter } = query {
        return report::run(file.as_ref(), out, filter, rig);
    }
    if let Query::View { file } = query {
        return view::run(file.as_deref(), rig);
    }
    let file = query.file()?;
    let mut log = source::open_log(file.as_deref(), rig)?;
    let done = match query {
        Query::Export { .. } | Query::Report { .. } | Query::View { .. } => Ok(()),
        Query::Info { .. } => Printer::new(form).show(&Info::new(log.tables(), log.shown_file())),
        Query::Stats { .. } => stats(&mut log, rig.is_some(), form),
        Query::Read { filter, look, cursor_file, .. } => {
            read::run(&mut log, filter, *look, form, cursor_file.as_deref())
        }
        Query::Decode { filter, look, .. } => read::run(&mut log, filter, *look, form, None),
        Query::Crash { last, each, .. } => crash::run(&mut log, *each, *last, form),
        Query::Providers { sites, .. } => providers::run(&mut log, *sites, form),
        Query::Save { target, .. } => save::run(&mut log, target),
        Query::Keep { origin, last } => origin.kept.store().and_then(|store| keep::run(&mut log, &store, *last)),
    };
    done.map_err(|error| log.name_in(error))?;
    Ok(log.report_faults())
}

/// What a person who reads the waits of a rig must know.
const RIG_TIMES: &str = "a rig's longest wait is the work of this machine's scheduler: its processors are threads, and \
     a waiter waits for as long as the owner's thread is preempted";

/// The counters of a log; `of_rig` unless it is a driver's on Windows.
fn stats(log: &mut OpenLog, of_rig: bool, form: Form) -> Result<()> {
    let retention = Retention::measure(log)?;
    let shown = log.shown_file();
    let is_live = shown.is_none();
    let mut printer = Printer::new(form);
    printer.show(&Stats::new(log.tables(), retention, shown))?;
    if of_rig && is_live { printer.heading(RIG_TIMES) } else { Ok(()) }
}
