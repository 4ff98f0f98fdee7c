//! The options that choose how records look as text: what `read`, `decode` and `follow` show.

use clap::{Args, ValueEnum};

/// How records are shown as text. JSON always has everything.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "How they look")]
pub struct Look {
    /// What the first column is
    #[arg(long, value_name = "WHICH", default_value = "start")]
    pub time: TimeColumn,
    /// Put the names of the columns above them
    #[arg(long)]
    pub header: bool,
    /// Show the source file and line of each event behind its text
    #[arg(long)]
    pub location: bool,
    /// Show all bytes of a blob below its line, in hexadecimal and as ASCII
    #[arg(long)]
    pub hex: bool,
    /// Show records in a row of one site, or of one text, as the first and how many more
    #[arg(long)]
    pub fold: bool,
}

/// The first column of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TimeColumn {
    /// Seconds after the driver's start
    #[default]
    Start,
    /// Date and time in UTC
    Utc,
    /// Date and time here
    Local,
    /// Seconds since the record that is shown before it
    Delta,
}
