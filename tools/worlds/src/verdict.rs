//! The result of a scenario, and commands with a time limit.

use std::{fmt, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use irqlog_build::shell::root;

/// The result of a scenario in a world.
#[derive(Debug)]
pub enum Verdict {
    /// Everything was as it should be.
    Passed,
    /// Something was not, and the output of the scenario.
    Failed(String),
    /// This world cannot show the scenario, for this reason.
    NotHere(&'static str),
}

impl From<Result<()>> for Verdict {
    fn from(result: Result<()>) -> Self {
        result.map_or_else(|error| Self::Failed(format!("{error:#}")), |()| Self::Passed)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::NotHere(_) => "-",
        })
    }
}

/// Time limit of a scenario: longer than the rig waits before it reports a deadlock.
const LIMIT: Duration = Duration::from_mins(3);

/// Runs a command, and ends it after [`LIMIT`].
///
/// # Errors
/// If it cannot be started.
pub fn limited(command: &Command) -> Result<Verdict> {
    limited_in(command, &root())
}

/// The same in a folder.
///
/// # Errors
/// If it cannot be started.
pub fn limited_in(command: &Command, folder: &Path) -> Result<Verdict> {
    let mut limited = Command::new("timeout");
    limited.current_dir(folder);
    limited.arg(LIMIT.as_secs().to_string()).arg(command.get_program()).args(command.get_args());
    let output = limited.output().context("starting `timeout`")?;
    if output.status.success() {
        return Ok(Verdict::Passed);
    }
    let mut said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What `timeout` ends with when it had to.
    if output.status.code() == Some(124) {
        said.push_str(&format!("it did not end within {} s\n", LIMIT.as_secs()));
    } else if said.trim().is_empty() {
        // A signal that no handler could take, for one: the handlers' own stack is full.
        said.push_str(&format!("it said nothing, and {}\n", output.status));
    }
    Ok(Verdict::Failed(said))
}
