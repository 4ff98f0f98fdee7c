//! `follow`: records as they are written.
//!
//! Between rounds the command waits in the driver (WAIT) until something is written beyond what it has read. So it
//! neither spins nor misses a record: what was overwritten meanwhile is told as a loss. While records are held back for
//! their order, it comes back after a moment instead of waiting.
//!
//! With `--until-match` the command ends at a record, and with `--pause` it pauses writing the moment that it has read it:
//! what is in the ring then stays there. Between the write of that record and the pause other records may be written.
//!
//! Ctrl-C cancels the request that is under way. Then a last round shows what was written up to that moment, records
//! that were held back among it, and the command ends. A second Ctrl-C ends the process at once.

use std::{convert::Infallible, path::Path, time::Duration};

use anyhow::Result;
use irqlog_filter::{
    checkpoint::Resume,
    names::check_names,
    options::Filter,
    selection::{Last, RecordSelection, Selected},
};
use irqlog_reader::{
    follow::Follower,
    image::Tables,
    live::is_of_unknown_site,
    log::Item,
    session::{Session, SessionError, Settings, Source},
};
use irqlog_shown::{record::ShownRecord, text};
use jiff::Timestamp;
use regex::Regex;

use crate::{
    args::{Form, Look},
    cursor_file::CursorFile,
    exit::{Exit, session_error},
    output::{self, Printer},
    source,
};

/// How long records may be held back.
const HOLD: Duration = Duration::from_millis(10);

/// When the command ends by itself, and what it does then.
#[derive(Clone, Copy)]
pub struct End<'e> {
    /// After that number of records.
    pub count: Option<u64>,
    /// After the first record that is shown and matches.
    pub matches: Option<&'e Regex>,
    /// Pause writing when a record has matched.
    pub pauses: bool,
}

/// Runs until Ctrl-C, or until its end.
pub fn run(
    session: &mut Session<impl Source>,
    filter: &Filter,
    look: Look,
    (end, cursor): (End<'_>, Option<&Path>),
    form: Form,
) -> Result<Exit> {
    source::stop_on_ctrl_c()?;
    output::when_reader_has_gone(source::stop);
    let tables = session.info()?;
    // It may come yet.
    if let Err(unknown) = check_names(filter, &tables) {
        output::say(&format!("irqlog: {unknown}; waiting for it"));
    }
    let now = || Ok::<_, Infallible>(tables.seconds_of_utc(Timestamp::now().as_nanosecond()));
    let Ok(selection) = RecordSelection::new(filter, &tables, now);
    let cursor = cursor.map(|cursor| CursorFile::open(cursor, &tables)).transpose()?;
    let mut follow = Follow {
        selection,
        follower: Follower::new(tables.present()),
        tables,
        printer: Printer::of_records(form, look)?,
        left: end.count.unwrap_or(u64::MAX),
        end,
        has_matched: false,
        last: filter.last.map(Last::new),
        put_back: None,
        cursor,
    };
    match follow.rounds(session) {
        Err(error) if matches!(session_error(&error), Some(SessionError::Cancelled)) => {
            source::go_on()?;
            follow.last_round(session)?;
        }
        done => done?,
    }
    Ok(source::report_faults(source::DRIVER, &follow.follower.faults()))
}

/// What is followed, and what of it is shown.
struct Follow<'f> {
    selection: RecordSelection<'f>,
    follower: Follower,
    tables: Tables,
    printer: Printer,
    /// Number of records that may still be shown.
    left: u64,
    end: End<'f>,
    /// The record at which the command ends was there.
    has_matched: bool,
    /// `--last` is about what is there at the start: it ends with the first round.
    last: Option<Last>,
    /// An item of the round that comes before the follower's next one.
    put_back: Option<Item>,
    /// How far the log was given, and the file that says so.
    cursor: Option<(CursorFile, Resume)>,
}

