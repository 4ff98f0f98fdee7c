//! How the program ends: the one table of exit codes, for the help text, the documentation and `main`.

use std::{
    error::Error as StdError,
    fmt::{Display, Formatter, Result as FmtResult},
    io::{self, ErrorKind},
    process::{ExitCode, Termination},
};

use anyhow::Error;
use irqlog_filter::names::UnknownName;
use irqlog_reader::{log::LogError, session::SessionError};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command was done, and all is well.
    Done = 0,
    /// The command failed.
    Failed = 1,
    /// The command line is wrong.
    WrongCommandLine = 2,
    /// The driver cannot be reached.
    NoDriver = 3,
    /// The command was done, and showed something that is not as it should be.
    Found = 4,
}

/// Every way to end, with its meaning as users read it. `docs/cli.md` repeats the table, and a test compares the two.
const TABLE: [(Exit, &str); 5] = [
    (Exit::Done, "done; a closed pipe is no failure"),
    (Exit::Failed, "the command failed, and standard error says why"),
    (Exit::WrongCommandLine, "the command line is wrong, or names a provider, site or processor that is not there"),
    (Exit::NoDriver, "irqlog is not running, or may not be opened"),
    (
        Exit::Found,
        "the command was done, and found something: damaged records, an export that is not the whole log, an incomplete selftest, a step of first-run that was not as expected, or a problem that doctor shows",
    ),
];

/// The table as the help text shows it.
pub fn help() -> String {
    let rows: Vec<_> = TABLE.iter().map(|(exit, meaning)| format!("  {}  {meaning}", *exit as u8)).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

impl Exit {
    /// The exit for a command that failed with `error`.
    pub fn of(error: &Error) -> Self {
        let is_closed_pipe = |cause: &(dyn StdError + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
        };
        match session_error(error) {
            Some(SessionError::NotRunning(_) | SessionError::AccessDenied(_)) => Self::NoDriver,
            None if error.is::<Usage>() || error.is::<UnknownName>() => Self::WrongCommandLine,
            // Of standard output; the way to the driver may be a pipe too, and its end is a failure.
            None if error.chain().any(is_closed_pipe) => Self::Done,
            _ => Self::Failed,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// What the driver, or the way to it, answered; `None` if the command failed for another reason.
pub fn session_error(error: &Error) -> Option<&SessionError> {
    error.downcast_ref().or_else(|| match error.downcast_ref() {
        Some(LogError::Session(error)) => Some(error),
        _ => None,
    })
}

/// The command line asks for what cannot be done.
#[derive(Debug)]
pub struct Usage(pub String);

impl Display for Usage {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        formatter.write_str(&self.0)
    }
}

impl StdError for Usage {}

#[cfg(test)]
mod tests {
    use irqlog_filter::names::unknown_provider;
    use irqlog_reader::sites::SiteTable;

    use super::*;

    #[test]
    fn each_code_is_in_the_table_once_and_in_order() {
        let codes: Vec<_> = TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn errors_have_the_code_of_their_cause() {
        let of = |error: Error| Exit::of(&error);
        let closed = || io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(of(Error::new(closed()).context("writing")), Exit::Done);
        assert_eq!(of(SessionError::Io(closed()).into()), Exit::Failed);
        assert_eq!(of(Usage("two options that exclude each other".to_owned()).into()), Exit::WrongCommandLine);
        assert_eq!(of(unknown_provider("nobody", &SiteTable::default()).into()), Exit::WrongCommandLine);
        assert_eq!(of(SessionError::AccessDenied("by its owner").into()), Exit::NoDriver);
        assert_eq!(of(LogError::from(SessionError::NotRunning("gone".to_owned())).into()), Exit::NoDriver);
        assert_eq!(of(LogError::from(SessionError::Cancelled).into()), Exit::Failed);
        assert_eq!(of(anyhow::anyhow!("something else")), Exit::Failed);
    }
}
