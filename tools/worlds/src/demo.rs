//! `cargo xtask demo`: the real driver under a storm of interrupts, and its log through the real CLI.

use anyhow::{Context, Result, bail};
use irqlog_build::shell::step;
use irqlog_kit::Arch;
use serde_json::Value;

use crate::{
    rig::{self, Serving},
    target::Target,
};

/// Calls of the storm's threads in one go: few enough for the ring to hold most of them.
const CALLS: u64 = 6000;

/// Runs the demonstration; the last line that it prints is the accounting.
///
/// # Errors
/// If something fails, or the accounting does not hold.
pub fn run(arch: Arch) -> Result<()> {
    rig::prepare(arch)?;
    step("booting 4 processors; threads, DPCs, IPIs, interrupts and NMIs log while they interrupt each other");
    let mut serving = Serving::start(arch, CALLS)?;
    show(&serving, &["info"])?;
    show(&serving, &["selftest"])?;
    println!("\n$ for each IRQL: irqlog read --irql IRQL --last 2, and the last of the NMI lanes");
    for irql in (0..16).map(|irql| irql.to_string()).chain(["NMI".to_owned()]) {
        page(&serving.irqlog(&["read", "--irql", &irql, "--last", "2"])?);
    }
    show(&serving, &["stats"])?;
    let verdict = account(&serving)?;
    samples(&mut serving)?;
    Box::new(serving).stop()?;
    println!("\n{verdict}");
    if verdict.ends_with("accounting holds") { Ok(()) } else { bail!("the accounting does not hold") }
}

/// Prints a command of the CLI, and its output.
fn show(serving: &Serving, arguments: &[&str]) -> Result<()> {
    println!("\n$ irqlog {}", arguments.join(" "));
    page(&serving.irqlog(arguments)?);
    Ok(())
}

/// The sample drivers, in Rust and in C, log beside it: events, with the text made by the reader.
fn samples(serving: &mut Serving) -> Result<()> {
    step(
        "loading sample_rust.sys and sample_c.sys; their devices interrupt, and their threads, DPCs, IPIs and NMIs log",
    );
    serving.samples()?;
    show(serving, &["providers"])?;
    show(serving, &["read", "--provider", "sample_rust,sample_c", "--grep", "^interrupt .* of object", "--last", "6"])?;
    show(serving, &["read", "--provider", "sample_rust,sample_c", "--last", "12"])?;
    show(serving, &["read", "--provider", "sample_c", "--irql", "NMI", "--last", "2"])?;
    let json = ["read", "--provider", "sample_rust", "--grep", "^round", "--last", "1", "--json"];
    println!("\n$ irqlog {}", json.join(" "));
    for line in serving.irqlog(&json)?.lines().filter(|line| !line.starts_with("{\"lost\"")) {
        println!("{line}");
    }
    Ok(())
}

/// Shows records as wide as one screen. Losses are in the accounting.
fn page(text: &str) {
    const WIDTH: usize = 118;
    for line in text.lines().filter(|line| !line.starts_with("---")) {
        let cut: String = line.chars().take(WIDTH).collect();
        println!("{cut}{}", if cut.len() < line.len() { "..." } else { "" });
    }
}

/// `called + own = written + dropped` and `written = delivered + lost`, with the numbers.
fn account(serving: &Serving) -> Result<String> {
    let said = serving.said.iter().find_map(|line| line.strip_prefix("storm: ")).context("the storm's count")?;
    let storm: Value = serde_json::from_str(said).context("the storm's count")?;
    let called = storm["called"].as_u64().context("called")?;
    let records = serving.irqlog(&["read", "--json"])?;
    let (mut delivered, mut lost) = (0, 0);
    for line in records.lines() {
        let record: Value = serde_json::from_str(line).context("a record as JSON")?;
        match record["loss"]["count"].as_u64() {
            Some(count) => lost += count,
            None => delivered += 1,
        }
    }
    let stats: Value = serde_json::from_str(&serving.irqlog(&["stats", "--json"])?).context("stats as JSON")?;
    let sum = |values: Vec<&Value>| values.into_iter().filter_map(Value::as_u64).sum::<u64>();
    let written = sum(stats["lanes"].as_array().context("lanes")?.iter().map(|lane| &lane["written"]).collect());
    let dropped = sum(stats["dropped"].as_object().context("dropped")?.values().collect());
    let own = stats["own_calls"].as_u64().context("own_calls")?;
    let mut text = format!(
        "called {called} + own {own} = {}, written {written} + dropped {dropped} = {}\n\
         written {written}, delivered {delivered} + lost {lost} = {}\n",
        called + own,
        written + dropped,
        delivered + lost,
    );
    text.push_str(if called + own != written + dropped {
        "called + own is not written + dropped"
    } else if written != delivered + lost {
        "written is not delivered + lost"
    } else {
        "accounting holds"
    });
    Ok(text)
}
