//! Names that the log does not have: refused, with some of those that it has.

use irqlog_reader::{image::Tables, sites::SiteTable};
use irqlog_wire::site::Site;
use thiserror::Error;

use crate::options::{Filter, Place};

/// The command line names a provider, site or processor that is not there. Its text lists some that are.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UnknownName(String);

/// Refuses a filter that names what the log does not have: it would match nothing, and nobody would know why.
pub fn check_names(filter: &Filter, tables: &Tables) -> Result<(), UnknownName> {
    let processors = tables.header.processor_count.get();
    if let Some(unknown) = filter.cpu.iter().map(|cpus| *cpus.0.end()).find(|&cpu| u32::from(cpu) >= processors) {
        let last = processors.saturating_sub(1);
        return Err(UnknownName(format!(
            "there is no processor {unknown} in this log; its processors are 0 to {last}"
        )));
    }
    let providers = tables.sites.providers();
    for wanted in &filter.provider {
        if !providers.iter().any(|known| wanted.matches(known.name.raw())) {
            return Err(unknown_provider(wanted.text(), &tables.sites));
        }
    }
    let sites = || providers.iter().flat_map(|provider| tables.sites.sites_of(provider)).map(|(_, site)| site);
    match &filter.site {
        Some(place) if !sites().any(|site| is_at(&site, place)) => Err(unknown_site(place, sites())),
        _ => Ok(()),
    }
}

/// Whether a site is at that place.
pub(crate) fn is_at(site: &Site<'_>, place: &Place) -> bool {
    place.line.is_none_or(|line| site.header.line.get() == line) && place.file.matches(&path(site))
}

/// Path of a site's source file, so that the end of it can be compared.
fn path(site: &Site<'_>) -> String {
    format!("/{}", String::from_utf8_lossy(site.file).replace('\\', "/"))
}

/// The most names that an error lists.
const SOME: usize = 20;

/// A name that no provider has, with some of those that there are.
pub fn unknown_provider(name: &str, table: &SiteTable) -> UnknownName {
    let known: Vec<_> = table.providers().iter().map(|provider| provider.name.raw().to_owned()).collect();
    UnknownName(match list(known) {
        None => format!("there is no provider {name}; no driver has registered one"),
        Some(list) => format!("there is no provider {name}; there are: {list}"),
    })
}

/// A place at which no site is, with the lines of its file, or with the files that there are.
fn unknown_site<'s>(place: &Place, sites: impl Iterator<Item = Site<'s>>) -> UnknownName {
    let sites: Vec<_> = sites.map(|site| (path(&site), site.header.line.get())).collect();
    let mut lines: Vec<_> = sites.iter().filter(|(path, _)| place.file.matches(path)).map(|(_, line)| *line).collect();
    lines.sort_unstable();
    let file = place.file.text().trim_start_matches("*/");
    let hint = "; `irqlog providers --sites` shows all";
    if let (Some(line), Some(lines)) = (place.line, list(lines.iter().map(u32::to_string).collect())) {
        return UnknownName(format!(
            "there is no site {file}:{line}; lines of that file with sites are: {lines}{hint}"
        ));
    }
    let mut files: Vec<_> = sites.into_iter().map(|(path, _)| path.trim_start_matches('/').to_owned()).collect();
    files.sort();
    UnknownName(match list(files) {
        None => format!("there is no site in {file}; no driver has registered one"),
        Some(files) => format!("there is no site in {file}; files with sites are: {files}{hint}"),
    })
}

/// Different names in a row, as many as a person reads; `None` if there are none.
fn list(mut names: Vec<String>) -> Option<String> {
    names.dedup();
    let more = names.len().saturating_sub(SOME);
    names.truncate(SOME);
    let list = names.join(", ");
    match (names.len(), more) {
        (0, _) => None,
        (_, 0) => Some(list),
        _ => Some(format!("{list}, and {more} more")),
    }
}
