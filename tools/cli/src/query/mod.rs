//! Commands that work on any log, wherever it lies: the running driver's, or a saved one.
//!
//! [`source::open_log`] opens the log, so that no command here knows where it lies.

mod info;
mod providers;
mod read;
mod save;

use std::path::Path;

use anyhow::Result;

use crate::{
    args::{Form, Query},
    exit::Exit,
    source,
};

/// Runs the command, and says on standard error what of the log could not be read.
pub fn run(query: &Query, rig: Option<&Path>, form: Form) -> Result<Exit> {
    if let Query::Save { file } = query {
        return save::run(source::open_driver(rig)?, file);
    }
    let mut log = source::open_log(query.file(), rig)?;
    match query {
        Query::Info { .. } => info::info(log.tables(), form)?,
        Query::Stats { .. } => info::stats(log.tables(), form)?,
        Query::Read { filter, .. } | Query::Decode { filter, .. } => read::run(&mut log, filter, form)?,
        Query::Providers { sites, .. } => providers::run(&mut log, *sites, form)?,
        Query::Save { .. } => {}
    }
    Ok(log.report_faults())
}