impl Follow<'_> {
    /// Shows round after round, until enough records were shown.
    fn rounds(&mut self, session: &mut Session<impl Source>) -> Result<()> {
        while self.goes_on() {
            self.follower.begin();
            self.round(session)?;
            if !self.goes_on() {
                break;
            }
            if self.follower.holds() {
                std::thread::sleep(HOLD);
            } else {
                session.wait(self.follower.seen())?;
            }
            // A processor may be added meanwhile; its lane is new, and its records are there in the next round.
            self.tables = session.info()?;
            self.follower.refresh(self.tables.present());
        }
        Ok(())
    }

    const fn goes_on(&self) -> bool {
        self.left != 0 && !self.has_matched
    }

    /// Whether the command ends at this record; then writing is paused, if that was asked for.
    fn ends_at(&self, session: &mut Session<impl Source>, selected: &Selected) -> Result<bool> {
        let (Some(matches), Selected::Item(Item::Record(record))) = (self.end.matches, selected) else {
            return Ok(false);
        };
        if !matches.is_match(&text::message(&ShownRecord::new(&self.tables, record))) {
            return Ok(false);
        }
        if self.end.pauses {
            session.configure(Settings { paused: Some(true), ..Settings::default() })?;
            output::say("irqlog: writing is paused; `irqlog configure --resume` lets it go on");
        }
        Ok(true)
    }

    /// Shows what was written up to now, and what is missing at the end.
    fn last_round(&mut self, session: &mut Session<impl Source>) -> Result<()> {
        self.tables = session.info()?;
        self.follower.begin_last(self.tables.present());
        self.round(session)?;
        let mut ready = Vec::new();
        self.selection.end(|selected| ready.push(selected));
        ready.iter().try_for_each(|selected| self.show(selected))?;
        self.flush()
    }

    /// Shows what this round gives.
    fn round(&mut self, session: &mut Session<impl Source>) -> Result<()> {
        let mut is_fresh = false;
        while self.goes_on()
            && let Some(item) = self.next(session)?
        {
            if !is_fresh && matches!(&item, Item::Record(record) if is_of_unknown_site(&self.tables, record)) {
                // Asked for after the record was read, so its site is in the table. The item stays if this is cancelled.
                self.put_back = Some(item);
                self.tables = session.info()?;
                is_fresh = true;
                continue;
            }
            let mut ready = Vec::new();
            self.selection.take(&self.tables, item, |selected| ready.push(selected));
            for selected in ready {
                self.has_matched = self.ends_at(session, &selected)?;
                match &mut self.last {
                    Some(last) => last.push(selected),
                    None => self.show(&selected)?,
                }
                if self.has_matched {
                    break;
                }
            }
        }
        let items = self.last.take().into_iter().flat_map(|last| last.items);
        for selected in items.skip_while(|selected| *selected == Selected::Gap) {
            self.show(&selected)?;
        }
        self.flush()
    }

    /// Hands on what was shown, and then notes how far the log was given.
    fn flush(&mut self) -> Result<()> {
        self.printer.flush()?;
        match &mut self.cursor {
            Some((file, resume)) => file.write(resume),
            None => Ok(()),
        }
    }

    /// The next item of this round.
    fn next(&mut self, session: &mut Session<impl Source>) -> Result<Option<Item>> {
        if let Some(item) = self.put_back.take() {
            return Ok(Some(item));
        }
        while let Some(item) = self.follower.next(session)? {
            let new = match &mut self.cursor {
                Some((_, resume)) => resume.take(&self.tables, item),
                None => Some(item),
            };
            if new.is_some() {
                return Ok(new);
            }
        }
        Ok(None)
    }

    /// Shows an item, unless enough records were shown.
    fn show(&mut self, selected: &Selected) -> Result<()> {
        if self.left != 0 {
            self.printer.selected(&self.tables, selected)?;
            self.left -= u64::from(matches!(selected, Selected::Item(Item::Record(_))));
        }
        Ok(())
    }
}
