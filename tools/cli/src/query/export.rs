//! `export`: logs in the format of another tool.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Error, Result};
use irqlog_export::{
    balance::LaneBalance,
    chrome::Chrome,
    csv::Csv,
    ctf::{Ctf, ExportFolder},
    forks::Fork,
    journal::Journal,
    jsonl::JsonLines,
    perfetto::Perfetto,
    run::{ExportError, ExportFilter, NamedLog, export},
    sink::{ExportSummary, Sink, balance_message},
};
use irqlog_filter::{checkpoint::fork, names::check_names, options::Filter, selection::RecordSelection};
use irqlog_reader::{
    image::Tables,
    log::{Item, Log},
    save,
};

use crate::{
    args::ExportFormat,
    exit::{Exit, Usage},
    new_file,
    output::{self, Progress},
    source::{self, OpenLog},
};

/// The name that stands for standard output.
const STANDARD_OUTPUT: &str = "-";

/// Writes the logs in these files, or the running driver's, in a format into a new file.
pub fn run(
    to: ExportFormat,
    out: &Path,
    files: &[PathBuf],
    filter: &Filter,
    rig: Option<&source::Rig>,
) -> Result<Exit> {
    let is_standard = out.as_os_str() == STANDARD_OUTPUT;
    if is_standard && to == ExportFormat::Ctf {
        return Err(Usage("ctf is a folder, which standard output cannot be; name a new one".to_owned()).into());
    }
    if is_standard && to.is_binary() && io::stdout().is_terminal() {
        let format = to.name();
        return Err(Usage(format!("{format} is no text for a terminal; name a file, or send it into a pipe")).into());
    }
    if !is_standard {
        new_file::check(out).with_context(|| format!("creating {}", out.display()))?;
    }
    let mut logs = open(files, rig)?;
    let chosen = Chosen::new(filter, &logs)?;
    let progress = progress_of(&logs);
    let written = if to == ExportFormat::Ctf {
        into_folder(out, &mut logs, &chosen, &progress)
    } else if is_standard {
        into_stream(to, io::stdout(), &mut logs, &chosen, &progress)
    } else {
        into_file(to, out, &mut logs, &chosen, &progress)
    };
    progress.end();
    end(&logs, out, written)
}

/// Says how the export into a file ended.
pub(super) fn end(logs: &[NamedLog<OpenLog>], out: &Path, written: Result<ExportSummary, ExportError>) -> Result<Exit> {
    let summary = written.map_err(|error| match error {
        ExportError::Log { name, error } => Error::new(error).context(name),
        ExportError::Write(error) => Error::new(error).context(format!("writing {}", out.display())),
    })?;
    let mut exit = Exit::Done;
    for log in logs {
        if log.log.report_faults() == Exit::Found {
            exit = Exit::Found;
        }
    }
    Ok(if report(logs, &summary) { exit } else { Exit::Found })
}

/// The records that are exported, of each log.
pub(super) struct Chosen<'f> {
    filter: &'f Filter,
    /// With the start of the driver that each is for: times of a filter may be relative to the log.
    selections: Vec<(u64, RecordSelection<'f>)>,
}

impl<'f> Chosen<'f> {
    pub(super) fn new(filter: &'f Filter, logs: &[NamedLog<OpenLog>]) -> Result<Self> {
        if filter.context != 0 {
            return Err(Usage("an export has no --context".to_owned()).into());
        }
        let mut selections = Vec::new();
        for log in logs {
            let tables = log.log.tables();
            check_names(filter, tables)?;
            let selection = RecordSelection::new(filter, tables, || source::end_of(&log.log))?;
            selections.push((tables.header.start_id.get(), selection));
        }
        Ok(Self { filter, selections })
    }

    fn selection(&self, tables: &Tables) -> Option<&RecordSelection<'f>> {
        let start = tables.header.start_id.get();
        self.selections.iter().find(|(of, _)| *of == start).map(|(_, selection)| selection)
    }
}

pub(super) fn open(files: &[PathBuf], rig: Option<&source::Rig>) -> Result<Vec<NamedLog<OpenLog>>> {
    if files.is_empty() {
        return Ok(vec![NamedLog { name: source::DRIVER.to_owned(), log: source::open_log(None, rig)? }]);
    }
    let named = |file: &PathBuf| {
        Ok(NamedLog { name: file.display().to_string(), log: source::open_log(Some(file.as_path()), rig)? })
    };
    files.iter().map(named).collect()
}

/// The progress of reading all of the logs.
pub(super) fn progress_of(logs: &[NamedLog<OpenLog>]) -> Progress {
    Progress::new(logs.iter().fold(0_u64, |sum, log| sum.saturating_add(save::promised(log.log.tables()))))
}

