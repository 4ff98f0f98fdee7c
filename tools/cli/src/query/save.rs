//! `save`: the log as a file.

use std::path::Path;

use anyhow::{Context, Error, Result};
use irqlog_reader::{
    log::Log,
    save::{self, SaveError, Saved},
};

use crate::{
    new_file,
    output::{self, Progress},
};

/// Writes everything that can be read into a new file.
pub fn run(log: &mut impl Log, file: &Path) -> Result<()> {
    // Not over an older log: that may be the only trace of a crash.
    new_file::check(file).with_context(|| format!("creating {}", file.display()))?;
    let progress = Progress::new(save::promised(log.tables()));
    let saved = new_file::create(file, |out| {
        save::save(log, out, |bytes| progress.advance(bytes)).map(|saved| (saved, saved.bytes))
    });
    progress.end();
    let Saved { bytes, records, overwritten, unreadable } = saved.map_err(|error| match error {
        SaveError::Log(error) => Error::new(error),
        SaveError::Write(error) => Error::new(error).context(format!("writing {}", file.display())),
    })?;
    let mut said = format!("{records} records in {bytes} bytes");
    if overwritten != 0 {
        said.push_str(&format!("; {overwritten} older ones were overwritten in the ring before the save"));
    }
    if unreadable != 0 {
        said.push_str(&format!("; {unreadable} are missing because what was saved is damaged, or cut off"));
    }
    output::say(&said);
    Ok(())
}
