//! `providers`: the drivers that log events; and the level of one.

use std::collections::BTreeMap;

use anyhow::Result;
use irqlog_reader::{
    log::{Item, Log},
    session::{Session, Source},
    sites::{Provider, SiteTable},
    untrusted::Untrusted,
};
use irqlog_wire::record::{Kind, Level};
use serde_json::json;

use crate::{Finding, Usage, args::Form, cmd::tell_faults, output::Printer};

/// Shows those of a log.
pub fn run(log: &mut impl Log, source: &str, with_sites: bool, form: Form) -> Result<Finding> {
    let mut by_site: BTreeMap<u32, u64> = BTreeMap::new();
    while let Some(item) = log.next()? {
        if let Item::Record(record) = item
            && record.header.kind == Kind::Event.0
        {
            *by_site.entry(record.header.site.get()).or_default() += 1;
        }
    }
    let tables = log.tables();
    show(&tables.sites, tables.header.refused_providers.get(), &by_site, with_sites, form)?;
    Ok(tell_faults(log, source))
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

fn show(table: &SiteTable, refused: u64, by_site: &BTreeMap<u32, u64>, with_sites: bool, form: Form) -> Result<()> {
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
            show_sites(&mut printer, table, provider, by_site, form)?;
        }
    }
    if refused != 0 {
        match form {
            Form::Text => printer.line(&format!("{refused} registrations were refused: the log says why"))?,
            Form::Json => printer.json(json!({ "refused": refused }))?,
        }
    }
    Ok(())
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
