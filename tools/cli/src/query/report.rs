//! `report`: a log as one page, or as a picture of its timeline, for a bug report.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use irqlog_export::run::ExportError;
use irqlog_filter::options::Filter;
use irqlog_report::{Report, ReportKind};

use super::export::{Chosen, end, into_sink, open, progress_of};
use crate::{
    exit::{Exit, Usage},
    new_file, source,
};

/// Writes the report of the log in this file, or of the running driver's, into a new file.
pub fn run(file: Option<&PathBuf>, out: &Path, filter: &Filter, rig: Option<&source::Rig>) -> Result<Exit> {
    let kind = match out.extension().and_then(OsStr::to_str).map(str::to_lowercase).as_deref() {
        Some("html" | "htm") => ReportKind::Page,
        Some("svg") => ReportKind::Picture,
        _ => {
            let name = out.display();
            return Err(Usage(format!("{name}: a report is a page, NAME.html, or a picture, NAME.svg")).into());
        }
    };
    new_file::check(out).with_context(|| format!("creating {}", out.display()))?;
    let mut logs = open(file.map_or(&[][..], std::slice::from_ref), rig)?;
    let origin = match logs.first().and_then(|log| log.log.shown_file()) {
        Some(file) => file.to_string(),
        None => "the running driver's log".to_owned(),
    };
    let chosen = Chosen::new(filter, &logs)?;
    let progress = progress_of(&logs);
    let written = new_file::create(out, |file: &mut File| {
        let mut file = BufWriter::new(file);
        let summary = into_sink(&mut Report::new(&mut file, kind, origin), &mut logs, &chosen, &progress)?;
        file.flush()?;
        Ok::<_, ExportError>((summary, file.stream_position()?))
    });
    progress.end();
    end(&logs, out, written)
}
