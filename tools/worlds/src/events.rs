//! Drivers that log events: text, levels and filters of their records, in a live log and in a saved one.

use std::fs;

use anyhow::{Context, Result, ensure};
use irqlog_build::{host::NATIVE, shell::root};

use crate::{rig, target::Target};

/// Runs the sample drivers in the rig, and checks what the CLI shows of their events.
///
/// # Errors
/// The first thing that is not as it should be.
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "they are formats of events, to be found in what is shown"
)]
pub fn run() -> Result<()> {
    let mut serving = rig::Serving::start(NATIVE, 0)?;
    serving.samples()?;
    let ask = |serving: &rig::Serving, arguments: &[&str], wanted: &[&str], unwanted: &[&str]| -> Result<String> {
        let text = serving.irqlog(arguments)?;
        for part in wanted {
            ensure!(text.contains(part), "irqlog {} does not say {part:?}:\n{text}", arguments.join(" "));
        }
        for part in unwanted {
            ensure!(!text.contains(part), "irqlog {} says {part:?}:\n{text}", arguments.join(" "));
        }
        Ok(text)
    };
    ask(&serving, &["providers"], &["sample_rust", "sample_c", "trace"], &["refused"])?;
    ask(&serving, &["providers", "--sites"], &["  sample_c.c:", "\"round {round} of {}: {:.1} %\""], &[])?;
    ask(&serving, &["read", "--provider", "sample_c"], &["sample_c: loading \\Driver\\sample_c"], &["sample_rust: "])?;
    ask(&serving, &["read", "--grep", "round [12] of work"], &["sample_c: round 1", "STATUS_PENDING"], &["DPC on"])?;
    let events =
        ask(&serving, &["read", "--json", "--grep", "DPC on"], &["{:>4} interrupts", "\"type\":\"u32\""], &[])?;
    let event: serde_json::Value = serde_json::from_str(events.lines().next().context("an event")?)?;
    let place = format!("{}:{}", event["file"].as_str().context("file")?, event["line"]);
    let at_place = ask(&serving, &["read", "--json", "--site", &place], &[], &["IPI of", "round "])?;
    ensure!(at_place.lines().all(|line| line.contains("DPC on")), "--site {place}:\n{at_place}");
    ask(
        &serving,
        &["follow", "--provider", "sample_rust", "--count", "3"],
        &["sample_rust: loading"],
        &["sample_c: "],
    )?;
    // Levels: of one that is there, and of one that is not.
    ask(&serving, &["configure", "--provider", "sample_c", "--level", "warn"], &[], &[])?;
    ensure!(serving.irqlog(&["configure", "--provider", "nobody", "--level", "warn"]).is_err(), "nobody is a provider");
    ask(&serving, &["clear"], &[], &[])?;
    serving.samples()?;
    ask(&serving, &["read", "--provider", "sample_c"], &["sample_c: NMI"], &["sample_c: DPC", "sample_c: round"])?;
    ask(&serving, &["read", "--provider", "sample_rust"], &["sample_rust: DPC"], &[])?;
    // A saved log has its sites with it.
    let saved = root().join("target/xtask/providers.irqlog");
    fs::create_dir_all(saved.parent().context("a folder")?)?;
    let _ = fs::remove_file(&saved);
    let path = saved.to_string_lossy().into_owned();
    ask(&serving, &["save", &path], &[], &[])?;
    let live = serving.irqlog(&["read", "--json", "--provider", "sample_rust"])?;
    let decoded = serving.irqlog(&["decode", &path, "--json", "--provider", "sample_rust"])?;
    ensure!(live == decoded && !live.is_empty(), "decode shows something else than read did");
    ask(&serving, &["providers", "--file", &path], &["sample_rust", "sample_c              warn"], &[])?;
    Box::new(serving).stop()
}
