//! `configure --next-start`: the parameters that the driver takes when it starts the next time.

use anyhow::Result;
use irqlog_upkeep::assignment::Assignment;

use crate::{args::Form, exit::Exit, source::Rig};

/// Changes the parameters, and shows all of them: what they are now, and what they will be.
#[cfg(windows)]
pub fn run(assignments: &[Assignment], rig: Option<&Rig>, form: Form) -> Result<Exit> {
    use irqlog_reader::session::SessionError;
    use irqlog_upkeep::{
        parameters::{NextStart, apply},
        registry::RegistryKey,
    };

    use crate::{output::Printer, source};

    if !assignments.is_empty() {
        apply(&mut RegistryKey::to_write()?, assignments)?;
    }
    let running = match source::open_driver(rig).and_then(|mut session| session.info()) {
        Ok(tables) => Some(tables),
        Err(SessionError::NotRunning(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let mut printer = Printer::new(form);
    printer.show(&NextStart::read(&RegistryKey::to_read()?, running.as_ref())?)?;
    if !assignments.is_empty() && running.is_some() {
        printer.heading("the change counts from the next start: `irqlog service stop`, then `irqlog service start`")?;
    }
    Ok(Exit::Done)
}

/// The rig has no registry that stays, and no other system has one.
#[cfg(not(windows))]
pub fn run(_: &[Assignment], _: Option<&Rig>, _: Form) -> Result<Exit> {
    anyhow::bail!(
        "this system has no registry; change the parameters on the machine where the driver is to run, and give those \
         of a rig to it as --parameter NAME=VALUE when it starts"
    )
}
