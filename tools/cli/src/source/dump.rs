//! The log in a crash dump, as a log like any other.

use std::{fs::File, io::Cursor};

use anyhow::{Context, Result};
use irqlog_dump::{DumpBytes, FoundLog, report::DumpFacts};
use irqlog_reader::saved::SavedLog;
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::output::{Progress, say};

/// A file that is mapped, of which little is in memory at a time.
struct MappedFile(Mmap);

impl DumpBytes for MappedFile {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn bytes(&self, offset: u64, size: u64) -> &[u8] {
        self.0.bytes(offset, size)
    }

    /// A search goes through the whole file, whose pages would stay in memory until the system needs it. Windows trims
    /// them from the working set by itself.
    #[cfg(unix)]
    fn release(&self, offset: u64, size: u64) {
        // SAFETY: the mapping is of a file and read only: an access after this reads the same bytes again.
        let released =
            unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, offset as usize, size as usize) };
        // What is not released costs memory and nothing else.
        let _ = released;
    }
}

/// Finds the log in a dump, and says on standard error where it was and what of it is missing.
///
/// # Errors
/// If there is none, or the file is no dump that can be read.
pub fn open(file: &File, name: &str) -> Result<(SavedLog<Cursor<Vec<u8>>>, DumpFacts)> {
    // SAFETY: the mapping is read only. If somebody cuts the file off meanwhile, an access ends this process by a signal or
    // an exception; nothing else depends on its bytes, which are checked wherever they are used.
    let bytes = MappedFile(unsafe { Mmap::map(file) }.with_context(|| name.to_owned())?);
    let mut progress: Option<(Progress, u64)> = None;
    let found = irqlog_dump::find(&bytes, |done, total| {
        let (bar, before) = progress.get_or_insert_with(|| (Progress::new(total), 0));
        bar.advance(done - *before);
        *before = done;
    });
    if let Some((bar, _)) = progress {
        bar.end();
    }
    let (header, found) = found.with_context(|| name.to_owned())?;
    tell(name, &found);
    let FoundLog { image, origin, cut, missing } = found;
    let log = SavedLog::open(Cursor::new(image)).with_context(|| name.to_owned())?;
    Ok((log, DumpFacts { header, origin, cut, missing }))
}

/// Says where a log was found, and what of it is not there.
fn tell(name: &str, found: &FoundLog) {
    say(&format!("irqlog: {name}: the log is from {}", found.origin.text()));
    if found.cut.records_left_out != 0 {
        say(&format!(
            "irqlog: {name}: the driver left out {} older records of its secondary data, because Windows allowed {} bytes",
            found.cut.records_left_out, found.cut.allowed
        ));
    }
    if found.cut.missing != 0 {
        say(&format!("irqlog: {name}: {} bytes of the secondary data are not in the dump", found.cut.missing));
    }
    if found.missing != 0 {
        say(&format!("irqlog: {name}: the dump does not have {} bytes of the log's memory", found.missing));
    }
}
