//! Commands that need neither the driver nor a log: they look after this machine.

mod doctor;
#[cfg(windows)]
mod service;

use anyhow::Result;

use crate::{
    args::{Form, Offline, ServiceAction},
    exit::Exit,
};

/// Runs the command.
pub fn run(command: &Offline, form: Form) -> Result<Exit> {
    match command {
        Offline::Doctor { facts, recorded } => doctor::run(recorded.as_deref(), *facts, form),
        Offline::Service { action } => run_service(action),
    }
}

#[cfg(windows)]
fn run_service(action: &ServiceAction) -> Result<Exit> {
    service::run(action)
}

#[cfg(not(windows))]
fn run_service(_: &ServiceAction) -> Result<Exit> {
    anyhow::bail!("there are no Windows services on this system; run this where the driver shall run")
}