fn into_file(
    to: ExportFormat,
    out: &Path,
    logs: &mut [NamedLog<OpenLog>],
    chosen: &Chosen<'_>,
    progress: &Progress,
) -> Result<ExportSummary, ExportError> {
    new_file::create(out, |file: &mut File| {
        let summary = into_stream(to, &mut *file, logs, chosen, progress)?;
        Ok((summary, file.stream_position()?))
    })
}

fn into_folder(
    out: &Path,
    logs: &mut [NamedLog<OpenLog>],
    chosen: &Chosen<'_>,
    progress: &Progress,
) -> Result<ExportSummary, ExportError> {
    new_file::create_folder(out, |folder| into_sink(&mut Ctf::new(Folder(folder)), logs, chosen, progress))
}

/// The files of an export that is a folder.
struct Folder<'p>(&'p Path);

impl ExportFolder for Folder<'_> {
    // Opened each time: a log may have more lanes than a process has files.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        File::options().create(true).append(true).open(self.0.join(name))?.write_all(bytes)
    }
}

fn into_stream(
    to: ExportFormat,
    out: impl Write + Send,
    logs: &mut [NamedLog<OpenLog>],
    chosen: &Chosen<'_>,
    progress: &Progress,
) -> Result<ExportSummary, ExportError> {
    let mut out = BufWriter::new(out);
    let mut sink = sink_of(to, &mut out)?;
    let summary = into_sink(&mut *sink, logs, chosen, progress)?;
    drop(sink);
    out.flush()?;
    Ok(summary)
}

/// What writes a format into a stream.
///
/// # Errors
/// If the format is a folder.
pub(super) fn sink_of<'o>(to: ExportFormat, out: impl Write + Send + 'o) -> io::Result<Box<dyn Sink + 'o>> {
    Ok(match to {
        ExportFormat::Jsonl => Box::new(JsonLines::new(out)),
        ExportFormat::Csv => Box::new(Csv::new(out)),
        ExportFormat::Chrome => Box::new(Chrome::new(out)),
        ExportFormat::Perfetto => Box::new(Perfetto::new(out)),
        ExportFormat::Journal => Box::new(Journal::new(out)),
        #[cfg(feature = "parquet")]
        ExportFormat::Parquet => Box::new(irqlog_export::parquet::Parquet::new(out)?),
        ExportFormat::Ctf => return Err(io::ErrorKind::IsADirectory.into()),
    })
}

/// Writes the chosen records of the logs into a sink.
pub(super) fn into_sink(
    sink: &mut dyn Sink,
    logs: &mut [NamedLog<OpenLog>],
    chosen: &Chosen<'_>,
    progress: &Progress,
) -> Result<ExportSummary, ExportError> {
    let selection = ExportFilter {
        passes: &mut |tables, item| match item {
            Item::Record(record) => chosen.selection(tables).is_none_or(|selection| selection.wants(tables, record)),
            Item::Loss(_) => true,
        },
        last: chosen.filter.last,
        is_filtered: chosen.filter.is_set(),
    };
    export(logs, selection, sink, |bytes| progress.advance(bytes))
}

/// Says what is in the export, and whether every record that was written is accounted for.
fn report(logs: &[NamedLog<OpenLog>], summary: &ExportSummary) -> bool {
    let ExportSummary { exported, left_out, lost, is_filtered, balances, forks } = summary;
    let filtered = if *is_filtered { format!("; filtered: {left_out} records were left out") } else { String::new() };
    output::say(&format!("{exported} records, {lost} lost{filtered}"));
    let mut holds = true;
    for (log, lanes) in logs.iter().zip(balances) {
        for lane in lanes.iter().filter(|lane| !lane.holds()) {
            holds = false;
            output::say(&format!("irqlog: {}: {}: {}", log.name, balance_message(lane), imbalance(lane)));
        }
    }
    for Fork { logs: [one, other], lane, seq, ticks } in forks {
        let name = |number: &usize| logs.get(*number).map(|log| log.name.as_str()).unwrap_or_default();
        output::say(&format!("irqlog: {} and {}: {}", name(one), name(other), fork(*lane, *seq, *ticks)));
    }
    holds && forks.is_empty()
}

/// Why the numbers of a lane do not add up.
fn imbalance(lane: &LaneBalance) -> String {
    let known = lane.delivered.saturating_add(lane.lost).saturating_add(lane.cleared);
    match lane.written.checked_sub(known) {
        Some(missing) => format!("nothing is known of {missing}, because a part of the log cannot be read"),
        None => format!("{} too many, because the log is damaged or repeats numbers", known - lane.written),
    }
}
