//! `keep`: the log among those that are kept, one for each start of the driver.

use std::fs;

use anyhow::{Context, Result};
use irqlog_reader::log::Log;
use irqlog_upkeep::store::LogStore;

use super::save;
use crate::output;

/// Saves the log in its place, and deletes all but the newest `last` logs.
///
/// The log of a start that is kept already is replaced, once the new one is on the disk whole: it has what came since.
pub fn run(log: &mut impl Log, store: &LogStore, last: usize) -> Result<()> {
    let place = store.place_for(log.tables())?;
    // No name of a kept log, so a save that fails leaves the list as it was.
    let new = place.with_extension(format!("new-{}", std::process::id()));
    save::run(log, &new)?;
    fs::rename(&new, &place)
        .inspect_err(|_| {
            // What cannot be deleted either is a file that nothing reads.
            let _ = fs::remove_file(&new);
        })
        .with_context(|| format!("naming {}", place.display()))?;
    output::say(&format!("kept as {}", place.display()));
    for path in store.rotate(last.max(1))? {
        output::say(&format!("deleted {}", path.display()));
    }
    Ok(())
}
