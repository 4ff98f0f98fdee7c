//! `selftest`: the driver writes at every IRQL on every processor, and says what arrived.
//!
//! People run it when the log is empty. So records that were not written are a finding, and the command says why they
//! were not: from the settings and the counters of drops, which it reads before and after.

use anyhow::Result;
use irqlog_reader::{
    image::Tables,
    session::{Session, Source},
    shown::recorder::ShownDrops,
};
use irqlog_wire::{
    image::DropReason,
    ioctl::{SELFTEST_CONTEXTS, SelftestAnswer},
    record::Level,
};
use serde_json::json;

use crate::{args::Form, exit::Exit, output::Printer};

/// What became of the log calls of one context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    called: u32,
    written: u32,
    /// Dropped, or filtered by the level.
    dropped: u32,
    found: u32,
}

/// What the selftest shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Every call wrote a record, and every record is in the log.
    Arrived,
    /// Every record that was written is in the log, but some calls wrote none: their number, and why.
    NotWritten(u32, Vec<String>),
    /// Records that were written are not in the log, or calls were not made.
    Missing(u32),
}

/// Runs it; what did not arrive is a finding.
pub fn run(session: &mut Session<impl Source>, form: Form) -> Result<Exit> {
    let before = session.info()?;
    let answer = session.selftest()?;
    let after = session.info()?;
    let contexts = counts(&answer);
    let verdict = judge(&contexts, &before, &after);
    let mut printer = Printer::new(form);
    match form {
        Form::Text => as_text(&mut printer, answer.processors.get(), &contexts, &verdict)?,
        Form::Json => as_json(&mut printer, &contexts, &verdict)?,
    }
    Ok(if verdict == Verdict::Arrived { Exit::Done } else { Exit::Found })
}

fn counts(answer: &SelftestAnswer) -> [Counts; SELFTEST_CONTEXTS.len()] {
    answer.contexts.map(|context| Counts {
        called: context.called.get(),
        written: context.written.get(),
        dropped: context.dropped.get(),
        found: context.found.get(),
    })
}

/// Judges the counts by the recorder's tables from before and after.
fn judge(contexts: &[Counts], before: &Tables, after: &Tables) -> Verdict {
    // Another writer may have overwritten a record meanwhile: run it again.
    let is_whole = |counts: &&Counts| {
        counts.called != 0
            && counts.called == counts.written.saturating_add(counts.dropped)
            && counts.found == counts.written
    };
    let missing: u32 = contexts
        .iter()
        .filter(|counts| !is_whole(counts))
        .map(|counts| counts.called.saturating_sub(counts.dropped).saturating_sub(counts.found).max(1))
        .sum();
    let not_written = contexts.iter().map(|counts| counts.dropped).sum();
    match (missing, not_written) {
        (0, 0) => Verdict::Arrived,
        (0, _) => Verdict::NotWritten(not_written, causes(before, after)),
        _ => Verdict::Missing(missing),
    }
}

/// Why log calls of level `info` wrote no record, each with what mends it.
fn causes(before: &Tables, after: &Tables) -> Vec<String> {
    let mut causes = Vec::new();
    let level = after.header.level.get();
    // A filtered call is not counted: the level itself is the trace that it leaves.
    if level < u64::from(Level::Info.0) {
        let name = Level(level as u8).name().unwrap_or("unknown");
        causes.push(format!(
            "the level is {name}, and the selftest logs at level info; `irqlog configure --level info` lets it through"
        ));
    }
    let dropped = after.drops().into_iter().zip(before.drops());
    let dropped = ShownDrops(collect(dropped.map(|(after, before)| after.wrapping_sub(before))));
    for (reason, count) in dropped.reasons().filter(|(_, count)| *count != 0) {
        let why = match DropReason(reason.number as u32) {
            DropReason::Paused => "writing is paused; `irqlog configure --resume` ends the pause",
            DropReason::Refused => "a lane is full and its policy is `keep`; `irqlog clear` makes room",
            DropReason::Budget => "the lock was not free within `LockBudget`: another writer holds it too long",
            DropReason::NoLane => "a processor has no lane: there was no memory for it when it was added",
            DropReason::Reentered => "calls interrupted a write of the NMI lane on their processor",
            _ => "see docs/record-format.md for the reason",
        };
        causes.push(format!("{count} dropped as {reason}: {why}"));
    }
    if causes.is_empty() {
        causes.push("the settings changed meanwhile; run the selftest again".to_owned());
    }
    causes
}

