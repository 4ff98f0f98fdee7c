//! A running driver in any world, and the CLI on it.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus},
};

use anyhow::Result;
use irqlog_build::shell::run;

/// A driver that runs somewhere, and the CLI on it.
pub trait Target: Sync {
    /// Runs the CLI, and gives its standard output.
    ///
    /// # Errors
    /// If it fails, with what it said on standard error.
    fn irqlog(&self, arguments: &[&str]) -> Result<String>;

    /// Starts the CLI, with its output in a file.
    ///
    /// # Errors
    /// If it cannot be started.
    fn spawn(&self, arguments: &[&str], out: &Path) -> Result<Child>;

    /// The path of a file as the CLI has to get it.
    fn path(&self, path: &Path) -> String;

    /// Sends Ctrl-C to a CLI that [`spawn`](Self::spawn) started.
    ///
    /// # Errors
    /// If it cannot be sent.
    fn interrupt(&self, child: &Child) -> Result<()> {
        // `timeout`, which runs it, passes the signal on.
        run(Command::new("kill").args(["-INT", &child.id().to_string()]))
    }

    /// Checks how a CLI ended after [`interrupt`](Self::interrupt).
    ///
    /// # Errors
    /// If it did not.
    fn check_interrupted(&self, status: ExitStatus) -> Result<()>;

    /// Stops the driver, and checks that it left nothing, as far as the world can see that.
    ///
    /// # Errors
    /// If it does not stop, or something is left.
    fn stop(self: Box<Self>) -> Result<()>;
}
