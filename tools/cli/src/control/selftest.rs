//! `selftest`: the driver writes at every IRQL on every processor, and says what arrived.
//!
//! People run it when the log is empty. So records that were not written are a finding, and the command says why they
//! were not: from the settings and the counters of drops, which it reads before and after.

use std::io::{self, Write};

use anyhow::Result;
use irqlog_reader::{
    image::Tables,
    session::{Session, Source},
};
use irqlog_shown::{Show, recorder::ShownDrops};
use irqlog_wire::{
    image::DropReason,
    ioctl::{SELFTEST_CONTEXTS, SelftestAnswer},
    record::Level,
};
use serde::Serialize;

use crate::{args::Form, exit::Exit, output::Printer};

/// What became of the log calls of one context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Counts {
    /// Name of the context, such as `dpc`.
    context: &'static str,
    called: u32,
    written: u32,
    /// Calls that were dropped, or filtered by the level.
    dropped: u32,
    /// Written records that are in the log.
    found: u32,
}

impl Show for Counts {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        let Self { context, called, written, dropped, found } = self;
        writeln!(out, "{context:8}  {called:6}  {written:7}  {dropped:7}  {found:5}")
    }
}

/// The result of the selftest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "selftest", rename_all = "kebab-case")]
enum Verdict {
    /// Every call wrote a record, and every record is in the log.
    Arrived,
    /// Every record that was written is in the log, but some calls wrote none.
    NotWritten {
        /// Number of those calls.
        calls: u32,
        /// Why they wrote none, one sentence each.
        causes: Vec<String>,
    },
    /// Records that were written are not in the log, or calls were not made.
    Missing {
        /// Number of those records and calls.
        records: u32,
    },
}

impl Show for Verdict {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        match self {
            Self::Arrived => writeln!(out, "selftest: every record arrived"),
            Self::NotWritten { calls, causes } => {
                writeln!(out, "selftest: {calls} log calls wrote NO record:")?;
                causes.iter().try_for_each(|cause| writeln!(out, "  {cause}"))
            }
            Self::Missing { records } => writeln!(
                out,
                "selftest: NOT every record arrived: {records} are missing. Run it again while little else logs: other \
                 records may have overwritten them"
            ),
        }
    }
}

/// Runs the selftest, and shows its counts and its result; any result but [`Verdict::Arrived`] is a finding.
pub fn run(session: &mut Session<impl Source>, form: Form) -> Result<Exit> {
    let before = session.info()?;
    let answer = session.selftest()?;
    let after = session.info()?;
    let contexts = counts(&answer);
    let verdict = judge(&contexts, &before, &after);
    let mut printer = Printer::new(form);
    printer.heading(&format!("{} processors\ncontext   called  written  dropped  found", answer.processors))?;
    contexts.iter().try_for_each(|counts| printer.show(counts))?;
    printer.show(&verdict)?;
    Ok(if verdict == Verdict::Arrived { Exit::Done } else { Exit::Found })
}

fn counts(answer: &SelftestAnswer) -> Vec<Counts> {
    let contexts = SELFTEST_CONTEXTS.into_iter().zip(&answer.contexts);
    let counts = contexts.map(|(context, counts)| Counts {
        context,
        called: counts.called.get(),
        written: counts.written.get(),
        dropped: counts.dropped.get(),
        found: counts.found.get(),
    });
    counts.collect()
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
        (0, _) => Verdict::NotWritten { calls: not_written, causes: causes(before, after) },
        _ => Verdict::Missing { records: missing },
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

#[cfg(test)]
mod tests {
    use irqlog_wire::image::ImageHeader;
    use serde_json::json;
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
        [Counts { context: "dpc", called: written + dropped, written, dropped, found }; 2]
    }

    #[test]
    fn every_record_arrives_only_if_every_call_wrote_one() {
        let same = tables(Level::Trace, 0, 0);
        assert_eq!(judge(&all(4, 0, 4), &same, &same), Verdict::Arrived);
        assert_eq!(judge(&all(4, 0, 3), &same, &same), Verdict::Missing { records: 2 });
        assert_eq!(judge(&all(0, 0, 0), &same, &same), Verdict::Missing { records: 2 });
        assert!(matches!(judge(&all(3, 1, 3), &same, &same), Verdict::NotWritten { calls: 2, .. }));
    }

    #[test]
    fn text_and_json_are_made_of_the_same_values() {
        let counts = all(3, 1, 3)[0];
        let causes = vec!["a cause".to_owned(), "another".to_owned()];
        let verdict = Verdict::NotWritten { calls: 1, causes: causes.clone() };
        let mut text = Vec::new();
        counts.text(&mut text).unwrap();
        verdict.text(&mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "dpc            4        3        1      3\n\
             selftest: 1 log calls wrote NO record:\n  a cause\n  another\n"
        );
        let expected = json!({ "context": "dpc", "called": 4, "written": 3, "dropped": 1, "found": 3 });
        assert_eq!(serde_json::to_value(counts).unwrap(), expected);
        let expected = json!({ "selftest": "not-written", "calls": 1, "causes": causes });
        assert_eq!(serde_json::to_value(verdict).unwrap(), expected);
        assert_eq!(serde_json::to_value(Verdict::Arrived).unwrap(), json!({ "selftest": "arrived" }));
    }

    #[test]
    fn the_cause_is_named() {
        let causes = |before: &Tables, after: &Tables| match judge(&all(0, 4, 0), before, after) {
            Verdict::NotWritten { calls: 8, causes } => causes.join("\n"),
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
