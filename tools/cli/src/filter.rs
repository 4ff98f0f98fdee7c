//! What each command does.

mod doctor;
mod follow;
mod image;
mod providers;
mod selftest;
#[cfg(windows)]
mod service;

use std::collections::VecDeque;

#[cfg(not(windows))]
use anyhow::bail;
use anyhow::{Context, Result, ensure};
use irqlog_reader::{
    event::EventView,
    image::Tables,
    live::LiveLog,
    log::{Item, Log},
    record::Record,
    saved::SavedLog,
    session::Settings,
    text,
    untrusted::Untrusted,
};
use irqlog_wire::{ioctl::MAX_MARK, site::Site};

use crate::{
    Finding, Usage,
    args::{Cli, Command, Filter, Form, IrqlFilter, Place, ServiceAction},
    output::{self, Printer, is_nmi},
    source,
};

/// Runs the command.
pub fn run(cli: &Cli) -> Result<Finding> {
    let form = cli.form();
    match &cli.command {
        Command::Decode { file, filter } => return image::decode(file, filter, form),
        Command::Providers { file: Some(file), sites } => {
            let name = || file.display().to_string();
            let bytes = std::fs::File::open(file).with_context(name)?;
            return providers::run(&mut SavedLog::open(bytes).with_context(name)?, &name(), *sites, form)
                .with_context(name);
        }
        Command::Service { action } => return run_service(action),
        Command::Doctor { facts, recorded } => return doctor::run(recorded.as_deref(), *facts, form),
        _ => {}
    }
    let mut session = source::open(cli.rig.as_deref())?;
    match &cli.command {
        Command::Info => show(form, &session.info()?, output::info_text),
        Command::Stats => show(form, &session.info()?, output::stats_text),
        Command::Read(filter) => read(&mut LiveLog::open(&mut session)?, "driver", filter, form),
        Command::Follow { filter, count } => follow::run(&mut session, filter, *count, form),
        Command::Mark { text, level } => {
            ensure!(text.len() <= MAX_MARK, "the text has {} bytes; a record holds {MAX_MARK}", text.len());
            session.mark(*level, text)?;
            Ok(Finding::Good)
        }
        Command::Clear => {
            session.clear()?;
            Ok(Finding::Good)
        }
        Command::Providers { sites, .. } => providers::run(&mut LiveLog::open(&mut session)?, "driver", *sites, form),
        Command::Configure { provider: Some(provider), level: Some(level), .. } => {
            providers::set_level(&mut session, provider, *level)
        }
        Command::Configure { level, policy, pause, resume, .. } => {
            let paused = if *pause { Some(true) } else { resume.then_some(false) };
            let settings = Settings { level: *level, policy: *policy, paused };
            ensure!(
                level.is_some() || policy.is_some() || paused.is_some(),
                "say what to change: --level, --policy, --pause or --resume"
            );
            session.configure(settings)?;
            Ok(Finding::Good)
        }
        Command::Selftest => selftest::run(&mut session, form),
        Command::Save { file } => image::save(&mut session, file),
        Command::Decode { .. } | Command::Service { .. } | Command::Doctor { .. } => Ok(Finding::Good),
    }
}

#[cfg(windows)]
fn run_service(action: &ServiceAction) -> Result<Finding> {
    service::run(action)
}

#[cfg(not(windows))]
fn run_service(_: &ServiceAction) -> Result<Finding> {
    bail!("there are no Windows services on this system; run this where the driver shall run")
}

fn show(form: Form, tables: &Tables, text: fn(&Tables) -> String) -> Result<Finding> {
    let mut printer = Printer::new(form);
    match form {
        Form::Text => printer.line(text(tables).trim_end())?,
        Form::Json => printer.json(output::info_json(tables))?,
    }
    Ok(Finding::Good)
}

/// Shows the records of a log that pass, and what is missing between them; says on standard error what cannot be read.
fn read(log: &mut impl Log, source: &str, filter: &Filter, form: Form) -> Result<Finding> {
    check_names(filter, log.tables())?;
    let mut printer = Printer::new(form);
    let mut last = filter.last.map(Last::new);
    while let Some(item) = log.next()? {
        if !passes_item(filter, log.tables(), &item) {
            continue;
        }
        match &mut last {
            Some(last) => last.push(item),
            None => printer.item(log.tables(), &item)?,
        }
    }
    for item in last.into_iter().flat_map(|last| last.items) {
        printer.item(log.tables(), &item)?;
    }
    printer.flush()?;
    Ok(tell_faults(log, source))
}

/// Refuses a filter that names what the log does not have: it would match nothing, and nobody would know why.
fn check_names(filter: &Filter, tables: &Tables) -> Result<(), Usage> {
    let processors = tables.header.processor_count.get();
    if let Some(unknown) = filter.cpu.iter().find(|&&cpu| u32::from(cpu) >= processors) {
        let last = processors.saturating_sub(1);
        return Err(Usage(format!("there is no processor {unknown} in this log; its processors are 0 to {last}")));
    }
    let providers = tables.sites.providers();
    if let Some(unknown) = filter.provider.iter().find(|name| providers.iter().all(|known| known.name != ***name)) {
        return Err(providers::unknown(unknown, &tables.sites));
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

/// Says on standard error what could not be read; `source` is the file's name.
fn tell_faults(log: &impl Log, source: &str) -> Finding {
    for fault in log.faults() {
        output::say(&format!("irqlog: {source}: {fault}"));
    }
    if log.faults().is_empty() { Finding::Good } else { Finding::Bad }
}

/// The last records of a log, and what is missing between them.
struct Last {
    wanted: usize,
    records: usize,
    items: VecDeque<Item>,
}

impl Last {
    const fn new(wanted: usize) -> Self {
        Self { wanted, records: 0, items: VecDeque::new() }
    }

    fn push(&mut self, item: Item) {
        self.records += usize::from(matches!(item, Item::Record(_)));
        self.items.push_back(item);
        while self.records > self.wanted {
            let is_record = self.items.pop_front().is_some_and(|item| matches!(item, Item::Record(_)));
            self.records -= usize::from(is_record);
        }
    }
}

/// Whether an item is wanted, but for `--last`. What is missing is always told.
fn passes_item(filter: &Filter, tables: &Tables, item: &Item) -> bool {
    match item {
        Item::Record(record) => passes(filter, tables, record),
        Item::Loss(_) => true,
    }
}

/// Whether a record is wanted, but for `--last`.
fn passes(filter: &Filter, tables: &Tables, record: &Record) -> bool {
    let header = &record.header;
    let nmi = is_nmi(tables, record.lane);
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
        && filter.grep.as_ref().is_none_or(|wanted| wanted.is_match(&text::message(tables, record)))
}

/// Whether a path ends with those components.
fn is_path_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/') || end.starts_with('/'))
}
