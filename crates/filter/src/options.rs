//! The options that choose records: what `read`, `decode` and `follow` show.

use std::ops::RangeInclusive;

use clap::Args;
use irqlog_reader::untrusted::Untrusted;
use irqlog_wire::{irql, record::Level};
use regex::{Regex, RegexBuilder};

use crate::moment::Moment;

/// The records that are shown.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which records")]
pub struct Filter {
    /// Only records of this level or a more important one: error, warn, info, debug, trace
    #[arg(long, value_parser = level)]
    pub level: Option<Level>,
    /// Only records of these processors: 3, or 0-3
    #[arg(long, value_name = "N[-M]", value_delimiter = ',', value_parser = cpus)]
    pub cpu: Vec<Cpus>,
    /// Only records of these IRQLs: a number, a name (PASSIVE, APC, DISPATCH, CLOCK, IPI, HIGH), DIRQL for 3 to 12, or
    /// NMI for those that show `nmi`, whatever their IRQL
    #[arg(long, value_name = "IRQL", value_delimiter = ',', value_parser = irql_filter)]
    pub irql: Vec<IrqlFilter>,
    /// Only records of these threads: 0x10c, as text shows it, or 268, as JSON does
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = id)]
    pub thread: Vec<u32>,
    /// Only records of these processes
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = id)]
    pub process: Vec<u32>,
    /// Only records from this time on: seconds after the driver's start (90, 0.5, 5m, -0.1), before the end of the log
    /// (-5m), a time of the day (14:05:30), or a date and time (2026-11-28T14:05:30Z, 2026-11-28 14:05)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<Moment>,
    /// Only records up to this time: as for --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<Moment>,
    /// Only events of these providers; * and ? stand for any characters, and for one
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = NamePattern::new)]
    pub provider: Vec<NamePattern>,
    /// Only events of this site: the end of the source file's path, and the line if one is meant
    #[arg(long, value_name = "FILE[:LINE]", value_parser = place)]
    pub site: Option<Place>,
    /// Only records in which this regular expression matches behind the thread column: provider, text, marks
    #[arg(long, value_name = "REGEX", value_parser = pattern)]
    pub grep: Option<Regex>,
    /// Let --grep match without regard to case; the same as (?i) in the expression
    #[arg(short, long, requires = "grep")]
    pub ignore_case: bool,
    /// Only records in which --grep does not match
    #[arg(short = 'v', long, requires = "grep")]
    pub invert_match: bool,
    /// Show N records around each one that --grep finds too
    #[arg(short = 'C', long, value_name = "N", requires = "grep", default_value_t = 0)]
    pub context: usize,
    /// Only the last N records
    #[arg(short = 'n', long, value_name = "N")]
    pub last: Option<usize>,
}

impl Filter {
    /// Whether it may leave records out.
    pub fn is_set(&self) -> bool {
        let Self { level, cpu, irql, thread, process, since, until, provider, site, grep, last, .. } = self;
        let has_list =
            !(cpu.is_empty() && irql.is_empty() && thread.is_empty() && process.is_empty() && provider.is_empty());
        let has_time = since.is_some() || until.is_some();
        has_list || has_time || level.is_some() || site.is_some() || grep.is_some() || last.is_some()
    }

    /// The expression of `--grep`, with or without regard to case.
    pub fn expression(&self) -> Option<Regex> {
        let grep = self.grep.as_ref()?;
        // It is one already, but for the flag.
        let built = RegexBuilder::new(grep.as_str()).case_insensitive(self.ignore_case).build();
        Some(built.unwrap_or_else(|_| grep.clone()))
    }
}

/// A level by its name, without regard to case.
///
/// # Errors
/// The names that there are.
pub fn level(text: &str) -> Result<Level, String> {
    Level::from_name(&text.to_lowercase()).ok_or_else(|| "a level is error, warn, info, debug or trace".to_owned())
}

/// One value of `--cpu`: processors from the first to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub RangeInclusive<u16>);

fn cpus(text: &str) -> Result<Cpus, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(Cpus(first..=last)),
        _ => Err("processors are a number, or two with a minus between them: 3, 0-3".to_owned()),
    }
}

/// A thread or process: hexadecimal behind 0x, else decimal.
fn id(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "an id is a number such as 268, or 0x10c".to_owned())
}

/// A name, in which `*` stands for any characters and `?` for one; upper and lower case are the same.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    regex: Regex,
}

impl NamePattern {
    /// A pattern out of its text.
    ///
    /// # Errors
    /// If the text is too long for an expression.
    pub fn new(text: &str) -> Result<Self, String> {
        let expression = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
        let built =
            RegexBuilder::new(&format!("^{expression}$")).case_insensitive(true).dot_matches_new_line(true).build();
        built.map(|regex| Self { text: text.to_owned(), regex }).map_err(|error| one_line(&error))
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The value of `--site`.
#[derive(Clone, Debug)]
pub struct Place {
    /// The end of the file's path.
    pub file: NamePattern,
    /// The line; all of the file if it is not given.
    pub line: Option<u32>,
}

fn place(text: &str) -> Result<Place, String> {
    let (file, line) = match text.rsplit_once(':') {
        // Behind the colon of a drive is a path.
        Some((file, line)) if !line.contains(['/', '\\']) => {
            let line = line.parse().map_err(|_| "a site is FILE or FILE:LINE, as `--json` shows it".to_owned())?;
            (file, Some(line))
        }
        _ => (text, None),
    };
    if file.is_empty() {
        return Err("a site is FILE or FILE:LINE, as `--json` shows it".to_owned());
    }
    let file = file.replace('\\', "/");
    // The end of a path: of whole folders and names.
    let end = if file.starts_with(['/', '*']) { file } else { format!("*/{file}") };
    Ok(Place { file: NamePattern::new(&end)?, line })
}

/// One value of `--irql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqlFilter {
    /// IRQLs from the first to the second, both included.
    Levels(u8, u8),
    /// Records in an NMI lane, and those of calls through the entry that never waits.
    Nmi,
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

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| one_line(&error))
}

/// The error of an expression, which shows the expression in lines of its own.
fn one_line(error: &regex::Error) -> String {
    let lines = error.to_string();
    let lines = lines.lines().map(str::trim).map(|line| Untrusted::new(line).to_string());
    lines.collect::<Vec<_>>().join(" ")
}
