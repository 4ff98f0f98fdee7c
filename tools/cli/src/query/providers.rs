//! `providers`: the drivers that log events.

use std::collections::BTreeMap;

use anyhow::Result;
use irqlog_reader::{
    log::Item,
    sites::{Provider, SiteTable},
    untrusted::Untrusted,
};
use irqlog_wire::record::{Kind, Level};
use serde_json::json;

use crate::{args::Form, output::Printer, source::OpenLog};

/// Shows the providers of a log, with the number of records of each.
pub fn run(log: &mut OpenLog, with_sites: bool, form: Form) -> Result<()> {
    let mut by_site: BTreeMap<u32, u64> = BTreeMap::new();
    while let Some(item) = log.next()? {
        if let Item::Record(record) = item
            && record.header.kind == Kind::Event.0
        {
            *by_site.entry(record.header.site.get()).or_default() += 1;
        }
    }
    let tables = log.tables();
    show(&tables.sites, tables.header.refused_providers.get(), &by_site, with_sites, form)
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
