//! The command line: commands, options, and their help texts.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ContextValue};
use irqlog_filter::options::{Filter, NamePattern, level};
use irqlog_reader::untrusted::Untrusted;
use irqlog_upkeep::{
    assignment::Assignment,
    store::{self, LogStore},
};
use irqlog_wire::{image::Policy, record::Level};
use regex::Regex;

pub use self::look::Look;

// By path, as the fuzz targets take this file into a crate of their own.
#[path = "args/look.rs"]
pub mod look;

/// irqlog: the flight recorder for Windows kernel code
#[derive(Parser)]
#[command(name = "irqlog", version)]
pub struct Cli {
    /// Read from a rig's socket instead of the Windows device
    // The rig runs off Windows, and irqlog.exe as it is packaged knows nothing of it: `cargo xtask test --only windows-cli`.
    #[cfg(unix)]
    #[arg(long, global = true, value_name = "SOCKET")]
    pub rig: Option<PathBuf>,
    /// Print one JSON object on each line instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Whether text has colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
    #[command(subcommand)]
    pub command: Command,
}

/// When text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless the environment variable `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A command, by what it needs.
#[derive(Subcommand)]
pub enum Command {
    #[command(flatten)]
    Query(Query),
    #[command(flatten)]
    Control(Control),
    #[command(flatten)]
    Offline(Offline),
}

/// Commands that work on any log.
#[derive(Subcommand)]
pub enum Query {
    /// Show the recorder: version, engine, lock, lanes, settings
    Info {
        #[command(flatten)]
        origin: LogPlace,
    },
    /// Show the records that are in the log
    Read {
        #[command(flatten)]
        origin: LogPlace,
        #[command(flatten)]
        filter: Box<Filter>,
        #[command(flatten)]
        look: Look,
        /// Go on with records as they are written, until Ctrl-C: the same as `follow`
        #[arg(short, long, conflicts_with = "file")]
        follow: bool,
        /// Show only what is behind the place that this file says, and write the new place into it
        #[arg(long, value_name = "CURSOR", conflicts_with = "context")]
        cursor_file: Option<PathBuf>,
    },
    /// Show the records of a saved log: the same as `read --file`
    Decode {
        /// A file that `save` wrote
        file: PathBuf,
        #[command(flatten)]
        filter: Box<Filter>,
        #[command(flatten)]
        look: Look,
    },
    /// Show what a crash dump says: bug check, each processor, and the last records before the crash
    Crash {
        /// A crash dump, or a log that `save` wrote out of one
        file: PathBuf,
        /// Show the last N records of all processors
        #[arg(long, value_name = "N", default_value_t = 32)]
        last: usize,
        /// Show the last N records of each processor
        #[arg(long, value_name = "N", default_value_t = 4)]
        each: usize,
    },
    /// Show counters: records, drops by reason, contention, hold and wait (sampled)
    Stats {
        #[command(flatten)]
        origin: LogPlace,
    },
    /// Show the drivers that log events: their levels, sites, and records in the log
    Providers {
        #[command(flatten)]
        origin: LogPlace,
        /// Show each site of the providers too
        #[arg(long)]
        sites: bool,
    },
    /// Save the log as a ring image
    Save {
        #[command(flatten)]
        origin: LogPlace,
        /// The file to write; it must not exist
        #[arg(value_name = "NEW_FILE")]
        target: PathBuf,
    },
    /// Save the log among those that are kept, one for each start, and delete the oldest of them: what the saver does
    Keep {
        #[command(flatten)]
        origin: LogPlace,
        /// How many logs are kept
        #[arg(long, value_name = "N", default_value_t = store::DEFAULT_KEEP)]
        last: usize,
    },
    /// Write the log in the format of another tool: Perfetto, Chrome's tracing, spreadsheets, and others
    Export {
        /// The format
        #[arg(long, value_name = "FORMAT")]
        to: ExportFormat,
        /// The file to write, for ctf the folder; it must not exist. `-` is standard output
        out: PathBuf,
        /// Files that `save` wrote, or crash dumps, as one merged trace; without one, the running driver's log
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        filter: Box<Filter>,
    },
    /// Look at the log in a viewer on the terminal, live or saved; `?` shows its keys
    View {
        /// A file that `save` wrote, or a crash dump; without one, the running driver's log as it grows
        file: Option<PathBuf>,
    },
    /// Write the log as one page for a bug report, or its timeline as a picture
    #[command(allow_missing_positional = true)]
    Report {
        /// A file that `save` wrote, or a crash dump; without one, the running driver's log
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The page, NAME.html, or the picture, NAME.svg, to write; it must not exist
        #[arg(required = true, value_name = "OUT")]
        out: PathBuf,
        #[command(flatten)]
        filter: Box<Filter>,
    },
}

