//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, error::ContextValue};
use irqlog_reader::untrusted::Untrusted;
use irqlog_wire::{image::Policy, irql, record::Level};

const EXIT_CODES: &str = "Exit codes:
  0  done; a closed pipe is no failure
  1  it failed, and standard error says why
  2  the command line is wrong, or names a provider or a site that is not there
  3  irqlog is not running, or may not be opened
  4  it was done, and found something: records damaged, or a selftest that is not complete";

/// irqlog: the flight recorder for Windows kernel code
#[derive(Parser)]
#[command(name = "irqlog", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Read from a rig's socket instead of the Windows device
    #[arg(long, global = true, value_name = "SOCKET")]
    pub rig: Option<PathBuf>,
    /// One JSON object a line instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show what runs: version, engine, lock, lanes, settings
    Info,
    /// Show the records that are there
    Read(Filter),
    /// Show records as they are written, until Ctrl-C
    Follow {
        #[command(flatten)]
        filter: Filter,
        /// Stop after so many records
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Show counters: records, drops by reason, contention, hold and wait (sampled)
    Stats,
    /// Show the drivers that log events: their levels, sites, and records in the log
    Providers {
        /// Those of a file that `save` wrote, and not those of the running driver
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Show each of their sites too
        #[arg(long)]
        sites: bool,
    },
    /// Write a text into the log
    Mark {
        /// The text, at most 984 bytes
        text: String,
        /// Its level
        #[arg(long, default_value = "info", value_parser = level)]
        level: Level,
    },
    /// Ignore what was written so far
    Clear,
    /// Change settings until the driver stops
    Configure {
        /// The least important level that is written
        #[arg(long, value_parser = level)]
        level: Option<Level>,
        /// The level of that provider only
        #[arg(long, value_name = "NAME", requires = "level", conflicts_with_all = ["policy", "pause", "resume"])]
        provider: Option<String>,
        /// What happens when a lane is full
        #[arg(long, value_parser = policy)]
        policy: Option<Policy>,
        /// Count records as drops instead of writing them
        #[arg(long, conflicts_with = "resume")]
        pause: bool,
        /// Write again
        #[arg(long)]
        resume: bool,
    },
    /// Let the driver write at every IRQL on every processor, and say what arrived
    Selftest,
    /// Say what this machine lacks to run irqlog, each with the command that mends it
    Doctor {
        /// Only print the answers that it goes by, to be looked at elsewhere
        #[arg(long, conflicts_with = "recorded")]
        facts: bool,
        /// Go by answers that `--facts` printed on another machine
        #[arg(long, value_name = "FILE")]
        recorded: Option<PathBuf>,
    },
    /// Install, start, stop or remove the driver as a service of this machine, without an INF
    Service {
        #[command(subcommand)]
        action: ServiceAction,
    },
    /// Save the log as a ring image
    Save {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// Show the records of a ring image
    Decode {
        /// A file that `save` wrote
        file: PathBuf,
        #[command(flatten)]
        filter: Filter,
    },
}

/// What happens to the service.
#[derive(Clone, Debug, Subcommand)]
pub enum ServiceAction {
    /// Tell the service manager of the driver
    Install {
        /// The driver; without it irqlog.sys in the folder of this program
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// When the driver starts
        #[arg(long, default_value = "demand")]
        start: StartType,
    },
    /// Start the driver
    Start,
    /// Stop the driver; waits until it has unloaded
    Stop,
    /// Make the service manager forget the driver
    Remove,
}

/// When the driver starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StartType {
    /// By the boot loader: the earliest there is
    Boot,
    /// While the kernel starts
    System,
    /// When the service manager starts
    Auto,
    /// When somebody starts it
    Demand,
}

/// Which records are shown.
#[derive(Args, Clone, Debug, Default)]
pub struct Filter {
    /// At most this level: error, warn, info, debug, trace
    #[arg(long, value_parser = level)]
    pub level: Option<Level>,
    /// Only of these processors
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub cpu: Vec<u16>,
    /// Only written at these levels: a number, a name (PASSIVE, APC, DISPATCH, CLOCK, IPI, HIGH), DIRQL for 3 to 12, or NMI
    #[arg(long, value_name = "IRQL", value_delimiter = ',', value_parser = irql_filter)]
    pub irql: Vec<IrqlFilter>,
    /// Only records from this time on, in seconds after the driver's start; records before the start have negative times
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub since: Option<f64>,
    /// Only events of these providers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub provider: Vec<String>,
    /// Only those in which this regular expression is found behind the thread's column: provider, text, marks
    #[arg(long, value_name = "REGEX", value_parser = pattern)]
    pub grep: Option<regex::Regex>,
    /// Only events of this place: the end of the file's path, and the line
    #[arg(long, value_name = "FILE:LINE", value_parser = place)]
    pub site: Option<Place>,
    /// Only the last N
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
}

/// The value of `--site`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The end of the file's path.
    pub file: String,
    /// The line.
    pub line: u32,
}

fn place(text: &str) -> Result<Place, String> {
    let wrong = || "a site is FILE:LINE, as `--json` shows it".to_owned();
    let (file, line) = text.rsplit_once(':').ok_or_else(wrong)?;
    let line = line.parse().map_err(|_| wrong())?;
    if file.is_empty() { Err(wrong()) } else { Ok(Place { file: file.replace('\\', "/"), line }) }
}

/// One value of `--irql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqlFilter {
    /// From one level to another, both included.
    Levels(u8, u8),
    /// Written into an NMI lane.
    Nmi,
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| "a level is error, warn, info, debug or trace".to_owned())
}

/// A number of seconds; a duration with a unit gets the number that it is.
fn seconds(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("sec", 1.0),
        ("s", 1.0),
        ("min", 60.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86400.0),
    ];
    let finite = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(seconds) = finite(text) {
        return Ok(seconds);
    }
    let with_unit = UNITS.iter().find_map(|(unit, factor)| Some(finite(text.strip_suffix(unit)?)? * factor));
    Err(match with_unit {
        Some(seconds) => format!("it is a number of seconds after the driver's start, without a unit: write {seconds}"),
        None => "it is a number of seconds after the driver's start, such as 90 or 0.5".to_owned(),
    })
}

fn pattern(text: &str) -> Result<regex::Regex, String> {
    // The error shows the expression in lines of its own.
    let one_line = |error: regex::Error| {
        error
            .to_string()
            .lines()
            .map(str::trim)
            .map(|line| Untrusted::new(line).to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    regex::Regex::new(text).map_err(one_line)
}

fn policy(text: &str) -> Result<Policy, String> {
    Policy::from_name(text).ok_or_else(|| "a policy is overwrite or keep".to_owned())
}

fn irql_filter(text: &str) -> Result<IrqlFilter, String> {
    let upper = text.to_uppercase();
    if upper == "NMI" {
        return Ok(IrqlFilter::Nmi);
    }
    if upper == "DIRQL" {
        return Ok(IrqlFilter::Levels(irql::DIRQL_MIN, irql::DIRQL_MAX));
    }
    let number = upper.parse().ok().or_else(|| (0..=irql::HIGH_LEVEL).find(|&level| irql::name(level) == upper));
    match number {
        Some(number) if number <= irql::HIGH_LEVEL => Ok(IrqlFilter::Levels(number, number)),
        _ => Err("an IRQL is 0 to 15, PASSIVE, APC, DISPATCH, DIRQL, CLOCK, IPI, HIGH or NMI".to_owned()),
    }
}

/// Whether text goes to a terminal or a file is anstream's to find out; this only names the two forms.
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
