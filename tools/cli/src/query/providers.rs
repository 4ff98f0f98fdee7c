//! `providers`: the drivers that log events.

use std::collections::BTreeMap;

use anyhow::Result;
use irqlog_reader::log::{Item, Log};
use irqlog_shown::providers::{HEADING, ShownProvider, ShownRefusals, ShownSite};
use irqlog_wire::record::Kind;

use crate::{args::Form, output::Printer};

/// Shows the providers of a log, each with its number of records; and their sites, if they are wanted.
pub fn run(log: &mut impl Log, with_sites: bool, form: Form) -> Result<()> {
    let by_site = count(log)?;
    let records_of = |site: u32| by_site.get(&site).copied().unwrap_or_default();
    let tables = log.tables();
    let mut printer = Printer::new(form);
    printer.heading(HEADING)?;
    for provider in tables.sites.providers() {
        let records = tables.sites.sites_of(provider).map(|(site, _)| records_of(site)).sum();
        printer.show(&ShownProvider::new(provider, records))?;
        if with_sites {
            for (id, site) in tables.sites.sites_of(provider) {
                printer.show(&ShownSite::new(provider, id, &site, records_of(id)))?;
            }
        }
    }
    match tables.header.refused_providers.get() {
        0 => printer.flush(),
        refused => printer.show(&ShownRefusals { refused }),
    }
}

/// Reads the log to its end, and counts the events of each site.
fn count(log: &mut impl Log) -> Result<BTreeMap<u32, u64>> {
    let mut by_site: BTreeMap<u32, u64> = BTreeMap::new();
    while let Some(item) = log.next()? {
        if let Item::Record(record) = item
            && record.header.kind == Kind::Event.0
        {
            *by_site.entry(record.header.site.get()).or_default() += 1;
        }
    }
    // Which sites are equal is known at the end, as the table of a running driver grows.
    let table = &log.tables().sites;
    Ok(by_site.into_iter().fold(BTreeMap::new(), |mut all, (site, records)| {
        *all.entry(table.first_equal(site)).or_default() += records;
        all
    }))
}