/// A format of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, as `read --json`, with the time of day
    Jsonl,
    /// A table, for spreadsheets and data frames
    Csv,
    /// JSON of Chrome's tracing
    Chrome,
    /// Perfetto: ui.perfetto.dev, trace_processor
    Perfetto,
    /// Journal Export Format: systemd-journal-remote, journalctl
    Journal,
    /// Apache Parquet: duckdb, polars, pandas
    #[cfg(feature = "parquet")]
    Parquet,
    /// Common Trace Format 1.8, a folder: babeltrace2, Trace Compass
    Ctf,
}

impl ExportFormat {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether the format is bytes and no text.
    pub const fn is_binary(self) -> bool {
        match self {
            Self::Jsonl | Self::Csv | Self::Chrome => false,
            #[cfg(feature = "parquet")]
            Self::Parquet => true,
            Self::Perfetto | Self::Journal | Self::Ctf => true,
        }
    }
}

impl Query {
    /// The file in which the log lies; `None` for the running driver's log.
    ///
    /// # Errors
    /// If it is to be a kept log, and there is none of that start.
    pub fn file(&self) -> anyhow::Result<Option<Cow<'_, Path>>> {
        match self {
            Self::Info { origin }
            | Self::Read { origin, .. }
            | Self::Stats { origin }
            | Self::Providers { origin, .. }
            | Self::Keep { origin, .. }
            | Self::Save { origin, .. } => origin.file(),
            Self::Decode { file, .. } | Self::Crash { file, .. } => Ok(Some(Cow::Borrowed(file))),
            Self::Export { .. } | Self::Report { .. } | Self::View { .. } => Ok(None),
        }
    }
}

/// Where the log lies.
#[derive(Args, Clone, Debug, Default)]
pub struct LogPlace {
    /// Read the log from a file that `save` wrote, instead of from the running driver
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Read the log of an earlier start that is kept: -1 for the last one, -2 for the one before; `irqlog list` shows them
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "file")]
    pub boot: Option<i64>,
    #[command(flatten)]
    pub kept: KeptLogs,
}

/// Where the logs of earlier starts are kept.
#[derive(Args, Clone, Debug, Default)]
pub struct KeptLogs {
    /// The folder of the kept logs [default: %ProgramData%\\irqlog\\logs]
    #[arg(long, value_name = "FOLDER")]
    pub logs: Option<PathBuf>,
}

impl KeptLogs {
    /// The folder's logs.
    ///
    /// # Errors
    /// If no folder is named, and the system has none for programs' data.
    pub fn store(&self) -> anyhow::Result<LogStore> {
        self.logs.clone().map_or_else(LogStore::in_program_data, |folder| Ok(LogStore::new(folder)))
    }
}

impl LogPlace {
    fn file(&self) -> anyhow::Result<Option<Cow<'_, Path>>> {
        match self.boot {
            None | Some(0) => Ok(self.file.as_deref().map(Cow::Borrowed)),
            Some(boot) => self.kept.store()?.find(boot).map(|path| Some(Cow::Owned(path))),
        }
    }
}

/// Commands that need the running driver.
#[derive(Subcommand)]
pub enum Control {
    /// Show records as they are written, until Ctrl-C
    Follow {
        #[command(flatten)]
        filter: Box<Filter>,
        #[command(flatten)]
        look: Look,
        /// Stop after N records
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Stop after the first record in which the expression matches what stands behind the thread column
        #[arg(long, value_name = "REGEX")]
        until_match: Option<Regex>,
        /// Then pause writing, so that nothing overwrites what came before; `configure --resume` lets it go on
        #[arg(long, requires = "until_match")]
        pause: bool,
        /// Show only what is behind the place that this file says, and keep the new place in it
        #[arg(long, value_name = "CURSOR", conflicts_with = "context")]
        cursor_file: Option<PathBuf>,
        /// What this command does without it
        #[arg(short, long, hide = true)]
        follow: bool,
    },
    /// Write a text into the log
    Mark {
        /// The text, at most 984 bytes
        text: String,
        /// The level of the record
        #[arg(long, default_value = "info", value_parser = level)]
        level: Level,
    },
    /// Make all readers ignore the records written so far
    Clear,
    /// Change settings until the driver stops, or parameters of its next start
    Configure {
        /// The least important level that is written
        #[arg(long, value_parser = level)]
        level: Option<Level>,
        /// Set the level of these providers only; * and ? stand for any characters, and for one
        #[arg(long, value_name = "NAME", value_parser = NamePattern::new, requires = "level", conflicts_with_all = ["policy", "pause", "resume", "raw_pointers", "next_start"])]
        provider: Option<NamePattern>,
        /// What happens when a lane is full
        #[arg(long, value_parser = policy)]
        policy: Option<Policy>,
        /// Count records as drops instead of writing them
        #[arg(long, conflicts_with = "resume")]
        pause: bool,
        /// Write records again after --pause
        #[arg(long)]
        resume: bool,
        /// Write pointers in events as addresses, until the driver stops; a record in the log says so
        #[arg(long)]
        raw_pointers: bool,
        /// Change parameters of the driver's next start, such as ring=64MiB engine=percpu lock=default, and show them all;
        /// without a value, only show them
        #[arg(long, value_name = "NAME=VALUE", num_args = 0.., conflicts_with_all = ["level", "policy", "pause", "resume", "raw_pointers"])]
        next_start: Option<Vec<Assignment>>,
    },
    /// Let the driver log at every IRQL on every processor, and show how many records arrived
    Selftest,
}

