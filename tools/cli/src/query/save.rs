//! `save` and `decode`: the log as a file.

use std::{fs::File, path::Path};

use anyhow::{Context, Result};
use irqlog_reader::{
    live::{LiveLog, SavedImage},
    saved::SavedLog,
    session::{Session, Source},
};

use crate::{
    Finding,
    args::{Filter, Form},
    cmd::read,
    new_file, output,
};

/// Writes everything that can be read into a new file.
pub fn save(session: &mut Session<impl Source>, file: &Path) -> Result<Finding> {
    // Not over an older log: that may be the only trace of a crash.
    new_file::check(file).with_context(|| format!("creating {}", file.display()))?;
    let SavedImage { bytes, records, lost } = LiveLog::open(session)?.save()?;
    new_file::create(file, &bytes).with_context(|| format!("writing {}", file.display()))?;
    let missing =
        if lost == 0 { String::new() } else { format!(", {lost} were overwritten before they could be saved") };
    output::say(&format!("{records} records in {} bytes{missing}", bytes.len()));
    Ok(Finding::Good)
}

/// Shows the records of a file.
pub fn decode(file: &Path, filter: &Filter, form: Form) -> Result<Finding> {
    let name = || file.display().to_string();
    let bytes = File::open(file).with_context(name)?;
    let mut log = SavedLog::open(bytes).with_context(name)?;
    read(&mut log, &name(), filter, form).with_context(name)
}
