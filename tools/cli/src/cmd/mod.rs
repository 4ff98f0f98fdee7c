//! What each command does.

mod doctor;
mod follow;
mod image;
mod providers;
mod selftest;
#[cfg(windows)]
mod service;

#[cfg(not(windows))]
use anyhow::bail;
use anyhow::{Result, ensure};
use irqlog_reader::{
    event::EventView,
    follow::Follower,
    image::Tables,
    record::{Content, Record},
    session::{Session, Settings, Source},
    untrusted::Untrusted,
};
use irqlog_wire::ioctl::MAX_MARK;

use crate::{
    Finding,
    args::{Cli, Command, Filter, Form, IrqlFilter, Place, ServiceAction},
    output::{self, Printer, is_nmi},
    source,
};

/// Runs the command.
pub fn run(cli: &Cli) -> Result<Finding> {
    let form = cli.form();
    match &cli.command {
        Command::Decode { file, filter } => return image::decode(file, filter, form),
        Command::Providers { file: Some(file), sites } => return providers::of_file(file, *sites, form),
        Command::Service { action } => return run_service(action),
        Command::Doctor { facts, recorded } => return doctor::run(recorded.as_deref(), *facts, form),
        _ => {}
    }
    let mut session = source::open(cli.rig.as_deref())?;
    match &cli.command {
        Command::Info => show(form, &session.info()?, output::info_text),
        Command::Stats => show(form, &session.info()?, output::stats_text),
        Command::Read(filter) => read(&mut session, filter, form),
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
        Command::Providers { sites, .. } => providers::live(&mut session, *sites, form),
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

fn read(session: &mut Session<impl Source>, filter: &Filter, form: Form) -> Result<Finding> {
    let round = Follower::new(session.info()?.present()).round(session, false)?;
    // Behind the records: every site that they name is in the table then.
    let tables = session.info()?;
    let mut printer = Printer::new(form);
    if round.lost != 0 {
        printer.lost(round.lost)?;
    }
    print(&mut printer, &tables, round.records.iter(), filter)?;
    Ok(Finding::Good)
}

/// Shows the records that pass.
fn print<'r>(
    printer: &mut Printer,
    tables: &Tables,
    records: impl Iterator<Item = &'r Record>,
    filter: &Filter,
) -> Result<()> {
    let wanted: Vec<_> = records.filter(|record| passes(filter, tables, record)).collect();
    let skip = filter.last.map_or(0, |last| wanted.len().saturating_sub(last));
    for record in &wanted[skip..] {
        printer.record(tables, record)?;
    }
    printer.flush()
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
    let is_at = |place: &Place| {
        event.as_ref().and_then(|event| event.site).is_some_and(|site| {
            let file = String::from_utf8_lossy(site.file).replace('\\', "/");
            site.header.line.get() == place.line && is_path_end(&file, &place.file)
        })
    };
    (filter.provider.is_empty() || event.as_ref().and_then(|event| event.provider).is_some_and(has_provider))
        && filter.site.as_ref().is_none_or(is_at)
        && filter.grep.as_ref().is_none_or(|wanted| match (&event, record.content()) {
            (Some(event), _) => wanted.is_match(event.text().raw()),
            (None, Content::Text(text)) => wanted.is_match(text.raw()),
            _ => false,
        })
}

/// Whether a path ends with those components.
fn is_path_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/') || end.starts_with('/'))
}