/// The items of an iterator as an array; zero where there are fewer.
fn collect<const N: usize>(items: impl Iterator<Item = u64>) -> [u64; N] {
    let mut all = [0; N];
    for (slot, item) in all.iter_mut().zip(items) {
        *slot = item;
    }
    all
}

fn as_text(printer: &mut Printer, processors: u32, contexts: &[Counts], verdict: &Verdict) -> Result<()> {
    printer.line(&format!("{processors} processors\ncontext   called  written  dropped  found"))?;
    for (name, Counts { called, written, dropped, found }) in SELFTEST_CONTEXTS.iter().zip(contexts) {
        printer.line(&format!("{name:8}  {called:6}  {written:7}  {dropped:7}  {found:5}"))?;
    }
    match verdict {
        Verdict::Arrived => printer.line("selftest: every record arrived"),
        Verdict::NotWritten(count, causes) => {
            printer.line(&format!("selftest: {count} log calls wrote NO record:"))?;
            causes.iter().try_for_each(|cause| printer.line(&format!("  {cause}")))
        }
        Verdict::Missing(count) => printer.line(&format!(
            "selftest: NOT every record arrived: {count} are missing. Run it again while little else logs: other \
             records may have overwritten them"
        )),
    }
}

fn as_json(printer: &mut Printer, contexts: &[Counts], verdict: &Verdict) -> Result<()> {
    for (name, Counts { called, written, dropped, found }) in SELFTEST_CONTEXTS.iter().zip(contexts) {
        let object =
            json!({ "context": name, "called": called, "written": written, "dropped": dropped, "found": found });
        printer.json(object)?;
    }
    printer.json(match verdict {
        Verdict::Arrived => json!({ "selftest": "arrived" }),
        Verdict::NotWritten(count, causes) => json!({ "selftest": "not-written", "calls": count, "causes": causes }),
        Verdict::Missing(count) => json!({ "selftest": "missing", "records": count }),
    })
}

#[cfg(test)]
mod tests {
    use irqlog_wire::image::ImageHeader;
    use zerocopy::FromZeros;

    use super::*;

    fn tables(level: Level, paused: u64, refused: u64) -> Tables {
        let mut header = ImageHeader::new_zeroed();
        header.level.set(level.0.into());
        header.drops[DropReason::Paused.0 as usize].set(paused);
        header.drops[DropReason::Refused.0 as usize].set(refused);
        Tables { header, processors: Vec::new(), lanes: Vec::new(), sites: std::sync::Arc::default() }
    }

    const fn all(written: u32, dropped: u32, found: u32) -> [Counts; 2] {
        [Counts { called: written + dropped, written, dropped, found }; 2]
    }

    #[test]
    fn every_record_arrives_only_if_every_call_wrote_one() {
        let same = tables(Level::Trace, 0, 0);
        assert_eq!(judge(&all(4, 0, 4), &same, &same), Verdict::Arrived);
        assert_eq!(judge(&all(4, 0, 3), &same, &same), Verdict::Missing(2));
        assert_eq!(judge(&all(0, 0, 0), &same, &same), Verdict::Missing(2));
        assert!(matches!(judge(&all(3, 1, 3), &same, &same), Verdict::NotWritten(2, _)));
    }

    #[test]
    fn the_cause_is_named() {
        let causes = |before: &Tables, after: &Tables| match judge(&all(0, 4, 0), before, after) {
            Verdict::NotWritten(8, causes) => causes.join("\n"),
            other => panic!("{other:?}"),
        };
        let quiet = tables(Level::Error, 7, 0);
        let said = causes(&quiet, &quiet);
        assert!(said.starts_with("the level is error") && !said.contains("paused"), "{said}");
        let said = causes(&tables(Level::Trace, 7, 0), &tables(Level::Trace, 15, 0));
        assert!(said.starts_with("8 dropped as paused") && said.contains("--resume"), "{said}");
        let said = causes(&tables(Level::Trace, 7, 1), &tables(Level::Trace, 7, 9));
        assert!(said.starts_with("8 dropped as refused") && said.contains("irqlog clear"), "{said}");
    }
}
