//! `--cursor-file`: goes on where the last run ended.
//!
//! The file is written after the output was handed on, and each time whole or not at all. So what it says was given was
//! given; after a run that ended in between, some records are given twice and none is left out.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use irqlog_filter::checkpoint::{Checkpoint, Resume};
use irqlog_reader::image::Tables;

use crate::{new_file, output};

/// The file, and what is in it.
pub struct CursorFile {
    path: PathBuf,
    written: Option<Checkpoint>,
}

impl CursorFile {
    /// Opens it for the log with these tables. A file that is not there yet is like one from before the first record.
    ///
    /// # Errors
    /// If it cannot be read, or is something else.
    pub fn open(path: &Path, tables: &Tables) -> Result<(Self, Resume)> {
        let written = match fs::read_to_string(path) {
            Ok(text) => Some(Checkpoint::parse(&text).with_context(|| path.display().to_string())?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let resume = Resume::new(written.clone(), tables);
        Ok((Self { path: path.to_owned(), written }, resume))
    }

    /// Says what has to be known, and writes how far the log was given, if that has changed.
    ///
    /// # Errors
    /// If the file cannot be written; the old one is there then.
    pub fn write(&mut self, resume: &mut Resume) -> Result<()> {
        for note in resume.notes() {
            output::say(&format!("irqlog: {note}"));
        }
        if self.written.as_ref() != Some(resume.checkpoint()) {
            let text = resume.checkpoint().text() + "\n";
            new_file::replace(&self.path, text.as_bytes())
                .with_context(|| format!("writing {}", self.path.display()))?;
            self.written = Some(resume.checkpoint().clone());
        }
        Ok(())
    }
}
