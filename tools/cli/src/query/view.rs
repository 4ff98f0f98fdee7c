//! `view`: a log in a viewer on the terminal.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, IsTerminal, Seek, Write},
    path::Path,
    sync::Arc,
};

use anyhow::{Result, anyhow};
use irqlog_export::{
    run::{ExportError, ExportFilter, NamedLog, export},
    sink::{ExportSummary, Sink},
};
use irqlog_reader::log::{Item, Log};
use irqlog_report::{Report, ReportKind};
use irqlog_view::{
    feed::{self, FeedState, Shared},
    host::{ShownLog, ViewerHost},
};

use super::export::sink_of;
use crate::{
    args::ExportFormat,
    exit::{Exit, Usage},
    new_file, source,
};

/// Shows the log in this file, or that of the running driver as it grows, until the user leaves.
pub fn run(file: Option<&Path>, rig: Option<&source::Rig>) -> Result<Exit> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        let why = "view needs a terminal; `irqlog read` and `irqlog follow` write into a file or a pipe";
        return Err(Usage(why.to_owned()).into());
    }
    let (shared, exit) = match file {
        Some(file) => saved(file, rig)?,
        None => live(rig)?,
    };
    let state = shared.contents().state.clone();
    match state {
        FeedState::Failed(why) => Err(anyhow!(why)),
        _ => Ok(exit),
    }
}

fn saved(file: &Path, rig: Option<&source::Rig>) -> Result<(Arc<Shared>, Exit)> {
    let mut log = source::open_log(Some(file), rig)?;
    let shared = Shared::new(log.tables().clone())?;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    irqlog_view::run(&shared, name, CommandLine, || feed::read(&mut log, &shared))?;
    Ok((shared, log.report_faults()))
}

fn live(rig: Option<&source::Rig>) -> Result<(Arc<Shared>, Exit)> {
    let mut session = source::open_driver(rig)?;
    source::stop_on_ctrl_c()?;
    let shared = Shared::new(session.info()?)?;
    irqlog_view::run(&shared, source::DRIVER.to_owned(), CommandLine, || feed::follow(&mut session, &shared))?;
    Ok((shared, Exit::Done))
}

/// What this program does for the viewer.
struct CommandLine;

impl ViewerHost for CommandLine {
    fn export(&self, out: &str, log: ShownLog<'_>) -> Result<String, String> {
        let out = Path::new(out);
        let target = Target::of(out)?;
        let filtered = if log.filter().is_some() { ", filtered" } else { "" };
        let summary = new_file::create(out, |file: &mut File| {
            let mut file = BufWriter::new(file);
            let summary = into(target, &mut file, log)?;
            file.flush()?;
            Ok::<_, ExportError>((summary, file.stream_position()?))
        });
        let summary = summary.map_err(|error| format!("{}: {error}", out.display()))?;
        let holds = summary.balances.iter().flatten().all(irqlog_export::balance::LaneBalance::holds);
        let doubt = if holds { "" } else { "; IT DOES NOT ADD UP: the log is damaged, or not read to its end" };
        Ok(format!("{}: {} records, {} lost{filtered}{doubt}", out.display(), summary.exported, summary.lost))
    }

    fn stop(&self) {
        source::stop();
    }
}

/// What a file's name means.
#[derive(Clone, Copy)]
enum Target {
    Report(ReportKind),
    Export(ExportFormat),
}

impl Target {
    fn of(out: &Path) -> Result<Self, String> {
        let extension = out.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        Ok(match extension.as_str() {
            "html" | "htm" => Self::Report(ReportKind::Page),
            "svg" => Self::Report(ReportKind::Picture),
            "pftrace" | "perfetto" => Self::Export(ExportFormat::Perfetto),
            "json" => Self::Export(ExportFormat::Chrome),
            "jsonl" => Self::Export(ExportFormat::Jsonl),
            "csv" => Self::Export(ExportFormat::Csv),
            "export" => Self::Export(ExportFormat::Journal),
            #[cfg(feature = "parquet")]
            "parquet" => Self::Export(ExportFormat::Parquet),
            _ => {
                return Err(format!(
                    "{}: the name says the format: .html, .svg, .pftrace, .json (Chrome), .jsonl, .csv or .export (journal)",
                    out.display()
                ));
            }
        })
    }
}

fn into(target: Target, out: &mut (impl Write + Send), log: ShownLog<'_>) -> Result<ExportSummary, ExportError> {
    let mut sink: Box<dyn Sink + '_> = match target {
        Target::Report(kind) => Box::new(Report::new(out, kind, "what irqlog view showed".to_owned())),
        Target::Export(to) => sink_of(to, out)?,
    };
    let selection = log.filter().map(|choice| choice.selection(log.tables()));
    let chosen = ExportFilter {
        passes: &mut |tables, item| match (item, &selection) {
            (Item::Record(record), Some(selection)) => selection.wants(tables, record),
            _ => true,
        },
        last: None,
        is_filtered: selection.is_some(),
    };
    let mut logs = [NamedLog { name: log.name.to_owned(), log }];
    export(&mut logs, chosen, &mut *sink, |_| ())
}
