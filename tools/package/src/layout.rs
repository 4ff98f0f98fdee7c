//! Where a package lies, and how its files are written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use irqlog_build::shell::root;
use irqlog_kit::Arch;

/// The version of every crate of ours, of which the INF's `DriverVer` has four numbers.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of an architecture's package.
pub fn folder(arch: Arch) -> PathBuf {
    root().join("target/package").join(arch.name())
}

/// All files below a folder, by their names in it, in order.
///
/// # Errors
/// If a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.path().is_dir() {
            files.extend(self::files(&entry.path())?.iter().map(|file| name.join(file)));
        } else {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

/// A text with CR LF at the end of each line: cmd.exe needs it, and Notepad of Windows 10 before 1809.
pub fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Copies a file.
///
/// # Errors
/// If it cannot be read or written; the message names both.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Writes a text as a file.
///
/// # Errors
/// If it cannot be written; the message names it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_get_the_line_ends_of_windows_once() {
        assert_eq!(crlf("a\nb\r\n"), "a\r\nb\r\n");
    }
}
