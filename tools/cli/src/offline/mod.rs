//! Commands that look at or change this machine, and need neither the driver nor a log.

mod doctor;
mod first_run;
#[cfg(windows)]
mod service;
mod shell;

use anyhow::Result;

use crate::{
    args::{Form, Offline, ServiceAction},
    exit::Exit,
};

pub use self::shell::command;

/// Runs the command.
pub fn run(command: &Offline, form: Form) -> Result<Exit> {
    match command {
        Offline::Doctor { facts, recorded } => doctor::run(recorded.as_deref(), *facts, form),
        Offline::Completions { shell } => shell::completions(*shell).map(|()| Exit::Done),
        Offline::Man { folder } => shell::man(folder).map(|()| Exit::Done),
        Offline::FirstRun(arguments) => first_run::run(arguments),
        Offline::Service { action } => run_service(action),
    }
}

#[cfg(windows)]
fn run_service(action: &ServiceAction) -> Result<Exit> {
    service::run(action)
}

#[cfg(not(windows))]
fn run_service(_: &ServiceAction) -> Result<Exit> {
    anyhow::bail!("this system has no Windows services; run `irqlog service` on the machine where the driver is to run")
}
