//! Commands that need the running driver: they change it, or wait in it.

mod follow;
mod next_start;
mod selftest;

use anyhow::{Result, ensure};
use irqlog_filter::{names::unknown_provider, options::NamePattern};
use irqlog_reader::session::{Session, Settings, Source};
use irqlog_wire::{ioctl::MAX_MARK, record::Level};

use crate::{
    args::{Control, Form},
    exit::Exit,
    source,
};

/// Runs the command.
pub fn run(command: &Control, rig: Option<&source::Rig>, form: Form) -> Result<Exit> {
    if let Control::Configure { next_start: Some(assignments), .. } = command {
        return next_start::run(assignments, rig, form);
    }
    let mut session = source::open_driver(rig)?;
    match command {
        Control::Follow { filter, look, count, cursor_file, until_match, pause, .. } => {
            let end = follow::End { count: *count, matches: until_match.as_ref(), pauses: *pause };
            return follow::run(&mut session, filter, *look, (end, cursor_file.as_deref()), form);
        }
        Control::Selftest => return selftest::run(&mut session, form),
        Control::Mark { text, level } => {
            ensure!(text.len() <= MAX_MARK, "the text has {} bytes; a record holds {MAX_MARK}", text.len());
            session.mark(*level, text)?;
        }
        Control::Clear => session.clear()?,
        Control::Configure { provider: Some(provider), level: Some(level), .. } => {
            set_level(&mut session, provider, *level)?;
        }
        Control::Configure { level, policy, pause, resume, raw_pointers, .. } => {
            let paused = if *pause { Some(true) } else { resume.then_some(false) };
            let settings = Settings { level: *level, policy: *policy, paused, raw_pointers: *raw_pointers };
            ensure!(
                level.is_some() || policy.is_some() || paused.is_some() || *raw_pointers,
                "say what to change: --level, --policy, --pause, --resume, --raw-pointers or --next-start"
            );
            session.configure(settings)?;
        }
    }
    Ok(Exit::Done)
}

/// Changes the level of every table whose name is meant: more versions of a driver than one may be loaded.
fn set_level(session: &mut Session<impl Source>, name: &NamePattern, level: Level) -> Result<()> {
    let tables = session.info()?;
    let (start_id, table) = (tables.header.start_id.get(), &tables.sites);
    let mut found = table.providers().iter().filter(|provider| name.matches(provider.name.raw())).peekable();
    if found.peek().is_none() {
        return Err(unknown_provider(name.text(), table).into());
    }
    for provider in found {
        session.set_provider_level(start_id, provider.first_site, level)?;
    }
    Ok(())
}
