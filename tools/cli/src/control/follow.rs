//! `follow`: records as they are written.
//!
//! It neither spins nor misses: between rounds it waits in the driver (WAIT) until something is written beyond what it
//! has read, and what was overwritten meanwhile is counted and said. Records that are held back for their order bring
//! it back after a moment without waiting.

use std::time::Duration;

use anyhow::Result;
use irqlog_reader::{
    follow::Follower,
    image::Tables,
    live::is_of_unknown_site,
    log::Item,
    session::{Session, SessionError, Source},
};

use crate::{
    args::{Filter, Form},
    exit::Exit,
    filter::{Last, check_names, passes_item},
    output::{self, Printer},
    source,
};

/// How long records may be held back.
const HOLD: Duration = Duration::from_millis(10);

/// Runs until Ctrl-C, or until `count` records were shown.
pub fn run(session: &mut Session<impl Source>, filter: &Filter, count: Option<u64>, form: Form) -> Result<Exit> {
    source::stop_on_ctrl_c()?;
    output::when_reader_has_gone(source::stop);
    match follow(session, filter, count, form) {
        Err(error) if matches!(error.downcast_ref(), Some(SessionError::Cancelled)) => Ok(Exit::Done),
        result => result,
    }
}

fn follow(session: &mut Session<impl Source>, filter: &Filter, count: Option<u64>, form: Form) -> Result<Exit> {
    let mut tables = session.info()?;
    let mut follower = Follower::new(tables.present());
    // It may come yet.
    if let Err(unknown) = check_names(filter, &tables) {
        output::say(&format!("irqlog: {unknown}; waiting for it"));
    }
    let mut printer = Printer::new(form);
    let mut left = count.unwrap_or(u64::MAX);
    // `--last` is about what is there at the start.
    let mut last = filter.last.map(Last::new);
    while left != 0 {
        follower.begin();
        let mut is_fresh = false;
        while let Some(item) = follower.next(session)? {
            if !is_fresh && matches!(&item, Item::Record(record) if is_of_unknown_site(&tables, record)) {
                // Behind the record: its site is in the table then.
                tables = session.info()?;
                is_fresh = true;
            }
            if !passes_item(filter, &tables, &item) {
                continue;
            }
            match &mut last {
                Some(last) => last.push(item),
                None => show(&mut printer, &tables, &item, &mut left)?,
            }
            if left == 0 {
                break;
            }
        }
        for item in last.take().into_iter().flat_map(|last| last.items) {
            show(&mut printer, &tables, &item, &mut left)?;
        }
        printer.flush()?;
        if left == 0 {
            break;
        }
        if follower.holds() {
            std::thread::sleep(HOLD);
        } else {
            session.wait(follower.seen())?;
        }
        // A processor may come while we follow; its lane is new, and what it has is there in the next round.
        tables = session.info()?;
        follower.refresh(tables.present());
    }
    Ok(Exit::Done)
}

/// Shows an item, unless enough records were shown.
fn show(printer: &mut Printer, tables: &Tables, item: &Item, left: &mut u64) -> Result<()> {
    if *left != 0 {
        printer.item(tables, item)?;
        *left -= u64::from(matches!(item, Item::Record(_)));
    }
    Ok(())
}
