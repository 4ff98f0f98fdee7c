//! Which records of a log are shown: the options of `read`, `decode` and `follow`.

use std::collections::VecDeque;

use irqlog_reader::{
    event::EventView, image::Tables, log::Item, record::Record, shown::record::ShownRecord, sites::SiteTable, text,
    untrusted::Untrusted,
};
use irqlog_wire::{record::flags, site::Site};

use crate::{
    args::{Filter, IrqlFilter, Place},
    exit::Usage,
};

/// Refuses a filter that names what the log does not have: it would match nothing, and nobody would know why.
pub fn check_names(filter: &Filter, tables: &Tables) -> Result<(), Usage> {
    let processors = tables.header.processor_count.get();
    if let Some(unknown) = filter.cpu.iter().find(|&&cpu| u32::from(cpu) >= processors) {
        let last = processors.saturating_sub(1);
        return Err(Usage(format!("there is no processor {unknown} in this log; its processors are 0 to {last}")));
    }
    let providers = tables.sites.providers();
    if let Some(unknown) = filter.provider.iter().find(|name| providers.iter().all(|known| known.name != ***name)) {
        return Err(unknown_provider(unknown, &tables.sites));
    }
    let is_there = |place: &Place| {
        let mut sites = providers.iter().flat_map(|provider| tables.sites.sites_of(provider));
        sites.any(|(_, site)| is_at(&site, place))
    };
    match &filter.site {
        Some(place) if !is_there(place) => Err(Usage(format!(
            "there is no site {}:{}; `irqlog providers --sites` shows those that there are",
            place.file, place.line
        ))),
        _ => Ok(()),
    }
}

/// Whether a site is at that place.
fn is_at(site: &Site<'_>, place: &Place) -> bool {
    let file = String::from_utf8_lossy(site.file).replace('\\', "/");
    site.header.line.get() == place.line && is_path_end(&file, &place.file)
}

/// A name that no provider has, with some of those that there are.
pub fn unknown_provider(name: &str, table: &SiteTable) -> Usage {
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

/// The last records of a log, and what is missing between them.
pub struct Last {
    wanted: usize,
    records: usize,
    pub items: VecDeque<Item>,
}

impl Last {
    pub const fn new(wanted: usize) -> Self {
        Self { wanted, records: 0, items: VecDeque::new() }
    }

    pub fn push(&mut self, item: Item) {
        self.records += usize::from(matches!(item, Item::Record(_)));
        self.items.push_back(item);
        while self.records > self.wanted {
            let is_record = self.items.pop_front().is_some_and(|item| matches!(item, Item::Record(_)));
            self.records -= usize::from(is_record);
        }
    }
}

/// Whether an item is wanted, but for `--last`. What is missing is always told.
pub fn passes_item(filter: &Filter, tables: &Tables, item: &Item) -> bool {
    match item {
        Item::Record(record) => passes(filter, tables, record),
        Item::Loss(_) => true,
    }
}

/// Whether a record is wanted, but for `--last`.
fn passes(filter: &Filter, tables: &Tables, record: &Record) -> bool {
    let header = &record.header;
    let nmi = tables.is_nmi(record.lane) || record.has(flags::NEVER_WAITS);
    filter.level.is_none_or(|level| header.level <= level.0)
        && (filter.cpu.is_empty() || filter.cpu.contains(&header.processor.get()))
        && (filter.irql.is_empty()
            || filter.irql.iter().any(|wanted| match *wanted {
                IrqlFilter::Nmi => nmi,
                IrqlFilter::Levels(low, high) => (low..=high).contains(&header.irql),
            }))
        && filter.since.is_none_or(|since| tables.seconds(header.tick.get()) >= since)
        && passes_by_text(filter, tables, record)
}

/// Whether what it says is wanted.
fn passes_by_text(filter: &Filter, tables: &Tables, record: &Record) -> bool {
    if filter.provider.is_empty() && filter.site.is_none() && filter.grep.is_none() {
        return true;
    }
    let event = EventView::of(tables, record);
    let has_provider = |name: Untrusted<&str>| filter.provider.iter().any(|wanted| name == **wanted);
    (filter.provider.is_empty() || event.as_ref().and_then(|event| event.provider).is_some_and(has_provider))
        && filter
            .site
            .as_ref()
            .is_none_or(|place| event.as_ref().and_then(|event| event.site).is_some_and(|site| is_at(&site, place)))
        && filter.grep.as_ref().is_none_or(|wanted| wanted.is_match(&text::message(&ShownRecord::new(tables, record))))
}

/// Whether a path ends with those components.
fn is_path_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/') || end.starts_with('/'))
}
