//! Commands that look at or change this machine, and need neither the driver nor a log.

mod doctor;
mod first_run;
#[cfg(windows)]
mod saver;
#[cfg(windows)]
mod service;
mod shell;

use anyhow::Result;
use irqlog_upkeep::store::{self, ShownKeptLog};

use crate::{
    args::{Form, KeptLogs, Offline, ServiceAction},
    exit::Exit,
    output::{self, Printer},
};

pub use self::shell::command;

/// Runs the command.
pub fn run(command: &Offline, form: Form) -> Result<Exit> {
    match command {
        Offline::Doctor { facts, recorded } => doctor::run(recorded.as_deref(), *facts, form),
        Offline::Completions { shell } => shell::completions(*shell).map(|()| Exit::Done),
        Offline::Man { folder } => shell::man(folder).map(|()| Exit::Done),
        Offline::FirstRun(arguments) => first_run::run(arguments),
        Offline::List { kept } => list(kept, form),
        Offline::Service { action } => run_service(action),
    }
}

/// Shows the kept logs, the newest first.
fn list(kept: &KeptLogs, form: Form) -> Result<Exit> {
    let store = kept.store()?;
    let mut printer = Printer::new(form);
    let logs = store.logs()?;
    if logs.is_empty() {
        output::say(&format!("no logs are kept in {}", store.folder().display()));
        return Ok(Exit::Done);
    }
    printer.heading(store::HEADING)?;
    let shown: Vec<_> = logs.iter().map(ShownKeptLog::of).collect();
    shown.iter().try_for_each(|log| printer.show(log))?;
    let is_bad = shown.iter().any(|log| log.error.is_some());
    Ok(if is_bad { Exit::Found } else { Exit::Done })
}

#[cfg(windows)]
fn run_service(action: &ServiceAction) -> Result<Exit> {
    service::run(action)
}

#[cfg(not(windows))]
fn run_service(_: &ServiceAction) -> Result<Exit> {
    anyhow::bail!("this system has no Windows services; run `irqlog service` on the machine where the driver is to run")
}
