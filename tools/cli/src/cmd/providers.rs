//! `providers`: the drivers that log events; and the level of one.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use irqlog_reader::{
    follow::Follower,
    image::{self, Tables},
    record::Record,
    session::{Session, Source},
    sites::{Provider, SiteTable},
    untrusted::Untrusted,
};
use irqlog_wire::record::{Kind, Level};
use serde_json::json;

use crate::{Finding, Usage, args::Form, output::Printer};

/// Shows those of the running driver.
pub fn live(session: &mut Session<impl Source>, sites: bool, form: Form) -> Result<Finding> {
    let round = Follower::new(session.info()?.present()).round(session, false)?;
    // Behind the records: every site that they name is in the table then, and levels and counts are as they are now.
    session.forget_sites();
    let tables = session.info()?;
    show(&tables.sites, tables.header.refused_providers.get(), round.records.iter(), sites, form)
}

/// Shows those of a saved log.
pub fn of_file(file: &Path, sites: bool, form: Form) -> Result<Finding> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let (tables, lanes): (Tables, _) = image::read(&bytes).with_context(|| file.display().to_string())?;
    let records = lanes.iter().flat_map(|lane| &lane.records);
    show(&tables.sites, tables.header.refused_providers.get(), records, sites, form)
}

/// Changes the level of every table of that name: more versions of a driver than one may be loaded.
pub fn set_level(session: &mut Session<impl Source>, name: &str, level: Level) -> Result<Finding> {
    let tables = session.info()?;
    let (start_id, table) = (tables.header.start_id.get(), &tables.sites);
    let mut found = table.providers().iter().filter(|provider| provider.name == name).peekable();
    if found.peek().is_none() {
        return Err(unknown(name, table).into());
    }
    for provider in found {
        session.set_provider_level(start_id, provider.entry, level)?;
    }
    Ok(Finding::Good)
}

/// A name that no provider has, with some of those that there are.
pub fn unknown(name: &str, table: &SiteTable) -> Usage {
    const SOME: usize = 20;
    let all = table.providers();
    let mut known: Vec<_> = all.iter().take(SOME).map(|provider| provider.name.raw()).collect();
    known.dedup();
    Usage(match all.len() {
        0 => format!("there is no provider {name}; no driver has registered one"),
        1..=SOME => format!("there is no provider {name}; there are: {}", known.join(", ")),
        count => format!("there is no provider {name}; there are: {}, and {} more", known.join(", "), count - SOME),
    })
}

fn show<'r>(
    table: &SiteTable,
    refused: u64,
    records: impl Iterator<Item = &'r Record>,
    with_sites: bool,
    form: Form,
) -> Result<Finding> {
    let mut by_site: BTreeMap<u32, u64> = BTreeMap::new();
    for record in records.filter(|record| record.header.kind == Kind::Event.0) {
        *by_site.entry(record.header.site.get()).or_default() += 1;
    }
    let mut printer = Printer::new(form);
    if form == Form::Text {
        printer.line("provider              level  drivers  loads  sites  records")?;
    }
    for provider in table.providers() {
        let records = table.sites_of(provider).filter_map(|(id, _)| by_site.get(&id)).sum();
        let level = provider.level.name().map_or_else(|| provider.level.0.to_string(), str::to_owned);
        match form {
            Form::Text => printer.line(&line(provider, records))?,
            Form::Json => printer.json(json!({
                "provider": provider.name.raw(), "level": level, "drivers": provider.registered,
                "loads": provider.registrations, "sites": provider.sites, "records": records,
            }))?,
        }
        if with_sites {
            show_sites(&mut printer, table, provider, &by_site, form)?;
        }
    }
    if refused != 0 {
        match form {
            Form::Text => printer.line(&format!("{refused} registrations were refused: the log says why"))?,
            Form::Json => printer.json(json!({ "refused": refused }))?,
        }
    }
    Ok(Finding::Good)
}

fn line(provider: &Provider, records: u64) -> String {
    let Provider { name, level, registered, registrations, sites, .. } = provider;
    let level = level.name().unwrap_or("?");
    format!("{name:20}  {level:5}  {registered:7}  {registrations:5}  {sites:5}  {records:7}")
}

fn show_sites(
    printer: &mut Printer,
    table: &SiteTable,
    provider: &Provider,
    by_site: &BTreeMap<u32, u64>,
    form: Form,
) -> Result<()> {
    for (id, site) in table.sites_of(provider) {
        let records = by_site.get(&id).copied().unwrap_or_default();
        let [format, module, file] = [site.format, site.module, site.file].map(Untrusted::lossy);
        let (level, number) = (Level(site.header.level).name().unwrap_or("?"), site.header.line);
        match form {
            Form::Text => printer.line(&format!("  {file}:{number:<5} {level:5} {records:7}  {format:?}"))?,
            Form::Json => printer.json(json!({
                "site": id, "provider": provider.name.raw(), "level": level, "module": module.raw(), "file": file.raw(),
                "line": number.get(), "format": format.raw(), "records": records,
            }))?,
        }
    }
    Ok(())
}
