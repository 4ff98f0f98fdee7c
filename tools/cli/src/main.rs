//! irqlog: reads the flight recorder, live or from a file.
//!
//! | Module | What |
//! |---|---|
//! | [`args`] | the command line |
//! | [`cmd`] | the commands |
//! | [`source`] | where records come from: the Windows device, the rig, a file |
//! | [`new_file`] | a new file that is written whole, or not at all |
//! | [`output`] | the forms of output: text or JSON |
//!
//! The exit codes are those of the help text: see `EXIT_CODES` in [`args`].

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "output::Printer and output::say escape")]

use std::process::ExitCode;

use anyhow::Error;
use clap::Parser;
use irqlog_reader::session::SessionError;

mod args;
mod cmd;
mod new_file;
mod output;
mod source;

/// The result of a command that was done, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All is well.
    Good,
    /// Something is not as it should be, and was shown.
    Bad,
}

/// The command line names something that is not there.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => args::escaped(error).exit(),
    };
    match cmd::run(&cli) {
        Ok(Finding::Good) => ExitCode::SUCCESS,
        Ok(Finding::Bad) => ExitCode::from(4),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&format!("irqlog: {error:#}"));
            ExitCode::from(code_of(&error))
        }
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn code_of(error: &Error) -> u8 {
    if error.is::<Usage>() {
        return 2;
    }
    match error.downcast_ref::<SessionError>() {
        Some(SessionError::NotRunning(_) | SessionError::AccessDenied) => 3,
        _ => 1,
    }
}
