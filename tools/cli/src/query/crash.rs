//! `crash`: what a dump says of the moment of the crash.

use anyhow::{Result, bail};
use irqlog_dump::report::{Gathered, ShownCrash, Wanted};
use irqlog_reader::log::Log as _;

use crate::{args::Form, output::Printer, source::OpenLog};

/// Shows the crash of the system that wrote a log.
pub fn run(log: &mut OpenLog, each: usize, last: usize, form: Form) -> Result<()> {
    if log.dump().is_none() && log.tables().header.crashed.get() == 0 {
        bail!("this log was saved while its system ran, and has no crash; `irqlog read --file FILE` shows its records");
    }
    let gathered = Gathered::from(log, Wanted { each, last })?;
    let mut printer = Printer::new(form);
    printer.show(&ShownCrash::new(log.tables(), &gathered, log.dump()))?;
    printer.flush()
}
