//! `save` and `decode`: the log as a file.

use std::path::Path;

use anyhow::{Context, Result};
use irqlog_reader::{
    follow::Follower,
    image,
    session::{Session, Source},
};

use crate::{
    Finding,
    args::{Filter, Form},
    cmd::print,
    new_file,
    output::{self, Printer},
};

/// Writes everything that can be read into a new file.
pub fn save(session: &mut Session<impl Source>, file: &Path) -> Result<Finding> {
    // Not over an older log: that may be the only trace of a crash.
    new_file::check(file).with_context(|| format!("creating {}", file.display()))?;
    let round = Follower::new(session.info()?.present()).round(session, false)?;
    // Behind the records: every site that they name is in the table then.
    session.forget_sites();
    let tables = session.info()?;
    let mut lanes = vec![Vec::new(); tables.lanes.len()];
    let count = round.records.len();
    for record in round.records {
        if let Some(lane) = lanes.get_mut(record.lane as usize) {
            lane.push(record);
        }
    }
    for lane in &mut lanes {
        lane.sort_by_key(|record| record.header.seq.get());
    }
    let bytes = image::build(&tables, &lanes);
    new_file::create(file, &bytes).with_context(|| format!("writing {}", file.display()))?;
    output::say(&format!("{count} records in {} bytes", bytes.len()));
    Ok(Finding::Good)
}

/// Shows the records of a file.
pub fn decode(file: &Path, filter: &Filter, form: Form) -> Result<Finding> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let (tables, lanes) = image::read(&bytes).with_context(|| file.display().to_string())?;
    let mut printer = Printer::new(form);
    let lost: u64 = lanes.iter().map(|lane| lane.overwritten).sum();
    if lost != 0 {
        printer.lost(lost)?;
    }
    let mut records: Vec<_> = lanes.iter().flat_map(|lane| &lane.records).collect();
    records.sort_by_key(|record| record.order());
    print(&mut printer, &tables, records.into_iter(), filter)?;
    let mut finding = Finding::Good;
    for damage in lanes.iter().filter_map(|lane| lane.damage) {
        output::say(&format!("irqlog: {}: {damage}; the rest of that lane cannot be read", file.display()));
        finding = Finding::Bad;
    }
    Ok(finding)
}
