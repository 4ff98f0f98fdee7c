//! A running driver and the CLI on it, wherever it runs.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus},
};

use anyhow::Result;
use irqlog_build::shell::run;

/// A driver that runs somewhere, and the CLI on it.
pub trait Target: Sync {
    /// What the CLI says on standard output.
    ///
    /// # Errors
    /// If it fails, with what it said on standard error.
    fn irqlog(&self, arguments: &[&str]) -> Result<String>;

    /// Starts the CLI, with its output in a file.
    ///
    /// # Errors
    /// If it cannot be started.
    fn spawn(&self, arguments: &[&str], out: &Path) -> Result<Child>;

    /// How the CLI calls a file.
    fn path(&self, path: &Path) -> String;

    /// Ctrl-C for a CLI that [`spawn`](Self::spawn) started.
    ///
    /// # Errors
    /// If it cannot be sent.
    fn interrupt(&self, child: &Child) -> Result<()> {
        // `timeout`, which runs it, passes the signal on.
        run(Command::new("kill").args(["-INT", &child.id().to_string()]))
    }

    /// Whether a CLI ended as it should after [`interrupt`](Self::interrupt).
    ///
    /// # Errors
    /// If it did not.
    fn check_interrupted(&self, status: ExitStatus) -> Result<()>;

    /// Stops the driver, and looks for what it left where that can be seen.
    ///
    /// # Errors
    /// If it does not stop, or something is left.
    fn stop(self: Box<Self>) -> Result<()>;
}
