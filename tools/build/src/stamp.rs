//! Stamps: files that say what a result was made from, so that it is made again only after that has changed.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::shell::{output, root};

/// The stamp of a result, and a hash over what the result is made from.
#[derive(Debug)]
pub struct Stamp {
    file: PathBuf,
    inputs: DefaultHasher,
}

impl Stamp {
    /// A stamp in a file, with no inputs yet.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), inputs: DefaultHasher::new() }
    }

    /// Adds a value that the result depends on.
    #[must_use]
    pub fn value(mut self, value: impl Hash) -> Self {
        value.hash(&mut self.inputs);
        self
    }

    /// Adds a file, or a folder with everything in it.
    ///
    /// # Errors
    /// If something in it cannot be read.
    pub fn files(mut self, path: &Path) -> Result<Self> {
        hash_files(path, &mut self.inputs)?;
        Ok(self)
    }

    /// Adds each file that git tracks, or would track after `git add`.
    ///
    /// # Errors
    /// If git fails.
    pub fn sources(mut self) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        for file in output(&mut git)?.lines() {
            file.hash(&mut self.inputs);
            // A tracked file that was deleted is a change too.
            fs::read(root().join(file)).unwrap_or_default().hash(&mut self.inputs);
        }
        Ok(self)
    }

    /// Whether the result was made from these inputs.
    pub fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|found| found == self.text())
    }

    /// Whether a result was made once, from whatever inputs.
    pub fn is_there(&self) -> bool {
        self.file.exists()
    }

    /// Makes the result unless it is current. A run that is interrupted leaves no stamp, so the next run makes the result.
    ///
    /// # Errors
    /// What `make` returns, or if the stamp cannot be written.
    pub fn unless_current(&self, make: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", self.file.display()));
            }
            _ => {}
        }
        make()?;
        let folder = self.file.parent().context("a stamp lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        fs::write(&self.file, self.text()).with_context(|| format!("writing {}", self.file.display()))
    }

    fn text(&self) -> String {
        format!("{:016x}", self.inputs.finish())
    }
}

fn hash_files(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    path.file_name().hash(hasher);
    if !path.is_dir() {
        fs::read(path).with_context(|| format!("reading {}", path.display()))?.hash(hasher);
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().try_for_each(|path| hash_files(path, hasher))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// A folder of a test, which is empty.
    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irqlog-stamp-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("in/deep")).unwrap();
        folder
    }

    #[test]
    fn a_result_is_made_once_for_the_same_inputs() {
        let folder = folder("once");
        let mut inputs = Vec::new();
        for input in ["a", "a", "b", "a"] {
            fs::write(folder.join("in/deep/file"), input).unwrap();
            let stamp = Stamp::new(folder.join("new/stamp")).value(1).files(&folder.join("in")).unwrap();
            let make = || {
                inputs.push(input);
                Ok(())
            };
            stamp.unless_current(make).unwrap();
            assert!(stamp.is_current());
            assert!(!Stamp::new(folder.join("new/stamp")).value(2).files(&folder.join("in")).unwrap().is_current());
        }
        assert_eq!(inputs, ["a", "b", "a"]);
        fs::remove_dir_all(folder).unwrap();
    }

    /// Half of a new result is not taken for the old one.
    #[test]
    fn a_result_that_was_not_finished_is_made_again() {
        let folder = folder("half");
        let old = Stamp::new(folder.join("stamp")).value("old");
        old.unless_current(|| Ok(())).unwrap();
        let new = Stamp::new(folder.join("stamp")).value("new");
        assert!(new.unless_current(|| bail!("interrupted")).is_err());
        assert!(!old.is_current() && !new.is_current());
        fs::remove_dir_all(folder).unwrap();
    }
}