/// Commands that need neither the driver nor a log.
#[derive(Subcommand)]
pub enum Offline {
    /// Say what this machine lacks to run irqlog, each with the command that mends it
    Doctor {
        /// Print only the facts about this machine, which `--recorded` judges on any machine
        #[arg(long, conflicts_with = "recorded")]
        facts: bool,
        /// Judge the facts that `--facts` printed on another machine
        #[arg(long, value_name = "FILE")]
        recorded: Option<PathBuf>,
    },
    /// Print a script with which a shell completes command lines of irqlog
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a man page of each command into a folder
    Man {
        /// The folder; it is made if it is not there
        folder: PathBuf,
    },
    /// Try irqlog on a test machine of Windows, and write one report; run it again after each restart
    FirstRun(FirstRunArguments),
    /// List the logs of earlier starts that are kept
    List {
        #[command(flatten)]
        kept: KeptLogs,
    },
    /// Install, start, stop or remove the driver as a service of this machine, without an INF
    Service {
        #[command(subcommand)]
        action: ServiceAction,
    },
}

/// Options of `first-run`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct FirstRunArguments {
    /// The folder of the package; by default that of this program
    #[arg(long, value_name = "FOLDER")]
    pub package: Option<PathBuf>,
    /// The report, without an extension: FILE.md to attach to an issue, FILE.json to go on with
    #[arg(long, value_name = "FILE", default_value = "irqlog-first-run")]
    pub report: PathBuf,
    /// Try Driver Verifier too: three restarts, and perhaps a crash
    #[arg(long)]
    pub verifier: bool,
    /// Try memory integrity too: two restarts
    #[arg(long)]
    pub memory_integrity: bool,
    /// irqlog is installed: leave install.cmd out
    #[arg(long)]
    pub installed: bool,
    /// Try uninstall.cmd at the end, which removes irqlog
    #[arg(long)]
    pub uninstall: bool,
    /// Collect what a crash that was asked for has left, and do nothing else
    #[arg(long, conflicts_with_all = ["verifier", "memory_integrity", "installed", "uninstall"])]
    pub after_crash: bool,
}

/// An action on the driver's service.
#[derive(Clone, Debug, Subcommand)]
pub enum ServiceAction {
    /// Register the driver with the service manager
    Install {
        /// The driver file; by default irqlog.sys in the folder of this program
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// When the driver starts
        #[arg(long, default_value = "demand")]
        start: StartType,
    },
    /// Start the driver
    Start,
    /// Stop the driver, and wait until it has unloaded
    Stop,
    /// Remove the driver from the service manager
    Remove,
    /// Install a service that keeps the log of each start: it saves it at the shutdown, and after a crash from the dump
    InstallSaver {
        #[command(flatten)]
        saver: Saver,
    },
    /// Remove that service; the logs that it has kept stay
    RemoveSaver,
    /// Be that service: only the service manager runs this
    #[command(hide = true)]
    RunSaver {
        #[command(flatten)]
        saver: Saver,
    },
}

/// What the saver keeps, and where.
#[derive(Args, Clone, Debug)]
pub struct Saver {
    #[command(flatten)]
    pub kept: KeptLogs,
    /// How many logs are kept
    #[arg(long, value_name = "N", default_value_t = store::DEFAULT_KEEP)]
    pub last: usize,
}

/// When the driver starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StartType {
    /// The boot loader starts it: the earliest time
    Boot,
    /// The kernel starts it while the system starts
    System,
    /// The service manager starts it when it starts itself
    Auto,
    /// A person or a program starts it
    Demand,
}

fn policy(text: &str) -> Result<Policy, String> {
    Policy::from_name(&text.to_lowercase()).ok_or_else(|| "a policy is overwrite or keep".to_owned())
}

/// The form of the output. anstream finds out whether text goes to a terminal or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Aligned columns.
    Text,
    /// One JSON object a line.
    Json,
}

/// An error of the command line with the values that it repeats escaped: they may hold what a terminal obeys.
pub fn escaped(mut error: clap::Error) -> clap::Error {
    let escape = |text: &String| Untrusted::new(text).to_string();
    let repeated: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(escape(text)))),
            ContextValue::Strings(texts) => Some((kind, ContextValue::Strings(texts.iter().map(escape).collect()))),
            _ => None,
        })
        .collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    error
}

impl Cli {
    /// The form asked for.
    pub const fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }
}
