//! `follow`: records as they are written.
//!
//! It neither spins nor misses: between rounds it waits in the driver (WAIT) until something is written beyond what it
//! has read, and what was overwritten meanwhile is counted and said. Records that are held back for their order bring
//! it back after a moment without waiting.

use std::time::Duration;

use anyhow::Result;
use irqlog_reader::{
    follow::Follower,
    session::{Session, SessionError, Source},
};

use crate::{
    Finding,
    args::{Filter, Form},
    cmd::{check_names, passes},
    output::{self, Printer},
    source,
};

/// How long records may be held back.
const HOLD: Duration = Duration::from_millis(10);

/// Runs until Ctrl-C, or until `count` records were shown.
pub fn run(session: &mut Session<impl Source>, filter: &Filter, count: Option<u64>, form: Form) -> Result<Finding> {
    source::stop_on_ctrl_c()?;
    output::when_reader_has_gone(source::stop);
    match follow(session, filter, count, form) {
        Err(error) if matches!(error.downcast_ref(), Some(SessionError::Cancelled)) => Ok(Finding::Good),
        result => result,
    }
}

fn follow(session: &mut Session<impl Source>, filter: &Filter, count: Option<u64>, form: Form) -> Result<Finding> {
    let mut tables = session.info()?;
    let mut follower = Follower::new(tables.present());
    // It may come yet.
    if let Err(unknown) = check_names(filter, &tables) {
        output::say(&format!("irqlog: {unknown}; waiting for it"));
    }
    let mut printer = Printer::new(form);
    let mut left = count.unwrap_or(u64::MAX);
    let mut is_first = true;
    while left != 0 {
        let round = follower.round(session, true)?;
        // A processor may come while we follow; its lane is new, and what it has is there in the next round.
        tables = session.info()?;
        follower.refresh(tables.present());
        if round.lost != 0 {
            printer.lost(round.lost)?;
        }
        let mut wanted: Vec<_> = round.records.iter().filter(|record| passes(filter, &tables, record)).collect();
        // `--last` is about what is there at the start.
        if let Some(last) = filter.last.filter(|_| std::mem::take(&mut is_first)) {
            wanted.drain(..wanted.len().saturating_sub(last));
        }
        for record in wanted {
            if left == 0 {
                break;
            }
            printer.record(&tables, record)?;
            left -= 1;
        }
        printer.flush()?;
        if left == 0 {
            break;
        }
        if round.held {
            std::thread::sleep(HOLD);
        } else {
            session.wait(follower.seen())?;
        }
    }
    Ok(Finding::Good)
}
