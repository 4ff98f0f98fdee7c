//! `save`: the log as a file.

use std::path::Path;

use anyhow::{Context, Result};
use irqlog_reader::{
    live::{LiveLog, SavedImage},
    session::{Session, Source},
};

use crate::{exit::Exit, new_file, output};

/// Writes everything that can be read into a new file.
pub fn run(session: Session<impl Source>, file: &Path) -> Result<Exit> {
    // Not over an older log: that may be the only trace of a crash.
    new_file::check(file).with_context(|| format!("creating {}", file.display()))?;
    let SavedImage { bytes, records, lost } = LiveLog::open(session)?.save()?;
    new_file::create(file, &bytes).with_context(|| format!("writing {}", file.display()))?;
    let missing =
        if lost == 0 { String::new() } else { format!(", {lost} were overwritten before they could be saved") };
    output::say(&format!("{records} records in {} bytes{missing}", bytes.len()));
    Ok(Exit::Done)
}
